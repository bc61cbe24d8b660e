// A case is a text; the verdict is how many graphemes the reference counts in it.
import { graphemeLen } from '@atproto/lex-data'
export default (text) => graphemeLen(text)
