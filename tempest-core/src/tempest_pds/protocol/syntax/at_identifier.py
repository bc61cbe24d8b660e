"""At-identifiers: a DID or a handle, as parameters that name an account take them.

https://atproto.com/specs/lexicon#at-identifier
"""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle


def is_at_identifier(text: str) -> bool:
    """Tell whether `text` is a DID or a handle."""
    return Did.is_valid(text) if text.startswith("did:") else Handle.is_valid(text)


def parse_at_identifier(text: str) -> Did | Handle:
    """Read a DID or a handle (folded to lower case); raise InvalidSyntax."""
    return Did.parse(text) if text.startswith("did:") else Handle.parse(text)
