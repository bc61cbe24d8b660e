"""How long what the provider gives out is good; the reference's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.signing_keys import MAX_TOKEN_SECONDS
from tempest_pds.services.timestamps import SECOND

ACCESS_SECONDS: Final = MAX_TOKEN_SECONDS
_DAY: Final = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Of a session, in microseconds: until it ends for not being refreshed, and until it ends anyway."""

    idle: int
    total: int


_OF_A_PUBLIC_CLIENT: Final = Lifetimes(idle=14 * _DAY, total=14 * _DAY)
# Three months and two years, of 365¼ days each.
_OF_A_KNOWN_CLIENT: Final = Lifetimes(idle=2 * 36525 * _DAY // 800, total=2 * 36525 * _DAY // 100)
_WITHOUT_REFRESH: Final = Lifetimes(idle=ACCESS_SECONDS * SECOND, total=ACCESS_SECONDS * SECOND)


def lifetimes_of(client: Client) -> Lifetimes:
    """Tell how long a client's sessions live: longer where it proves who it is, or the operator vouches for it."""
    if not client.metadata.may_refresh:
        return _WITHOUT_REFRESH
    return _OF_A_KNOWN_CLIENT if client.metadata.is_confidential or client.is_trusted else _OF_A_PUBLIC_CLIENT
