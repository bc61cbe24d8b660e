// What @atproto/repo makes of trees, commits, events and exports; one case says in `do` which.
import { P256Keypair, Secp256k1Keypair } from '@atproto/crypto'
import {
  BlockMap,
  DataDiff,
  MST,
  MemoryBlockstore,
  Repo,
  WriteOpAction,
  blocksToCarFile,
  concatBytesAsync,
  def,
  getFullRepo,
  getRecords,
  parseDataKey,
  readCarWithRoot,
  verifyCommitSig,
  verifyProofs,
  verifyRecords,
  verifyRepoCar,
} from '@atproto/repo'
import { CID } from 'multiformats/cid'

const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))
const base64 = (data) => Buffer.from(data).toString('base64')
const texts = (cids) => cids.map(String).sort()
const link = (text) => (text === null ? null : CID.parse(text))

const change = async (tree, path, cid, prev) => {
  if (cid === null) return tree.delete(path)
  return prev === null ? tree.add(path, link(cid)) : tree.update(path, link(cid))
}

// Batches of [path, cid, prev]: the root after each, the nodes that it adds and removes, and the covering proof.
const tree = async ({ batches }) => {
  const storage = new MemoryBlockstore()
  let current = await MST.create(storage)
  await storage.putMany((await current.getUnstoredBlocks()).blocks)
  const steps = []
  for (const batch of batches) {
    let next = current
    for (const [path, cid, prev] of batch) next = await change(next, path, cid, prev)
    const root = await next.getPointer()
    const diff = await DataDiff.of(next, current)
    const proof = new BlockMap()
    for (const [path] of batch) proof.addMap(await next.getCoveringProof(path))
    await storage.putMany((await next.getUnstoredBlocks()).blocks)
    steps.push({
      root: String(root),
      added: texts(diff.newMstBlocks.cids()),
      removed: texts(diff.removedCids.toList()),
      proof: texts(proof.cids()),
    })
    current = MST.load(storage, root)
  }
  return steps
}

// A commit event: its signature, its claims, and the root of the tree that comes of undoing its operations.
const event = async ({ car, did, key, ops }) => {
  const { root, blocks } = await readCarWithRoot(bytes(car))
  const storage = new MemoryBlockstore(blocks)
  const commit = await storage.readObj(root, def.commit)
  if (!(await verifyCommitSig(commit, key))) throw new Error('the signature is not valid')
  const claims = ops.map(({ path, cid }) => ({ ...parseDataKey(path), cid: link(cid) }))
  const { unverified } = await verifyProofs(bytes(car), claims, did, key)
  let before = MST.load(storage, commit.data)
  for (const { path, cid, prev } of ops) before = await change(before, path, prev, cid)
  return { unverified: unverified.length, before: String(await before.getPointer()), rev: commit.rev }
}

// An export: its records by path.
const repo = async ({ car, did, key }) => {
  const { creates, commit } = await verifyRepoCar(bytes(car), did, key)
  return {
    commit: String(commit.cid),
    rev: commit.rev,
    records: Object.fromEntries(creates.map((op) => [`${op.collection}/${op.rkey}`, String(op.cid)])),
    readable: (await verifyRecords(bytes(car), did, key)).length,
  }
}

// A proof of what is at each of some paths.
const proof = async ({ car, did, key, path, cid }) => {
  const { verified } = await verifyProofs(bytes(car), [{ ...parseDataKey(path), cid: link(cid) }], did, key)
  return verified.length === 1
}

// A repository that the reference makes out of batches of {action, path, record}.
const make = async ({ did, secret, curve, batches, prove }) => {
  const Keypair = curve === 'p256' ? P256Keypair : Secp256k1Keypair
  const keypair = await Keypair.import(secret)
  const storage = new MemoryBlockstore()
  let current = await Repo.create(storage, did, keypair)
  const events = []
  for (const batch of batches) {
    const before = current.commit.data
    const writes = batch.map(({ action, path, record }) => ({
      action: { create: WriteOpAction.Create, update: WriteOpAction.Update, delete: WriteOpAction.Delete }[action],
      ...parseDataKey(path),
      record,
    }))
    const commit = await current.formatCommit(writes, keypair)
    current = await current.applyCommit(commit)
    events.push({
      car: base64(await blocksToCarFile(commit.cid, commit.relevantBlocks)),
      commit: String(commit.cid),
      rev: commit.rev,
      before: String(before),
      after: String(current.commit.data),
    })
  }
  const proofs = []
  for (const path of prove) {
    proofs.push(base64(await concatBytesAsync(getRecords(storage, current.cid, [parseDataKey(path)]))))
  }
  return { key: keypair.did(), events, proofs, car: base64(await concatBytesAsync(getFullRepo(storage, current.cid))) }
}

const tasks = { tree, event, repo, proof, make }
export default (task) => tasks[task.do](task)
