// What @atproto/crypto, @atproto/xrpc-server and @atproto/identity make of keys, signatures, tokens and DID documents;
// one case says in `do` which.
import { P256Keypair, Secp256k1Keypair, formatMultikey, parseDidKey, verifySignature } from '@atproto/crypto'
import { getKey, getPds } from '@atproto/identity'
import { createServiceJwt, verifyJwt } from '@atproto/xrpc-server'

const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'))
const hex = (data) => Buffer.from(data).toString('hex')
const pairs = { k256: Secp256k1Keypair, p256: P256Keypair }
const load = ({ curve, secret }) => pairs[curve].import(secret, { exportable: true })
const attempt = (make) => {
  try {
    return make() ?? null
  } catch {
    return null
  }
}

const deeds = {
  sign: async (one) => {
    const pair = await load(one)
    return { did: pair.did(), signature: hex(await pair.sign(bytes(one.message))) }
  },
  verify: async ({ did, message, signature, malleable }) =>
    verifySignature(did, bytes(message), bytes(signature), { allowMalleableSig: malleable }),
  did: ({ text }) => {
    const { jwtAlg, keyBytes } = parseDidKey(text)
    return { jwtAlg, again: `did:key:${formatMultikey(jwtAlg, keyBytes)}` }
  },
  mint: async (one) => createServiceJwt({ ...one.claims, keypair: await load(one) }),
  check: async ({ token, aud, lxm, did }) => verifyJwt(token, aud, lxm, async () => did),
  document: ({ document }) => ({ key: attempt(() => getKey(document)), pds: attempt(() => getPds(document)) }),
}

export default (one) => deeds[one.do](one)
