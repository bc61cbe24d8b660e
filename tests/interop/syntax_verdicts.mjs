// A case is [format, text]; the verdict is whether the reference takes the text for one of that format.
// "normalise" answers the normalised datetime instead, or null.
import { isCidString } from '@atproto/lex-schema'
import * as syntax from '@atproto/syntax'

const formats = {
  'at-identifier': syntax.isAtIdentifierString,
  'at-uri': syntax.isAtUriString,
  cid: isCidString,
  datetime: syntax.isDatetimeString,
  did: syntax.isValidDid,
  handle: syntax.isValidHandle,
  language: (text) => syntax.parseLanguageString(text) !== null,
  nsid: syntax.isValidNsid,
  'record-key': syntax.isValidRecordKey,
  tid: syntax.isValidTid,
  uri: syntax.isValidUri,
  normalise: (text) => {
    try {
      return syntax.normalizeDatetime(text)
    } catch {
      return null
    }
  },
}

export default ([format, text]) => formats[format](text)
