"""The codes that are mailed to prove that somebody reads an account's mail. Only their hashes are kept."""

from __future__ import annotations

import unicodedata
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
_BY_DID = select_where(EMAIL_TOKEN, _T.did, _T.purpose)
_DELETE = delete_where(EMAIL_TOKEN, _T.did, _T.purpose)
_DELETE_ALL = delete_where(EMAIL_TOKEN, _T.did)
_DELETE_OLD = Statement(delete(EMAIL_TOKEN).where(_T.created_at < bindparam("before")), "before")
_CLEAR = Statement(delete(EMAIL_TOKEN))

# Codes are of A to Z and 2 to 7 (base32), in which these cannot be what was meant.
_MISREAD: Final = str.maketrans("018", "OIB")
_LONGEST: Final = 100


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
        row = self._database.one(_BY_DID, (did, purpose.value))
        if row is None or row[2] != _hash(token):
            raise EmailTokenInvalid("Token is invalid")
        _check_age(row, now, lifetime)

    def sent_at(self, did: str, purpose: EmailTokenPurpose) -> int | None:
        """Tell when an account was sent the code that nobody has used yet; None when there is none."""
        row = self._database.one(_BY_DID, (did, purpose.value))
        return None if row is None else int(row[3])

    def owner(self, purpose: EmailTokenPurpose, token: str, now: int, lifetime: int = LIFETIME_US) -> Did:
        """Return whose code this is; raise EmailTokenInvalid or EmailTokenExpired."""
        row = self._database.one(_BY_HASH, (purpose.value, _hash(token)))
        if row is None:
            raise EmailTokenInvalid("Token is invalid")
        _check_age(row, now, lifetime)
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

    def clear(self) -> int:
        """Delete every code; return how many there were."""
        with self._database.transaction() as transaction:
            return transaction.run(_CLEAR)


def normalise_code(text: str) -> str:
    """Reduce what somebody typed to what counts: letters and digits alone, in capitals.

    Codes are read off a mail. Blanks, the hyphen or the dash that a telephone makes of it, full-width forms and digits
    that no code has in place of letters are no reason to send anybody back.
    """
    if len(text) > _LONGEST:
        return ""
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(character for character in folded if character.isalnum()).translate(_MISREAD)


def _check_age(row: Row, now: int, lifetime: int) -> None:
    if row[3] + lifetime <= now:
        raise EmailTokenExpired("Token is expired")


def _hash(token: str) -> bytes:
    return sha256(normalise_code(token).encode("utf-8", "surrogatepass")).digest()
