// What a person does with the official TypeScript client, from signing up to leaving: typescript_client.mjs URL
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { AtpAgent, RichText } from '@atproto/api'
import { TID } from '@atproto/common-web'
import { getKey } from '@atproto/identity'
import { readCarWithRoot, verifyRepo } from '@atproto/repo'
import { refusal, run } from './checks.mjs'

const service = process.argv[2]
const suffix = randomBytes(3).toString('hex')
const handle = `alice-${suffix}.test`
const password = 'correct horse battery'
const agent = new AtpAgent({ service })
const repo = agent.com.atproto.repo
const server = agent.com.atproto.server
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const post = (text) => ({ $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() })
const swapped = TID.nextStr()
const batch = Array.from({ length: 20 }, () => TID.nextStr())
const state = {}

await run({
  'the server describes itself': async () => {
    const { data } = await server.describeServer()
    assert.ok(data.did.startsWith('did:web:'))
    assert.ok(data.availableUserDomains.includes('.test'))
    assert.ok(!data.inviteCodeRequired)
  },
  'an account is created': async () => {
    const { data } = await agent.createAccount({ handle, email: `${handle}@mail.test`, password })
    assert.equal(data.handle, handle)
    assert.match(data.did, /^did:plc:[a-z2-7]{24}$/)
    state.did = data.did
  },
  'a handle is given once': async () => {
    const other = new AtpAgent({ service })
    const refused = await refusal(other.createAccount({ handle, email: `x${handle}@mail.test`, password }))
    assert.equal(refused.status, 400)
    assert.ok(['HandleNotAvailable', 'InvalidRequest'].includes(refused.error))
    assert.match(refused.message, /^Handle already taken/)
  },
  'a login by handle, by DID and by e-mail is the same account': async () => {
    for (const identifier of [handle, state.did, `${handle}@mail.test`]) {
      const other = new AtpAgent({ service })
      const { data } = await other.login({ identifier, password })
      assert.equal(data.did, state.did)
      assert.equal(data.email, `${handle}@mail.test`)
      assert.equal(data.active, true)
    }
  },
  'a wrong password is refused': async () => {
    const other = new AtpAgent({ service })
    const refused = await refusal(other.login({ identifier: handle, password: 'wrong' }))
    assert.deepEqual([refused.status, refused.error], [401, 'AuthenticationRequired'])
  },
  'the session knows the account': async () => {
    const { data } = await server.getSession()
    assert.equal(data.handle, handle)
    assert.equal(data.did, state.did)
    assert.equal(data.emailConfirmed, false)
  },
  'a profile is set, twice, with an avatar that stays': async () => {
    const { data } = await agent.uploadBlob(png, { encoding: 'image/png' })
    await agent.upsertProfile((old) => ({ ...old, displayName: 'Alice', avatar: data.blob }))
    await agent.upsertProfile((old) => ({ ...old, description: 'first of the server' }))
    const got = await repo.getRecord({ repo: state.did, collection: 'app.bsky.actor.profile', rkey: 'self' })
    assert.equal(got.data.value.displayName, 'Alice')
    assert.equal(got.data.value.description, 'first of the server')
    assert.equal(got.data.value.avatar.ref.toString(), data.blob.ref.toString())
  },
  'an image is uploaded and read back': async () => {
    const { data } = await agent.uploadBlob(png, { encoding: 'image/png' })
    assert.equal(data.blob.mimeType, 'image/png')
    assert.equal(data.blob.size, png.length)
    state.blob = data.blob
  },
  'a post with the image, facets and a language is written': async () => {
    const rich = new RichText({ text: `Hello from @${handle} and https://example.com/page #first ✨` })
    await rich.detectFacets(agent)
    const facets = rich.facets?.flatMap((facet) => facet.features.map((feature) => feature.$type))
    assert.ok(facets.includes('app.bsky.richtext.facet#mention'), 'the handle resolves for a mention')
    const made = await agent.post({
      text: rich.text,
      facets: rich.facets,
      langs: ['en'],
      embed: { $type: 'app.bsky.embed.images', images: [{ image: state.blob, alt: 'one pixel' }] },
    })
    state.uri = made.uri
    state.cid = made.cid
    state.rkey = made.uri.split('/').at(-1)
  },
  'the post is read back as it was written': async () => {
    const { data } = await repo.getRecord({ repo: handle, collection: 'app.bsky.feed.post', rkey: state.rkey })
    assert.equal(data.uri, state.uri)
    assert.equal(data.cid, state.cid)
    assert.equal(data.value.embed.images[0].image.ref.toString(), state.blob.ref.toString())
    const again = await repo.getRecord({ repo: handle, collection: 'app.bsky.feed.post', rkey: state.rkey, cid: state.cid })
    assert.equal(again.data.cid, state.cid)
  },
  'the image is served by its CID': async () => {
    const { data, headers } = await agent.com.atproto.sync.getBlob({ did: state.did, cid: state.blob.ref.toString() })
    assert.ok(Buffer.from(data).equals(png))
    assert.equal(headers['content-type'], 'image/png')
    assert.equal(headers['x-content-type-options'], 'nosniff')
  },
  'a blob that nobody refers to is not served': async () => {
    const { data } = await agent.uploadBlob(Buffer.from('lonely text'), { encoding: 'text/plain' })
    await refusal(agent.com.atproto.sync.getBlob({ did: state.did, cid: data.blob.ref.toString() }))
  },
  'a post that breaks its lexicon is refused': async () => {
    const refused = await refusal(
      repo.createRecord({ repo: state.did, collection: 'app.bsky.feed.post', record: { ...post('x'), text: 7 } }),
    )
    assert.deepEqual([refused.status, refused.error], [400, 'InvalidRequest'])
  },
  'a record of an unknown lexicon is stored, and refused when validation is asked for': async () => {
    const record = { $type: 'com.example.thing', link: { $link: state.cid }, deep: { list: [1, null, true] } }
    const { data } = await repo.createRecord({ repo: state.did, collection: 'com.example.thing', record })
    assert.equal(data.validationStatus, 'unknown')
    const refused = await refusal(
      repo.createRecord({ repo: state.did, collection: 'com.example.thing', record, validate: true }),
    )
    assert.equal(refused.status, 400)
  },
  'a record is put, put again unchanged, and swapped': async () => {
    const at = { repo: state.did, collection: 'app.bsky.feed.post', rkey: swapped }
    const first = await repo.putRecord({ ...at, record: post('one'), swapRecord: null })
    assert.equal(first.data.validationStatus, 'valid')
    const same = await repo.getRecord(at)
    const unchanged = await repo.putRecord({ ...at, record: same.data.value })
    assert.equal(unchanged.data.cid, first.data.cid)
    assert.equal(unchanged.data.commit, undefined)
    const second = await repo.putRecord({ ...at, record: post('two'), swapRecord: first.data.cid })
    const stale = await refusal(repo.putRecord({ ...at, record: post('three'), swapRecord: first.data.cid }))
    assert.deepEqual([stale.status, stale.error], [400, 'InvalidSwap'])
    const fresh = await repo.putRecord({
      ...at, record: post('three'), swapRecord: second.data.cid, swapCommit: second.data.commit.cid,
    })
    assert.notEqual(fresh.data.cid, second.data.cid)
  },
  'a record is deleted once, and again without complaint': async () => {
    const at = { repo: state.did, collection: 'app.bsky.feed.post', rkey: swapped }
    const gone = await repo.deleteRecord(at)
    assert.ok(gone.data.commit.rev)
    const again = await repo.deleteRecord(at)
    assert.equal(again.data.commit, undefined)
    const missing = await refusal(repo.getRecord(at))
    assert.deepEqual([missing.status, missing.error], [400, 'RecordNotFound'])
    assert.equal(missing.message, `Could not locate record: at://${at.repo}/${at.collection}/${at.rkey}`)
  },
  'a batch of writes is one commit': async () => {
    const writes = batch.map((rkey, at) => ({
      $type: 'com.atproto.repo.applyWrites#create',
      collection: 'app.bsky.feed.post',
      rkey,
      value: post(`batch ${at}`),
    }))
    const { data } = await repo.applyWrites({ repo: state.did, writes })
    assert.equal(data.results.length, 20)
    assert.equal(data.results[0].$type, 'com.atproto.repo.applyWrites#createResult')
    const mixed = await repo.applyWrites({
      repo: state.did,
      writes: [
        { $type: 'com.atproto.repo.applyWrites#update', collection: 'app.bsky.feed.post', rkey: batch[0], value: post('again') },
        { $type: 'com.atproto.repo.applyWrites#delete', collection: 'app.bsky.feed.post', rkey: batch[1] },
      ],
    })
    assert.deepEqual(mixed.data.results.map((result) => result.$type.split('#')[1]), ['updateResult', 'deleteResult'])
  },
  'more than 200 writes are refused': async () => {
    const writes = Array.from({ length: 201 }, () => ({
      $type: 'com.atproto.repo.applyWrites#create', collection: 'app.bsky.feed.post', value: post('many'),
    }))
    const refused = await refusal(repo.applyWrites({ repo: state.did, writes }))
    assert.equal(refused.status, 400)
  },
  'records are listed newest first, by pages, and in reverse': async () => {
    const at = { repo: state.did, collection: 'app.bsky.feed.post' }
    const all = await repo.listRecords({ ...at, limit: 100 })
    const rkeys = all.data.records.map((record) => record.uri.split('/').at(-1))
    assert.deepEqual(rkeys, [...rkeys].sort().reverse())
    const paged = []
    let cursor
    do {
      const page = await repo.listRecords({ ...at, limit: 7, cursor })
      paged.push(...page.data.records.map((record) => record.uri.split('/').at(-1)))
      cursor = page.data.cursor
    } while (cursor)
    assert.deepEqual(paged, rkeys)
    const reversed = await repo.listRecords({ ...at, limit: 100, reverse: true })
    assert.deepEqual(reversed.data.records.map((record) => record.uri.split('/').at(-1)), [...rkeys].reverse())
  },
  'the repo is described': async () => {
    const { data } = await repo.describeRepo({ repo: handle })
    assert.equal(data.did, state.did)
    assert.equal(data.handle, handle)
    assert.deepEqual([...data.collections].sort(), ['app.bsky.actor.profile', 'app.bsky.feed.post', 'com.example.thing'])
    assert.equal(data.didDoc.id, state.did)
    state.didDoc = data.didDoc
  },
  'likes and follows do not double': async () => {
    const first = await agent.like(state.uri, state.cid)
    await agent.like(state.uri, state.cid)
    const { data } = await repo.listRecords({ repo: state.did, collection: 'app.bsky.feed.like' })
    assert.equal(data.records.length, 1)
    assert.notEqual(data.records[0].uri, first.uri)
    await agent.deleteLike(data.records[0].uri)
    const described = await repo.describeRepo({ repo: handle })
    assert.ok(!described.data.collections.includes('app.bsky.feed.like'), 'a collection goes with its last record')
  },
  'the whole repo verifies with the key of its DID document': async () => {
    const { data } = await agent.com.atproto.sync.getRepo({ did: state.did })
    const { root, blocks } = await readCarWithRoot(data)
    const verified = await verifyRepo(blocks, root, state.did, getKey(state.didDoc))
    assert.equal(verified.creates.length, 22)
    const latest = await agent.com.atproto.sync.getLatestCommit({ did: state.did })
    assert.equal(latest.data.cid, root.toString())
    state.rev = latest.data.rev
  },
  'the sync reads agree': async () => {
    const sync = agent.com.atproto.sync
    const status = await sync.getRepoStatus({ did: state.did })
    assert.deepEqual([status.data.active, status.data.rev], [true, state.rev])
    const listed = await sync.listRepos({ limit: 1000 })
    const mine = listed.data.repos.find((entry) => entry.did === state.did)
    assert.deepEqual([mine.rev, mine.active], [state.rev, true])
    const blobs = await sync.listBlobs({ did: state.did })
    assert.ok(blobs.data.cids.includes(state.blob.ref.toString()))
    const proof = await sync.getRecord({ did: state.did, collection: 'app.bsky.feed.post', rkey: state.rkey })
    const { blocks } = await readCarWithRoot(proof.data)
    assert.ok([...blocks.cids()].some((cid) => cid.toString() === state.cid))
    const block = await sync.getBlocks({ did: state.did, cids: [state.cid] })
    assert.ok(block.data.length > 0)
    const since = await sync.getRepo({ did: state.did, since: state.rev })
    assert.ok(since.data.length < 1000)
  },
  'the handle resolves': async () => {
    const { data } = await agent.resolveHandle({ handle })
    assert.equal(data.did, state.did)
    const refused = await refusal(agent.resolveHandle({ handle: `nobody-${suffix}.test` }))
    assert.deepEqual([refused.status, refused.error], [400, 'HandleNotFound'])
  },
  'preferences are kept': async () => {
    const preferences = [{ $type: 'app.bsky.actor.defs#adultContentPref', enabled: false }]
    await agent.app.bsky.actor.putPreferences({ preferences })
    const { data } = await agent.app.bsky.actor.getPreferences()
    assert.deepEqual(data.preferences, preferences)
  },
  'an app password opens a lesser session, and closes with it': async () => {
    const { data } = await server.createAppPassword({ name: 'phone' })
    assert.match(data.password, /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/)
    const phone = new AtpAgent({ service })
    await phone.login({ identifier: handle, password: data.password })
    await phone.post({ text: 'from the phone' })
    const refused = await refusal(phone.com.atproto.server.createAppPassword({ name: 'tablet' }))
    assert.equal(refused.status, 400)
    const listed = await server.listAppPasswords()
    assert.deepEqual(listed.data.passwords.map((entry) => [entry.name, entry.privileged]), [['phone', false]])
    await server.revokeAppPassword({ name: 'phone' })
    await refusal(phone.sessionManager.refreshSession())
    await refusal(new AtpAgent({ service }).login({ identifier: handle, password: data.password }))
  },
  'a session is refreshed, and the token before it works for a while': async () => {
    const before = agent.session.refreshJwt
    const headers = { authorization: `Bearer ${before}` }
    const first = await new AtpAgent({ service }).com.atproto.server.refreshSession(undefined, { headers })
    const second = await new AtpAgent({ service }).com.atproto.server.refreshSession(undefined, { headers })
    assert.equal(first.data.did, state.did)
    assert.equal(second.data.did, state.did)
    await agent.sessionManager.refreshSession()
    assert.notEqual(agent.session.refreshJwt, before)
    await server.getSession()
  },
  'a token for another service is signed with the key of the account': async () => {
    const { data } = await server.getServiceAuth({ aud: 'did:web:video.example.com', lxm: 'com.atproto.repo.uploadBlob' })
    const claims = JSON.parse(Buffer.from(data.token.split('.')[1], 'base64url').toString())
    assert.equal(claims.iss, state.did)
    assert.equal(claims.aud, 'did:web:video.example.com')
    assert.equal(claims.lxm, 'com.atproto.repo.uploadBlob')
    assert.ok(claims.exp - claims.iat <= 60)
  },
  'a service token for uploadBlob uploads': async () => {
    const { data: about } = await server.describeServer()
    const { data } = await server.getServiceAuth({ aud: about.did, lxm: 'com.atproto.repo.uploadBlob' })
    const answer = await fetch(`${service}/xrpc/com.atproto.repo.uploadBlob`, {
      method: 'POST',
      body: png,
      headers: { 'content-type': 'image/png', authorization: `Bearer ${data.token}` },
    })
    assert.equal(answer.status, 200)
  },
  'the account counts what it holds': async () => {
    const { data } = await server.checkAccountStatus()
    assert.equal(data.activated, true)
    assert.equal(data.validDid, true)
    assert.equal(data.repoRev.length, 13)
    assert.equal(data.indexedRecords, 23)
    assert.equal(data.expectedBlobs, 1)
    assert.ok(data.importedBlobs >= 1)
  },
  'the handle is changed': async () => {
    const renamed = `renamed-${suffix}.test`
    await agent.com.atproto.identity.updateHandle({ handle: renamed })
    const { data } = await repo.describeRepo({ repo: renamed })
    assert.deepEqual([data.did, data.handle], [state.did, renamed])
  },
  'a deactivated account is hidden, and comes back': async () => {
    await server.deactivateAccount({})
    const hidden = await refusal(new AtpAgent({ service }).com.atproto.sync.getRepo({ did: state.did }))
    assert.equal(hidden.error, 'RepoDeactivated')
    const status = await agent.com.atproto.sync.getRepoStatus({ did: state.did })
    assert.deepEqual([status.data.active, status.data.status], [false, 'deactivated'])
    await server.activateAccount()
    const back = await agent.com.atproto.sync.getRepoStatus({ did: state.did })
    assert.equal(back.data.active, true)
  },
  'a session ends': async () => {
    const { refreshJwt } = agent.session
    await agent.logout()
    const headers = { authorization: `Bearer ${refreshJwt}` }
    const refused = await refusal(new AtpAgent({ service }).com.atproto.server.refreshSession(undefined, { headers }))
    assert.equal(refused.status, 400)
  },
})
