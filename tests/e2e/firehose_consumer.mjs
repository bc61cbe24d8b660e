// The official firehose consumer, verifying every commit: firehose_consumer.mjs URL CURSOR [PLC_URL]
// Prints one JSON line an event, or {"error"}; runs until its standard input closes. An empty CURSOR means live only.
// Without a PLC directory the DID documents come from the server itself, as with the ledger that Tempest keeps on localhost.
import { AtpAgent } from '@atproto/api'
import { IdResolver, MemoryCache } from '@atproto/identity'
import { Firehose } from '@atproto/sync'

const [service, cursorText, plcUrl] = process.argv.slice(2)
const agent = new AtpAgent({ service })
const idResolver = new IdResolver({ plcUrl: plcUrl || undefined, didCache: new MemoryCache() })
if (!plcUrl) {
  idResolver.did.resolveNoCheck = async (did) => (await agent.com.atproto.repo.describeRepo({ repo: did })).data.didDoc
}
// No name server knows a handle under .test. One that leads nowhere any more is undefined, as the resolver itself has it.
idResolver.handle.resolve = (handle) =>
  agent.resolveHandle({ handle }).then(
    (answer) => answer.data.did,
    () => undefined,
  )

let cursor = cursorText === '' ? undefined : Number(cursorText)
const print = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const firehose = new Firehose({
  service: service.replace(/^http/, 'ws'),
  idResolver,
  getCursor: () => cursor,
  handleEvent: (event) => {
    cursor = event.seq
    print({
      seq: event.seq,
      event: event.event,
      did: event.did,
      rev: event.rev,
      path: event.collection && `${event.collection}/${event.rkey}`,
      cid: event.cid?.toString(),
      record: event.record && { text: event.record.text },
      handle: event.handle,
      active: event.active,
      status: event.status,
    })
  },
  onError: (error) =>
    print({
      did: error.event?.repo ?? error.event?.did,
      error: `${error.name}: ${error.message}: ${error.cause?.stack ?? error.cause}`,
    }),
})
firehose.start()
print({ event: 'started' })
process.stdin.on('end', () => process.exit(0)).resume()
