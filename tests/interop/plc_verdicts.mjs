// What @did-plc/lib makes of operations and logs of did:plc; one case says in `do` which.
import { Secp256k1Keypair } from '@atproto/crypto'
import plc from '@did-plc/lib'
import { CID } from 'multiformats/cid'

const load = (secret) => Secp256k1Keypair.import(secret)
const hour = 60 * 60 * 1000

const deeds = {
  make: async ({ signer, recovery, changes }) => {
    const key = await load(signer)
    const { op, did } = await plc.createOp({ ...changes[0], rotationKeys: recovery, signer: key })
    const handled = await plc.updateHandleOp(op, key, changes[1].handle)
    const moved = await plc.updatePdsOp(handled, key, changes[1].pds)
    const keyed = await plc.updateAtprotoKeyOp(moved, key, changes[1].signingKey)
    const ended = await plc.tombstoneOp(CID.parse(changes[1].end), key)
    return { did, operations: [op, handled, moved, keyed], ended }
  },
  // The library's reading of a log leaves out what the directory asks of each operation when it comes.
  log: async ({ did, operations }) => {
    for (const operation of operations) {
      await plc.assureValidOp(operation.type === 'plc_tombstone' ? operation : plc.normalizeOp(operation))
    }
    return plc.validateOperationLog(did, operations)
  },
  next: async ({ did, entries, operation }) => {
    const indexed = entries.map((entry) => ({
      did,
      operation: entry.operation,
      cid: CID.parse(entry.cid),
      nullified: false,
      createdAt: new Date(Date.now() - entry.age * hour),
    }))
    const { nullified } = await plc.assureValidNextOp(did, indexed, operation)
    return nullified.map(String)
  },
}

export default (one) => deeds[one.do](one)
