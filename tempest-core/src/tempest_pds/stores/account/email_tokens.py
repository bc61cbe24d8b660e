"""The codes that are mailed to prove that somebody reads an account's mail. Only their hashes are kept."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Final

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.tables import EMAIL_TOKEN
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, select_where

LIFETIME_US: Final = 15 * 60 * 1_000_000

_T = EMAIL_TOKEN.c
_put = insert(EMAIL_TOKEN).values({column.name: bindparam(column.name) for column in EMAIL_TOKEN.columns})
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=[_T.did, _T.purpose],
        set_={"token_hash": _put.excluded.token_hash, "created_at": _put.excluded.created_at},
    ),
    "did",
    "purpose",
    "token_hash",
    "created_at",
)
_BY_HASH = select_where(EMAIL_TOKEN, _T.purpose, _T.token_hash)
_DELETE = delete_where(EMAIL_TOKEN, _T.did, _T.purpose)
_DELETE_ALL = delete_where(EMAIL_TOKEN, _T.did)
_DELETE_OLD = Statement(delete(EMAIL_TOKEN).where(_T.created_at < bindparam("before")), "before")


class EmailTokenInvalid(TempestError):
    """A code that was never mailed for this, or was used."""


class EmailTokenExpired(TempestError):
    """A code past its time."""


class EmailTokenPurpose(StrEnum):
    """What a code is good for, and for nothing else."""

    CONFIRM_EMAIL = "confirm_email"
    UPDATE_EMAIL = "update_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 the name of a purpose
    DELETE_ACCOUNT = "delete_account"
    PLC_OPERATION = "plc_operation"


class EmailTokens:
    """At most one code for each account and purpose. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, did: str, purpose: EmailTokenPurpose, token: str, now: int) -> None:
        """Keep a new code, which ends the one before it."""
        with self._database.transaction() as transaction:
            transaction.run(_PUT, (did, purpose.value, _hash(token), now))

    def check(self, did: str, purpose: EmailTokenPurpose, token: str, now: int, lifetime: int = LIFETIME_US) -> None:
        """Pass if this is the account's code; raise EmailTokenInvalid or EmailTokenExpired."""
        if self.owner(purpose, token, now, lifetime) != did:
            raise EmailTokenInvalid("Token is invalid")

    def owner(self, purpose: EmailTokenPurpose, token: str, now: int, lifetime: int = LIFETIME_US) -> Did:
        """Return whose code this is; raise EmailTokenInvalid or EmailTokenExpired."""
        row: Row | None = self._database.one(_BY_HASH, (purpose.value, _hash(token)))
        if row is None:
            raise EmailTokenInvalid("Token is invalid")
        if row[3] + lifetime <= now:
            raise EmailTokenExpired("Token is expired")
        return Did(row[0])

    def delete(self, did: str, purpose: EmailTokenPurpose) -> bool:
        """Forget a code, once it was used."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did, purpose.value)) > 0

    def delete_all(self, did: str) -> int:
        """Forget every code of an account, as when its mail goes elsewhere; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_ALL, (did,))

    def delete_older_than(self, before: int) -> int:
        """Sweep out what nobody used; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OLD, (before,))


def _hash(token: str) -> bytes:
    # Codes are read off a mail and typed: case and blanks around do not count.
    return sha256(token.strip().upper().encode()).digest()
