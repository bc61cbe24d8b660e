// A case is [question, ...]. "normal": the normal form of a scope value, or null. "allows": what a list of scope values
// permits, after those that are unknown were dropped as the provider does. "missing": what is said of what is not permitted.
// "include": the scopes that an `include:` stands for, given the main definition of its permission set.
import {
  IncludeScope,
  ScopePermissionsTransition,
  isAtprotoOauthScope,
  normalizeAtprotoOauthScope,
  normalizeAtprotoOauthScopeValue,
} from '@atproto/oauth-scopes'

const resource = { repo: 'Repo', rpc: 'Rpc', blob: 'Blob', account: 'Account', identity: 'Identity' }

const questions = {
  normal: (text) => normalizeAtprotoOauthScopeValue(text),
  allows: (values, asked) => {
    const known = values.filter(isAtprotoOauthScope)
    const permissions = new ScopePermissionsTransition(known)
    return {
      normal: normalizeAtprotoOauthScope(known.join(' ')),
      answers: asked.map(([kind, options]) => permissions[`allows${resource[kind]}`](options)),
    }
  },
  missing: (kind, options) => {
    try {
      new ScopePermissionsTransition('atproto')[`assert${resource[kind]}`](options)
    } catch (error) {
      return error.message
    }
  },
  include: (scope, main) => IncludeScope.fromString(scope).toScopes(main),
}

export default ([question, ...rest]) => questions[question](...rest)
