// What the reference makes of DAG-CBOR, JSON and CARs; one case says in `do` which.
// The reference reads more than the data model allows, so a verdict also has what it would write itself (`again`), and
// whether all that was read is in the model (`inModel`).
import { encode, decode } from '@atproto/lex-cbor'
import { ifCid } from '@atproto/lex-data'
import { lexParse, lexStringify } from '@atproto/lex-json'
import { readCarStream, writeCarStream } from '@atproto/repo'

const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'))
const hex = (data) => Buffer.from(data).toString('hex')
const limit = 2n ** 63n

const isBlessed = (cid) =>
  cid.version === 1 &&
  (cid.code === 0x55 || cid.code === 0x71) &&
  cid.multihash.code === 0x12 &&
  cid.multihash.digest.length === 32 &&
  cid.bytes.length === 36

const isInModel = (value) => {
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return true
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value === 'bigint') return value < limit && value >= -limit
  if (typeof value === 'string') return value.isWellFormed()
  if (Array.isArray(value)) return value.every(isInModel)
  const cid = ifCid(value)
  if (cid) return isBlessed(cid)
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isInModel(item))
}

const attempt = (make) => {
  try {
    return make()
  } catch {
    return null
  }
}

const readCar = async (data) => {
  async function* chunks() {
    yield data
  }
  const { roots, blocks } = await readCarStream(chunks())
  const read = []
  for await (const block of blocks) read.push(block)
  const parts = []
  for await (const part of writeCarStream(roots[0] ?? null, read)) parts.push(part)
  return {
    roots: roots.map(String),
    blocks: read.map(({ cid, bytes }) => [cid.toString(), hex(bytes)]),
    again: hex(Buffer.concat(parts)),
    inModel: roots.every(isBlessed) && read.every(({ cid }) => isBlessed(cid)),
  }
}

const deeds = {
  cbor: ({ data }) => {
    const value = decode(bytes(data))
    return {
      again: attempt(() => hex(encode(value))),
      inModel: isInModel(value),
      json: attempt(() => lexStringify(value)),
    }
  },
  json: ({ text }) => {
    const value = lexParse(text, { strict: true })
    return { cbor: attempt(() => hex(encode(value))), inModel: isInModel(value) }
  },
  car: ({ data }) => readCar(bytes(data)),
}

export default (one) => deeds[one.do](one)
