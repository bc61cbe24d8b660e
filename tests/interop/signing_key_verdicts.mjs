// What jose makes of the keys that this server publishes and keeps, and of the tokens that it signs with them.
import { calculateJwkThumbprint, createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose'

const deeds = {
  verify: async ({ token, jwks, typ }) =>
    (await jwtVerify(token, createLocalJWKSet(jwks), { typ, algorithms: ['ES256'] })).payload,
  thumbprints: async ({ jwks }) => Promise.all(jwks.keys.map((key) => calculateJwkThumbprint(key))),
  sign: async ({ jwk, claims, typ }) =>
    new SignJWT(claims).setProtectedHeader({ typ, alg: 'ES256', kid: jwk.kid }).sign(await importJWK(jwk, 'ES256')),
}

export default (one) => deeds[one.do](one)
