"""Paths in a repo: `collection/rkey`, the keys of its tree.

https://atproto.com/specs/repository#repo-data-structure-v3
"""

from __future__ import annotations

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey


def parse_repo_path(text: str) -> tuple[Nsid, RecordKey]:
    """Split a path into its collection and record key; raise InvalidSyntax."""
    collection, slash, rkey = text.partition("/")
    if not slash or not Nsid.is_valid(collection) or not RecordKey.is_valid(rkey):
        raise InvalidSyntax(f"not a path in a repo: {text[:80]!r}")
    return Nsid(collection), RecordKey(rkey)
