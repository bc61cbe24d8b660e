// A case is {kind, nsid, value}: what the reference's two validators say of it, with the documents that Tempest ships
// and those in ./lexicons. `pds` is @atproto/lex-schema, by which the reference PDS checks requests and records today;
// `lexicon` is @atproto/lexicon, which it used before. Each is {ok: value} or {error: message}.
import { readFileSync, readdirSync } from 'node:fs'
import { LexiconIterableIndexer, LexiconSchemaBuilder } from '@atproto/lex-document'
import { jsonToLex, lexToJson } from '@atproto/lex-json'
import { Lexicons, jsonToLex as jsonToLegacyLex } from '@atproto/lexicon'

const documents = ['../../tempest-core/src/tempest_pds/protocol/lexicon/data/', './lexicons/'].flatMap((folder) => {
  const url = new URL(folder, import.meta.url)
  const names = readdirSync(url).filter((name) => name.endsWith('.json'))
  return names.map((name) => readFileSync(new URL(name, url), 'utf8'))
})

// The builder wants every reference written out.
const whole = (ref) => (ref.includes('#') ? ref : `${ref}#main`)
const spellOut = (key, value) => {
  if (key === 'ref' && typeof value === 'string') return whole(value)
  return key === 'refs' && Array.isArray(value) ? value.map(whole) : value
}
const spelledOut = documents.map((text) => JSON.parse(text, spellOut))
const schemas = await LexiconSchemaBuilder.buildAll(new LexiconIterableIndexer(spelledOut))
const lexicons = new Lexicons(documents.map((text) => JSON.parse(text)))

const attempt = (judge) => {
  try {
    return judge()
  } catch (error) {
    return { error: String(error.message) }
  }
}
const outcome = (result, toJson) => (result.success ? { ok: toJson(result.value) } : { error: result.reason.message })

const byPds = {
  record: (schema, value) => outcome(schema.safeValidate(jsonToLex(value), { path: ['record'] }), () => true),
  key: (schema, value) => outcome(schema.keySchema.safeValidate(value), () => true),
  input: (schema, value) => outcome(schema.input.schema.safeParse(jsonToLex(value)), lexToJson),
  output: (schema, value) => outcome(schema.output.schema.safeValidate(jsonToLex(value)), () => true),
  params: (schema, value) => {
    try {
      return { ok: schema.parameters.fromURLSearchParams(new URLSearchParams(value)) }
    } catch (error) {
      return { error: error.message, issues: error.issues.map((i) => i.message) }
    }
  },
}
const byLexicon = {
  record: (nsid, value) => lexicons.assertValidRecord(nsid, jsonToLegacyLex(value)),
  input: (nsid, value) => lexicons.assertValidXrpcInput(nsid, jsonToLegacyLex(value)),
  output: (nsid, value) => lexicons.assertValidXrpcOutput(nsid, jsonToLegacyLex(value)),
}

export default ({ kind, nsid, value }) => ({
  pds: attempt(() => byPds[kind](schemas.get(`${nsid}#main`), value)),
  lexicon: byLexicon[kind] && attempt(() => ({ ok: Boolean(byLexicon[kind](nsid, value)) || true })),
})
