// An application: @atproto/oauth-client-node as npm brings it, asked line by line what to do.
//
// Its arguments are one JSON object, see `OAuthApp` in `oauth_app.py`. A line in is {"do": NAME, ...}; a line out is
// {"ok": value}, or {"error": message, "name": class, "below": the errors that caused it}. What it stores is in a folder, so
// that another process can go on with it.
import { createInterface } from 'node:readline'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const given = JSON.parse(process.argv[2])

if (given.clockOffset) {
  const shift = given.clockOffset * 1000
  const RealDate = Date
  globalThis.Date = class extends RealDate {
    constructor(...parts) {
      super(...(parts.length ? parts : [RealDate.now() + shift]))
    }
    static now() {
      return RealDate.now() + shift
    }
  }
}

const { Agent } = await import('@atproto/api')
const { JoseKey, NodeOAuthClient, atprotoLoopbackClientMetadata } = await import('@atproto/oauth-client-node')

const fileStore = (folder) => {
  mkdirSync(folder, { recursive: true })
  const path = (key) => join(folder, encodeURIComponent(key))
  return {
    async get(key) {
      try {
        return JSON.parse(readFileSync(path(key), 'utf8'))
      } catch (error) {
        if (error.code === 'ENOENT') return undefined
        throw error
      }
    },
    async set(key, value) {
      writeFileSync(path(key), JSON.stringify(value))
    },
    async del(key) {
      rmSync(path(key), { force: true })
    },
  }
}

const nonces = new Map()
const requests = []
const listeningFetch = async (input, init) => {
  const request = new Request(input, init)
  const entry = { method: request.method, path: new URL(request.url).pathname }
  requests.push(entry)
  const answer = await fetch(request)
  entry.status = answer.status
  if (answer.status >= 400) {
    entry.error = await answer.clone().json().then((body) => body.error, () => null)
  }
  return answer
}

// One process at a time may refresh, unless a test wants to see what happens when two do.
let last = Promise.resolve()
const requestLock = (_name, act) => {
  const next = last.then(act, act)
  last = next.catch(() => {})
  return next
}

const sessions = fileStore(join(given.folder, 'sessions'))
const client = new NodeOAuthClient({
  clientMetadata: given.metadata ?? atprotoLoopbackClientMetadata(given.clientId),
  keyset: given.keys && (await Promise.all(given.keys.map((key) => JoseKey.fromJWK(key, key.kid)))),
  stateStore: fileStore(join(given.folder, 'states')),
  sessionStore: sessions,
  dpopNonceCache: {
    get: async (origin) => nonces.get(origin),
    set: async (origin, nonce) => void nonces.set(origin, nonce),
    del: async (origin) => void nonces.delete(origin),
  },
  requestLock,
  handleResolver: given.pds,
  plcDirectoryUrl: given.plc,
  allowHttp: given.allowHttp,
  responseMode: given.responseMode,
  fetch: listeningFetch,
})

const open = new Map()
const session = async (did) => {
  if (!open.has(did)) open.set(did, await client.restore(did, false))
  return open.get(did)
}
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64'))

const actions = {
  async authorize({ input, options }) {
    return (await client.authorize(input, options)).href
  },
  async callback({ parameters, options }) {
    const { session, state } = await client.callback(new URLSearchParams(parameters), options)
    open.set(session.did, session)
    return { did: session.did, state }
  },
  async restore({ did, refresh }) {
    const session = await client.restore(did, refresh)
    open.set(did, session)
    return session.did
  },
  async info({ did }) {
    return await (await session(did)).getTokenInfo(false)
  },
  async call({ did, nsid, params, body, base64, encoding, headers }) {
    const agent = new Agent(await session(did))
    const { data } = await agent.call(nsid, params, base64 === undefined ? body : bytes(base64), {
      ...(encoding && { encoding }),
      ...(headers && { headers }),
    })
    return data instanceof Uint8Array ? { bytes: data.length } : data
  },
  async fetch({ did, path, method = 'GET', body, headers }) {
    const json = body && { 'content-type': 'application/json' }
    const answer = await (await session(did)).fetchHandler(path, {
      method,
      headers: { ...json, ...headers },
      ...(body && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: await answer.json() }
  },
  async stored({ did }) {
    return await sessions.get(did)
  },
  async keep({ did, session }) {
    await sessions.set(did, session)
    return true
  },
  async know({ origin, nonce }) {
    nonces.set(origin, nonce)
    return nonce
  },
  async signOut({ did }) {
    await (await session(did)).signOut()
    return true
  },
  async requests() {
    return requests.splice(0)
  },
}

const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')
tell({ ok: 'ready' })
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { do: name, ...rest } = JSON.parse(line)
  try {
    tell({ ok: (await actions[name](rest)) ?? null })
  } catch (error) {
    const below = []
    for (let at = error.cause; at; at = at.cause) below.push(`${at.name ?? at.constructor.name}: ${at.message}`)
    tell({ error: error.message, name: error.error ?? error.constructor.name, status: error.status ?? null, below })
  }
}
