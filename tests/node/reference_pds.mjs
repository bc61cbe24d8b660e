// The reference PDS, configured by its PDS_* environment variables.
import { PDS, readEnv } from '@atproto/pds'

const pds = await PDS.fromEnv(readEnv())
await pds.start()
console.log('ready')
process.on('SIGTERM', async () => {
  await pds.destroy()
  process.exit(0)
})
