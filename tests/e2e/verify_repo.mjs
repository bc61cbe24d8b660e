// Verifies a whole repository as the reference implementation does: {did, key, car (base64)} -> {path: cid}.
import { readCarWithRoot, verifyRepo } from '@atproto/repo'

export default async ({ did, key, car }) => {
  const { root, blocks } = await readCarWithRoot(Buffer.from(car, 'base64'))
  const { creates } = await verifyRepo(blocks, root, did, key)
  return Object.fromEntries(creates.map(({ collection, rkey, cid }) => [`${collection}/${rkey}`, cid.toString()]))
}
