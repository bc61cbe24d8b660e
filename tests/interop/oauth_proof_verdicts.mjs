// What jose, @atproto/jwk-jose and the reference's OAuth provider make of DPoP proofs, client assertions and request
// objects; one case says in `do` which.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { JoseKey } from '@atproto/jwk-jose'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// The provider exports neither of these on its own.
const inside = (path) =>
  import(pathToFileURL(join(process.env.TEMPEST_NODE_MODULES, '@atproto/oauth-provider/dist', path)).href)
const { DpopManager } = await inside('dpop/dpop-manager.js')
const { DpopNonce } = await inside('dpop/dpop-nonce.js')
const { Client } = await inside('client/client.js')

const client = ({ id, jwks }) =>
  new Client(id, { client_id: id, token_endpoint_auth_method: 'private_key_jwt' }, jwks, {
    isFirstParty: false,
    isTrusted: false,
  })

let rsa
const newKey = async (alg) => {
  if (!/^[RP]S/.test(alg)) return exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey)
  rsa ??= await exportJWK((await generateKeyPair('RS256', { extractable: true })).privateKey)
  return rsa
}
const withoutSecrets = ({ kty, crv, x, y, n, e }) => ({ kty, crv, x, y, n, e })

const deeds = {
  // A proof as a browser makes it with jose, and an assertion and a request object as the official client makes them.
  make: async ({ alg, proof, assertion, request }) => {
    const jwk = await newKey(alg)
    const publicJwk = withoutSecrets(jwk)
    const header = { typ: 'dpop+jwt', alg, jwk: publicJwk }
    const key = await JoseKey.fromJWK({ ...jwk, kid: 'one', alg })
    return {
      thumbprint: await calculateJwkThumbprint(publicJwk),
      proof: await new SignJWT(proof).setProtectedHeader(header).sign(await importJWK(jwk, alg)),
      assertion: await key.createJwt({ alg }, assertion),
      request: await key.createJwt({ alg, typ: 'oauth-authz-req+jwt' }, request),
      // Of an RSA key, publicJwk still has the primes.
      keys: { keys: [/^[RP]S/.test(alg) ? { ...publicJwk, kid: 'one' } : key.publicJwk] },
      leaks: ['p', 'q'].some((name) => name in key.publicJwk),
      bare: key.bareJwk,
    }
  },
  proof: async ({ secret, method, url, proof, token }) =>
    new DpopManager({ dpopSecret: secret }).checkProof(method, new URL(url), { dpop: proof }, token),
  nonces: ({ secret }) => {
    const nonces = new DpopNonce(Buffer.from(secret, 'hex'))
    const counter = nonces.currentCounter
    return { counter, next: nonces.next(), again: nonces.currentCounter }
  },
  assertion: async ({ assertion, issuer, ...one }) =>
    client(one).authenticate(
      {
        client_assertion: assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      },
      { authorizationServerIdentifier: issuer },
    ),
  request: async ({ request, issuer, ...one }) => (await client(one).decodeRequestObject(request, issuer)).payload,
}

export default (one) => deeds[one.do](one)
