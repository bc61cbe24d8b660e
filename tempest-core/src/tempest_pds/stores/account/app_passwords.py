"""App passwords: further passwords of an account, each under a name, for clients that are not fully trusted."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.refresh_tokens import RefreshTokens
from tempest_pds.stores.account.tables import APP_PASSWORD
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, delete_where, insert_into, select_where

_INSERT = insert_into(APP_PASSWORD)
_BY_DID = select_where(APP_PASSWORD, APP_PASSWORD.c.did)
_BY_HASH = select_where(APP_PASSWORD, APP_PASSWORD.c.did, APP_PASSWORD.c.password_hash)
_DELETE = delete_where(APP_PASSWORD, APP_PASSWORD.c.did, APP_PASSWORD.c.name)


class AppPasswordExists(TempestError):
    """The account has an app password of that name."""


@dataclass(frozen=True, slots=True)
class AppPassword:
    """One app password; `created_at` in microseconds since 1970."""

    did: Did
    name: str
    password_hash: str
    privileged: bool
    created_at: int


class AppPasswords:
    """The app passwords of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database, refresh_tokens: RefreshTokens) -> None:
        self._database = database
        self._refresh_tokens = refresh_tokens

    def create(self, password: AppPassword) -> None:
        """Add an app password; raise AppPasswordExists."""
        row = (password.did, password.name, password.password_hash, password.privileged, password.created_at)
        with self._database.transaction() as transaction:
            try:
                transaction.run(_INSERT, row)
            except sqlite3.IntegrityError as error:
                if "app_password" not in str(error):
                    raise
                raise AppPasswordExists(f"There is an app password named {password.name!r}") from error

    def list(self, did: str) -> list[AppPassword]:
        """Return the app passwords of an account, oldest first."""
        passwords = [_app_password(row) for row in self._database.all(_BY_DID, (did,))]
        return sorted(passwords, key=lambda password: (password.created_at, password.name))

    def with_hash(self, did: str, password_hash: str) -> AppPassword | None:
        """Find the app password of an account by its hash, which is the same each time it is made."""
        row = self._database.one(_BY_HASH, (did, password_hash))
        return None if row is None else _app_password(row)

    def revoke(self, did: str, name: str) -> bool:
        """Delete an app password by name, and end the sessions made with it."""
        with self._database.transaction() as transaction:
            self._refresh_tokens.revoke_app_password(did, name)
            return transaction.run(_DELETE, (did, name)) > 0


def _app_password(row: Row) -> AppPassword:
    return AppPassword(Did(row[0]), row[1], row[2], bool(row[3]), row[4])
