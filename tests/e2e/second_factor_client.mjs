// The official client signs in to an account with a second factor, as the Bluesky app does. Prints what it saw, in JSON.
import { AtpAgent, ComAtprotoServerCreateSession } from '@atproto/api'

const [service, identifier, password, wrong, right] = process.argv.slice(2)
const agent = new AtpAgent({ service })
const seen = {}

async function refusal(authFactorToken) {
  try {
    await agent.login({ identifier, password, authFactorToken })
  } catch (error) {
    return error
  }
  throw new Error('it was let in')
}

const asked = await refusal(undefined)
seen.asked = asked instanceof ComAtprotoServerCreateSession.AuthFactorTokenRequiredError
seen.wrong = (await refusal(wrong)).message
await agent.login({ identifier, password, authFactorToken: right })
seen.did = agent.session.did
await agent.com.atproto.server.createAppPassword({ name: 'made with the factor' })
await agent.com.atproto.server.getSession()
console.log(JSON.stringify(seen))
