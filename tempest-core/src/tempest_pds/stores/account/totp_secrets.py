"""The secrets that accounts share with an authenticator app, one an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.sign_in_tables import TOTP
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, delete_where, insert_into, select_where, update_where

_T = TOTP.c
_INSERT = insert_into(TOTP)
_BY_DID = select_where(TOTP, _T.did)
_USE: Final = update_where(TOTP, ["confirmed_at", "last_step"], _T.did)
_DELETE = delete_where(TOTP, _T.did)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpSecret:
    """One secret. Times are microseconds since 1970.

    Attributes:
        secret: until it is confirmed, what the secrets that browsers are shown are made of.
        confirmed_at: when a first code of it was given; None while nobody has shown that an app knows it.
        last_step: the newest time step of which a code was used.
    """

    did: Did
    secret: bytes
    created_at: int
    confirmed_at: int | None = None
    last_step: int | None = None


class TotpSecrets:
    """The secrets of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, did: str) -> TotpSecret | None:
        """Find an account's secret, confirmed or not."""
        row = self._database.one(_BY_DID, (did,))
        return None if row is None else _totp_secret(row)

    def put(self, did: Did, secret: bytes, now: int) -> None:
        """Give an account a secret that is not confirmed, in the place of any other."""
        with self._database.transaction() as transaction:
            transaction.run(_DELETE, (did,))
            transaction.run(_INSERT, (did, secret, now, None, None))

    def use(self, did: Did, *, confirmed_at: int, step: int) -> None:
        """Note the step of which a code was used."""
        with self._database.transaction() as transaction:
            transaction.run(_USE, (confirmed_at, step, did))

    def delete(self, did: Did) -> bool:
        """Forget an account's secret; tell whether there was one."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did,)) > 0


def _totp_secret(row: Row) -> TotpSecret:
    return TotpSecret(did=Did(row[0]), secret=bytes(row[1]), created_at=row[2], confirmed_at=row[3], last_step=row[4])
