// What a person does with codes from mails and the official TypeScript client: email_client.mjs URL
// A line {"mail_to": address} asks for the code of the next mail there; it comes back as a line on standard input.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { AtpAgent } from '@atproto/api'
import { refusal, run } from './checks.mjs'

const service = process.argv[2]
const suffix = randomBytes(3).toString('hex')
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const password = 'correct horse battery'
const second = 'another correct horse'
const [oldAddress, newAddress] = [`alice-${suffix}@mail.test`, `new-${suffix}@mail.test`]
const agent = new AtpAgent({ service })
const other = new AtpAgent({ service })
const anybody = new AtpAgent({ service })
const server = agent.com.atproto.server
const state = {}

async function codeMailedTo(address) {
  console.log(JSON.stringify({ mail_to: address }))
  return (await lines.next()).value
}

async function refused(promise) {
  const { status, error } = await refusal(promise)
  return `${status} ${error}`
}

await run({
  'two accounts are created': async () => {
    await agent.createAccount({ handle: `alice-${suffix}.test`, email: oldAddress, password })
    await other.createAccount({ handle: `bob-${suffix}.test`, email: `bob-${suffix}@mail.test`, password })
  },
  'an address is confirmed with the code that came by mail': async () => {
    await server.requestEmailConfirmation()
    state.code = await codeMailedTo(oldAddress)
    assert.match(state.code, /^[A-Z2-7]{5}-[A-Z2-7]{5}$/)
    assert.equal(await refused(server.confirmEmail({ email: newAddress, token: state.code })), '400 InvalidEmail')
    assert.equal(await refused(server.confirmEmail({ email: oldAddress, token: 'AAAAA-AAAAA' })), '400 InvalidToken')
    const ofBob = { email: `bob-${suffix}@mail.test`, token: state.code }
    assert.equal(await refused(other.com.atproto.server.confirmEmail(ofBob)), '400 InvalidToken')
    const reset = { token: state.code, password: second }
    assert.equal(await refused(anybody.com.atproto.server.resetPassword(reset)), '400 InvalidToken')
    assert.equal((await server.getSession()).data.emailConfirmed, false)
    await server.confirmEmail({ email: oldAddress.toUpperCase(), token: state.code.toLowerCase() })
    assert.equal((await server.getSession()).data.emailConfirmed, true)
  },
  'a code is used once': async () => {
    assert.equal(await refused(server.confirmEmail({ email: oldAddress, token: state.code })), '400 InvalidToken')
  },
  'a confirmed address is changed with a code': async () => {
    assert.equal((await server.requestEmailUpdate()).data.tokenRequired, true)
    const token = await codeMailedTo(oldAddress)
    assert.equal(await refused(server.updateEmail({ email: newAddress })), '400 TokenRequired')
    assert.equal(await refused(server.updateEmail({ email: newAddress, token: state.code })), '400 InvalidToken')
    assert.equal(await refused(server.updateEmail({ email: 'a@mailinator.com', token })), '400 InvalidRequest')
    await server.updateEmail({ email: newAddress, token })
    const { data } = await server.getSession()
    assert.deepEqual([data.email, data.emailConfirmed], [newAddress, false])
  },
  'one that is not confirmed is changed without': async () => {
    assert.equal((await server.requestEmailUpdate()).data.tokenRequired, false)
    await server.updateEmail({ email: newAddress })
  },
  'a forgotten password is reset, which ends the session': async () => {
    await anybody.com.atproto.server.requestPasswordReset({ email: newAddress.toUpperCase() })
    const token = await codeMailedTo(newAddress)
    await anybody.com.atproto.server.resetPassword({ token, password: second })
    assert.equal(await refused(anybody.com.atproto.server.resetPassword({ token, password })), '400 InvalidToken')
    assert.equal(await refused(anybody.login({ identifier: newAddress, password })), '401 AuthenticationRequired')
    await anybody.login({ identifier: newAddress, password: second })
    const ended = { headers: { authorization: `Bearer ${agent.session.refreshJwt}` } }
    assert.equal(await refused(anybody.com.atproto.server.refreshSession(undefined, ended)), '400 ExpiredToken')
  },
})
process.stdin.destroy()
