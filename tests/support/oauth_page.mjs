// An application that is nothing but a page: @atproto/oauth-client-browser as npm brings it, without a bundler.
import { BrowserOAuthClient, atprotoLoopbackClientMetadata } from '@atproto/oauth-client-browser'

const given = JSON.parse(document.querySelector('#given').textContent)
const mode = new URLSearchParams(location.search).get('mode') ?? localStorage.getItem('mode') ?? 'fragment'
localStorage.setItem('mode', mode)

const client = new BrowserOAuthClient({
  clientMetadata: atprotoLoopbackClientMetadata(given.clientId),
  handleResolver: given.pds,
  plcDirectoryUrl: given.plc,
  allowHttp: true,
  responseMode: mode,
})
let session

const show = (text) => (document.querySelector('#state').textContent = text)
const call = async (path, init) => {
  const answer = await session.fetchHandler(path, init)
  const body = await answer.json()
  return { status: answer.status, body }
}
const post = (nsid, body) =>
  call(`/xrpc/${nsid}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

window.app = {
  did: () => session?.did,
  whoAmI: () => call('/xrpc/com.atproto.server.getSession'),
  write: (text) =>
    post('com.atproto.repo.createRecord', {
      repo: session.did,
      collection: 'app.bsky.feed.post',
      record: { $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() },
    }),
  read: (rkey) =>
    call(`/xrpc/com.atproto.repo.getRecord?repo=${session.did}&collection=app.bsky.feed.post&rkey=${rkey}`),
  async upload() {
    const canvas = new OffscreenCanvas(8, 8)
    canvas.getContext('2d').fillRect(0, 0, 8, 8)
    const body = await canvas.convertToBlob({ type: 'image/png' })
    return await call('/xrpc/com.atproto.repo.uploadBlob', {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body,
    })
  },
  refresh: async () => (await session.getTokenInfo(true)).expiresAt.toISOString(),
  async popUp(handle) {
    session = await client.signIn(handle, { display: 'popup' })
    show(`signed in as ${session.did} in a window of its own`)
  },
  async signOut() {
    await session.signOut()
    show('signed out')
  },
}

document.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = new FormData(event.target)
  try {
    const options = form.get('prompt') ? { prompt: form.get('prompt') } : {}
    await client.signIn(form.get('handle'), { state: 'from the page', ...options })
  } catch (error) {
    show(`failed: ${error.message}`)
  }
})

try {
  const result = await client.init()
  session = result?.session
  show(session ? `signed in as ${session.did} ${result.state ?? ''}`.trim() : 'nobody')
} catch (error) {
  show(`failed: ${error.message}`)
}
