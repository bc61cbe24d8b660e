"""The passkeys of accounts: their public halves."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.sign_in_tables import PASSKEY
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, delete_where, insert_into, select_where, update_where

_P = PASSKEY.c
_INSERT = insert_into(PASSKEY)
_BY_DID = select_where(PASSKEY, _P.did)
_BY_ID = select_where(PASSKEY, _P.credential_id)
_USE = update_where(PASSKEY, ["sign_count", "used_at"], _P.credential_id)
_RENAME = update_where(PASSKEY, ["name"], _P.did, _P.credential_id)
_DELETE = delete_where(PASSKEY, _P.did, _P.credential_id)
_DELETE_ALL = delete_where(PASSKEY, _P.did)


class PasskeyExists(TempestError):
    """The passkey is registered already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey. Times are microseconds since 1970.

    Attributes:
        name: what its owner calls it.
        public_key: as COSE has it, in CBOR.
        sign_count: how often it has signed, as it told last; always 0 with those that do not count.
    """

    credential_id: bytes
    did: Did
    name: str
    public_key: bytes
    sign_count: int
    created_at: int
    used_at: int | None = None


class Passkeys:
    """The passkeys of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, did: str) -> list[Passkey]:
        """Return an account's passkeys, the oldest first."""
        found = [_passkey(row) for row in self._database.all(_BY_DID, (did,))]
        return sorted(found, key=lambda passkey: (passkey.created_at, passkey.credential_id))

    def get(self, credential_id: bytes) -> Passkey | None:
        """Find a passkey by its id."""
        row = self._database.one(_BY_ID, (credential_id,))
        return None if row is None else _passkey(row)

    def add(self, passkey: Passkey) -> None:
        """Add a passkey; raise PasskeyExists."""
        with self._database.transaction() as transaction:
            try:
                transaction.run(_INSERT, tuple(getattr(passkey, column.name) for column in PASSKEY.columns))
            except sqlite3.IntegrityError as error:
                if "passkey" not in str(error):
                    raise
                raise PasskeyExists("That passkey is registered already") from error

    def use(self, credential_id: bytes, *, sign_count: int, used_at: int) -> None:
        """Note that a passkey has signed."""
        with self._database.transaction() as transaction:
            transaction.run(_USE, (sign_count, used_at, credential_id))

    def rename(self, did: Did, credential_id: bytes, name: str) -> bool:
        """Give an account's passkey another name; tell whether there is such a one."""
        with self._database.transaction() as transaction:
            return transaction.run(_RENAME, (name, did, credential_id)) > 0

    def delete(self, did: Did, credential_id: bytes) -> bool:
        """Forget one of an account's passkeys; tell whether there was such a one."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did, credential_id)) > 0

    def delete_all(self, did: Did) -> int:
        """Forget an account's passkeys; return how many that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_ALL, (did,))


def _passkey(row: Row) -> Passkey:
    return Passkey(
        credential_id=bytes(row[0]),
        did=Did(row[1]),
        name=row[2],
        public_key=bytes(row[3]),
        sign_count=row[4],
        created_at=row[5],
        used_at=row[6],
    )
