// What an administrator does with the official TypeScript client: admin_client.mjs URL TOKEN
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { AtpAgent } from '@atproto/api'
import { refusal, run } from './checks.mjs'

const [service, token] = process.argv.slice(2)
const headers = { authorization: `Basic ${Buffer.from(`admin:${token}`).toString('base64')}` }
const suffix = randomBytes(3).toString('hex')
const handle = `ts-${suffix}.test`
const password = 'correct horse battery'
const user = new AtpAgent({ service })
const root = new AtpAgent({ service })
const admin = root.com.atproto.admin
const asAdmin = { headers, encoding: 'application/json' }
const png = Buffer.from('89504e470d0a1a0a', 'hex')
const state = {}

const repoRef = () => ({ $type: 'com.atproto.admin.defs#repoRef', did: state.did })
const recordRef = () => ({ $type: 'com.atproto.repo.strongRef', uri: state.uri, cid: state.cid })
const blobRef = () => ({ $type: 'com.atproto.admin.defs#repoBlobRef', did: state.did, cid: state.blob })
const status = (subject, changes) => admin.updateSubjectStatus({ subject, ...changes }, asAdmin)
const down = (subject) => status(subject, { takedown: { applied: true, ref: 'ts' } })
const up = (subject) => status(subject, { takedown: { applied: false } })
const readRecord = () =>
  root.com.atproto.repo.getRecord({ repo: state.did, collection: 'app.bsky.feed.post', rkey: state.uri.split('/').pop() })
const readBlob = () => root.com.atproto.sync.getBlob({ did: state.did, cid: state.blob })

await run({
  'codes are made, and an account with one of them': async () => {
    const made = await root.com.atproto.server.createInviteCode({ useCount: 2 }, asAdmin)
    state.code = made.data.code
    const { data } = await user.createAccount({
      handle,
      email: `${handle}@mail.test`,
      password,
      inviteCode: state.code,
    })
    state.did = data.did
    const uploaded = await user.uploadBlob(png, { encoding: 'image/png' })
    state.blob = uploaded.data.blob.ref.toString()
    const image = { alt: '', image: uploaded.data.blob }
    const embed = { $type: 'app.bsky.embed.images', images: [image] }
    Object.assign(state, await user.post({ text: 'hello', embed }))
  },
  'the account is looked at': async () => {
    const { data } = await admin.getAccountInfo({ did: state.did }, { headers })
    assert.equal(data.handle, handle)
    assert.equal(data.email, `${handle}@mail.test`)
    assert.equal(data.invitedBy.code, state.code)
    assert.equal(data.invitesDisabled, false)
    const { data: many } = await admin.getAccountInfos({ dids: [state.did] }, { headers })
    assert.deepEqual(many.infos.map((info) => info.did), [state.did])
  },
  'the code is listed with its use': async () => {
    for (const sort of ['recent', 'usage']) {
      const codes = []
      let cursor
      do {
        const { data } = await admin.getInviteCodes({ sort, limit: 2, cursor }, { headers })
        codes.push(...data.codes)
        cursor = data.cursor
      } while (cursor)
      const mine = codes.filter((code) => code.code === state.code)
      assert.equal(mine.length, 1)
      assert.deepEqual(mine[0].uses.map((use) => use.usedBy), [state.did])
    }
  },
  'codes and invitations are disabled': async () => {
    await admin.disableInviteCodes({ codes: [state.code] }, asAdmin)
    await admin.disableAccountInvites({ account: state.did }, asAdmin)
    const { data } = await admin.getAccountInfo({ did: state.did }, { headers })
    assert.equal(data.invitesDisabled, true)
    assert.equal(data.invitedBy.disabled, true)
    await admin.enableAccountInvites({ account: state.did }, asAdmin)
  },
  'a record is hidden and shown': async () => {
    await down(recordRef())
    assert.equal((await refusal(readRecord())).error, 'RecordNotFound')
    const { data } = await admin.getSubjectStatus({ uri: state.uri }, { headers })
    assert.deepEqual(data.takedown, { applied: true, ref: 'ts' })
    assert.equal(data.subject.cid, state.cid)
    await up(recordRef())
    assert.equal((await readRecord()).data.value.text, 'hello')
  },
  'a blob is hidden and shown': async () => {
    await down(blobRef())
    assert.equal((await refusal(readBlob())).status, 400)
    const again = await refusal(user.uploadBlob(png, { encoding: 'image/png' }))
    assert.match(again.message, /takendown/)
    await up(blobRef())
    assert.deepEqual(Buffer.from((await readBlob()).data), png)
  },
  'an account is hidden and shown': async () => {
    const { data } = await down(repoRef())
    assert.deepEqual(data.takedown, { applied: true, ref: 'ts' })
    assert.equal((await refusal(root.com.atproto.sync.getRepo({ did: state.did }))).error, 'RepoTakendown')
    const late = new AtpAgent({ service })
    assert.equal((await refusal(late.login({ identifier: handle, password }))).error, 'AccountTakedown')
    await up(repoRef())
    const { data: shown } = await admin.getSubjectStatus({ did: state.did }, { headers })
    assert.deepEqual([shown.takedown.applied, shown.deactivated.applied], [false, false])
    await late.login({ identifier: handle, password })
  },
  'handle, address and password are changed': async () => {
    await admin.updateAccountHandle({ did: state.did, handle: `new-${handle}` }, asAdmin)
    await admin.updateAccountEmail({ account: state.did, email: `new-${handle}@mail.test` }, asAdmin)
    await admin.updateAccountPassword({ did: state.did, password: 'another password' }, asAdmin)
    const agent = new AtpAgent({ service })
    await agent.login({ identifier: `new-${handle}@mail.test`, password: 'another password' })
    assert.equal(agent.session.handle, `new-${handle}`)
  },
  'a user may do none of it': async () => {
    const agent = new AtpAgent({ service })
    await agent.login({ identifier: state.did, password: 'another password' })
    assert.equal((await refusal(agent.com.atproto.admin.getAccountInfo({ did: state.did }))).status, 401)
    assert.equal((await refusal(agent.com.atproto.admin.deleteAccount({ did: state.did }))).status, 401)
  },
  'the account is deleted': async () => {
    await admin.deleteAccount({ did: state.did }, asAdmin)
    assert.equal((await refusal(admin.getAccountInfo({ did: state.did }, { headers }))).error, 'NotFound')
    assert.equal((await refusal(root.com.atproto.sync.getRepo({ did: state.did }))).error, 'RepoNotFound')
  },
})
