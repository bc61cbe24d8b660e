// Asks a PDS for views with the official client, which checks every answer by its lexicon.
import { AtpAgent } from '@atproto/api'
import { lexToJson } from '@atproto/lexicon'

const agents = new Map()

async function agentOf(service, session) {
  const key = `${service} ${session.did}`
  if (!agents.has(key)) {
    const agent = new AtpAgent({ service })
    await agent.resumeSession({ ...session, active: true })
    agents.set(key, agent)
  }
  return agents.get(key)
}

export default async ({ service, session, method, params }) => {
  const agent = await agentOf(service, session)
  try {
    const { data, headers } = await agent[method](params)
    return { data: lexToJson(data), lag: headers['atproto-upstream-lag'] ?? null }
  } catch (error) {
    return { status: error.status ?? 0, error: error.error ?? error.name, message: error.message }
  }
}
