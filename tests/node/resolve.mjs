// Lets a script that lives anywhere import the packages of one node_modules folder, which TEMPEST_NODE_MODULES names.
// Node looks for packages in the folders above the importing file, and takes no search path for ES modules.
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const anchor = pathToFileURL(join(process.env.TEMPEST_NODE_MODULES, 'anchor.mjs')).href
const isBare = (specifier) => !/^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(specifier)

registerHooks({
  resolve(specifier, context, next) {
    if (isBare(specifier) && !context.parentURL?.includes('/node_modules/')) {
      return next(specifier, { ...context, parentURL: anchor })
    }
    return next(specifier, context)
  },
})
