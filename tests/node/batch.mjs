// Runs the default export of a module over JSON lines: one case a line in, one verdict a line out, in order.
// A verdict is {"ok": value}, or {"error": message, "name": class} when the function threw.
import { createInterface } from 'node:readline'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const { default: judge } = await import(pathToFileURL(resolve(process.argv[2])).href)
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line === '') continue
  let verdict
  try {
    const value = await judge(JSON.parse(line))
    verdict = { ok: value === undefined ? null : value }
  } catch (error) {
    verdict = { error: String(error?.message ?? error), name: error?.name ?? 'Error' }
  }
  process.stdout.write(JSON.stringify(verdict) + '\n')
}
