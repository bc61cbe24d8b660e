// What the reference's OAuth packages make of client ids, redirect URIs, metadata documents and requests;
// one case says in `do` which. The provider's own rules are in modules that its package does not export.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  atprotoLoopbackClientMetadata,
  oauthAuthorizationRequestParametersSchema,
  oauthAuthorizationServerMetadataValidator,
  oauthClientMetadataSchema,
  oauthProtectedResourceMetadataSchema,
  oauthRedirectUriSchema,
} from '@atproto/oauth-types'

const provider = (file) =>
  import(pathToFileURL(join(process.env.TEMPEST_NODE_MODULES, '@atproto/oauth-provider/dist', file)).href)
const { buildMetadata } = await provider('metadata/build-metadata.js')
const { ClientManager } = await provider('client/client-manager.js')
const { Client } = await provider('client/client.js')
const { parseDiscoverableClientId } = await provider('client/client-utils.js')
const { compareRedirectUri } = await provider('lib/util/redirect-uri.js')
const { RequestManager } = await provider('request/request-manager.js')

const issuer = 'https://pds.example.com'
const metadata = buildMetadata(issuer, null, { protected_resources: [issuer] })
const clients = new ClientManager(metadata, null, {}, null, null, async () => {}, new Map(), new Map())
const requests = new RequestManager(null, { getPermissionSetsFromScope: async () => {} }, null, metadata, {})

const accept = (id, document) => {
  if (id.startsWith('https:')) parseDiscoverableClientId(id)
  return clients.validateClientMetadata(id, oauthClientMetadataSchema.parse(document))
}

const deeds = {
  discoverable: ({ id }) => parseDiscoverableClientId(id).hostname,
  loopback: ({ id }) => accept(id, atprotoLoopbackClientMetadata(id)),
  redirect: ({ uri }) => oauthRedirectUriSchema.parse(uri),
  compare: ({ registered, requested }) =>
    compareRedirectUri(oauthRedirectUriSchema.parse(registered), oauthRedirectUriSchema.parse(requested)),
  document: ({ id, document }) => accept(id, document),
  request: ({ id, document, fields, trusted }) => {
    const client = new Client(id, accept(id, document), undefined, { isFirstParty: trusted, isTrusted: trusted })
    return requests.validate(client, {}, oauthAuthorizationRequestParametersSchema.parse(fields))
  },
  discovery: () => metadata,
  server: ({ document }) => oauthAuthorizationServerMetadataValidator.parse(document),
  resource: ({ document }) => oauthProtectedResourceMetadataSchema.parse(document),
}

export default (one) => deeds[one.do](one)
