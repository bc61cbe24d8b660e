"""What goes wrong between a Lexicon document and a value.

Messages are those of the reference implementation, because people search for them.
"""

from __future__ import annotations

from tempest_pds.protocol.errors import ProtocolError


class LexiconError(ProtocolError):
    """Anything about Lexicon documents, or values that should match one."""


class BrokenLexicon(LexiconError):
    """A document that is not a valid Lexicon document; the message names its file where it has one."""


class UnknownLexicon(LexiconError):
    """No document at hand defines the record or method of this name."""


class InvalidValue(LexiconError):
    """A value that does not match its schema.

    `path` says where, in the manner of JSONPath (`$.record.embed.images[0].alt`), and `message` what; neither says
    the other.
    """

    def __init__(self, text: str, path: str, message: str) -> None:
        """Take the whole text for people, and its two halves for programs."""
        super().__init__(text)
        self.path = path
        self.message = message


class InvalidRecord(InvalidValue):
    """A record, or its key, that does not match its lexicon."""


class InvalidParams(InvalidValue):
    """A query string that does not match the parameters of the method."""


class InvalidInput(InvalidValue):
    """A request body that does not match the input of the method."""


class InvalidOutput(InvalidValue):
    """An answer or a message of ours that does not match the output of the method: a bug here, not of the client."""
