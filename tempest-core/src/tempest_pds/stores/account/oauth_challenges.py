"""PKCE challenges that were met with their verifiers, remembered for a while: none may serve for a second code."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.stores.account.oauth_tables import OAUTH_CHALLENGE
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement

_T = OAUTH_CHALLENGE.c
_put = insert(OAUTH_CHALLENGE).values(challenge=bindparam("challenge"), expires_at=bindparam("expires_at"))
_PUT: Final = Statement(
    _put.on_conflict_do_update(
        index_elements=[_T.challenge],
        set_={"expires_at": _put.excluded.expires_at},
        where=_T.expires_at <= bindparam("now"),
    ),
    "challenge",
    "expires_at",
    "now",
)
_DELETE_EXPIRED: Final = Statement(delete(OAUTH_CHALLENGE).where(_T.expires_at <= bindparam("now")), "now")


class OAuthChallenges:
    """The challenges of the last day. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, challenge: str, *, now: int, expires_at: int) -> bool:
        """Remember a challenge until a time, in microseconds since 1970; False when it is remembered already."""
        with self._database.transaction() as transaction:
            return transaction.run(_PUT, (challenge, expires_at, now)) > 0

    def delete_expired(self, now: int) -> int:
        """Sweep out what is over; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_EXPIRED, (now,))
