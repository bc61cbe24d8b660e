import { ensureValidDid } from '@atproto/syntax'
export default (text) => ensureValidDid(text)
