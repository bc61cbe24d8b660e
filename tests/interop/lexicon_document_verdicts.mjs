// A case is a Lexicon document: whether the reference, which resolves permission sets for its OAuth, takes it for one.
import { lexiconDocumentSchema } from '@atproto/lex-document'

export default (document) => lexiconDocumentSchema.safeParse(document).success
