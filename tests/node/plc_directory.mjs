// The PLC directory, in memory, on the port given: a DID registered there can be resolved over HTTP by any server or client.
import server from '@did-plc/server'

const { Database, PlcServer } = server
const directory = PlcServer.create({ db: Database.mock(), port: Number(process.argv[2]) })
await directory.start()
console.log('ready')
