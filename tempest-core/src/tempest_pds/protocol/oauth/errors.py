"""What goes wrong between an OAuth client's words and their meaning.

None of these knows a status or an `error` code of RFC 6749: the room that answers turns them into one.
"""

from __future__ import annotations

from tempest_pds.protocol.errors import ProtocolError


class InvalidScope(ProtocolError):
    """A scope that does not say what a client may do, or one that cannot be asked for."""


class ScopeMissing(ProtocolError):
    """What a client tries needs a scope that it does not have; `scope` is the one that would do."""

    def __init__(self, scope: str) -> None:
        """Name the scope; the message is the reference's, because clients show it and people search for it."""
        super().__init__(f'Missing required scope "{scope}"')
        self.scope = scope


class InvalidPermissionSet(ProtocolError):
    """A Lexicon document that is not the permission set it is asked for."""
