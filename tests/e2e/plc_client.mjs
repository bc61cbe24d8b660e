// An owner takes a key of his own into his DID with the official client: plc_client.mjs URL PLC_URL HANDLE PASSWORD [alone]
// Where a code is needed, {"wants": "code"} is printed, and the code is read from a line of standard input.
// With `alone` he drops the server's key afterwards, by an operation that he signs himself.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { AtpAgent } from '@atproto/api'
import { Secp256k1Keypair } from '@atproto/crypto'
import plc from '@did-plc/lib'
import { refusal, run } from './checks.mjs'

const [service, plcUrl, handle, password, alone] = process.argv.slice(2)
const agent = new AtpAgent({ service })
const identity = agent.com.atproto.identity
const directory = new plc.Client(plcUrl)
const own = await Secp256k1Keypair.create()
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const state = {}

async function mailedCode() {
  await identity.requestPlcOperationSignature()
  console.log(JSON.stringify({ wants: 'code' }))
  return (await lines.next()).value.trim()
}

await run({
  'the recommended credentials are those of the DID': async () => {
    await agent.login({ identifier: handle, password })
    state.did = agent.session.did
    const { data } = await identity.getRecommendedDidCredentials()
    const now = await directory.getDocumentData(state.did)
    assert.deepEqual(data.alsoKnownAs, now.alsoKnownAs)
    assert.deepEqual(data.verificationMethods, now.verificationMethods)
    assert.deepEqual(data.services, now.services)
    assert.deepEqual(data.rotationKeys, now.rotationKeys)
    state.recommended = data
  },
  'nothing is signed without the code that is mailed': async () => {
    const without = await refusal(identity.signPlcOperation({}))
    assert.deepEqual([without.status, without.error], [400, 'InvalidRequest'])
    const wrong = await refusal(identity.signPlcOperation({ token: 'AAAAA-AAAAA' }))
    assert.deepEqual([wrong.status, wrong.error], [400, 'InvalidToken'])
  },
  'a code signs an operation with a key of his own, once': async () => {
    const token = await mailedCode()
    assert.match(token, /^[A-Z2-7]{5}-[A-Z2-7]{5}$/)
    const rotationKeys = [own.did(), ...state.recommended.rotationKeys]
    const { data } = await identity.signPlcOperation({ token, rotationKeys })
    assert.deepEqual(data.operation.rotationKeys, rotationKeys)
    assert.deepEqual(data.operation.services, state.recommended.services)
    const again = await refusal(identity.signPlcOperation({ token }))
    assert.deepEqual([again.status, again.error], [400, 'InvalidToken'])
    state.operation = data.operation
  },
  'what is submitted is in the directory': async () => {
    await identity.submitPlcOperation({ operation: state.operation })
    const now = await directory.getDocumentData(state.did)
    assert.deepEqual(now.rotationKeys, state.operation.rotationKeys)
    assert.deepEqual(await directory.getLastOp(state.did), state.operation)
  },
  'the key is his own: with it he changes the DID himself': async () => {
    const operation = await plc.createUpdateOp(await directory.getLastOp(state.did), own, (last) => ({
      ...last,
      rotationKeys: alone ? [own.did()] : last.rotationKeys,
      alsoKnownAs: [...last.alsoKnownAs, 'https://alice.example.com'],
    }))
    await identity.submitPlcOperation({ operation })
    assert.deepEqual(await directory.getLastOp(state.did), operation)
  },
})
process.exit()
