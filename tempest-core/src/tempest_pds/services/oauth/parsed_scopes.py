"""Scopes that were read a moment ago: each request of an app asks for those of its session, and many have the same."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tempest_pds.protocol.oauth.scope_set import ScopeSet

CAPACITY: Final = 1_000_000
"""Characters of all that is remembered. What is read from one takes up to forty bytes, so that these are 40 MB."""
_OF_EACH: Final = 500


class ParsedScopes:
    """Read scopes, remembering those used last.

    It is their length that is bounded, not their number: an app chooses what a session of its owner may do.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, ScopeSet] = OrderedDict()
        self._size = 0

    def __call__(self, text: str) -> ScopeSet:
        """Read a list of scopes; raise InvalidScope."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
            return found
        parsed = self._kept[text] = ScopeSet.parse(text)
        self._size += len(text) + _OF_EACH
        while self._size > self._capacity:
            leaving, _ = self._kept.popitem(last=False)
            self._size -= len(leaving) + _OF_EACH
        return parsed
