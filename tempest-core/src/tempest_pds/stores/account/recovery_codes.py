"""The recovery codes of accounts: their hashes, as long as they were not used."""

from __future__ import annotations

from collections.abc import Iterable

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.sign_in_tables import RECOVERY_CODE
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import delete_where, insert_into, select_where

_C = RECOVERY_CODE.c
_INSERT = insert_into(RECOVERY_CODE)
_BY_DID = select_where(RECOVERY_CODE, _C.did)
_DELETE = delete_where(RECOVERY_CODE, _C.did, _C.code_hash)
_DELETE_ALL = delete_where(RECOVERY_CODE, _C.did)


class RecoveryCodes:
    """The codes of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, did: str) -> int:
        """Tell how many codes an account has left."""
        return len(self._database.all(_BY_DID, (did,)))

    def made_at(self, did: str) -> int | None:
        """Tell when the codes of an account were made, in microseconds since 1970; None when none is left."""
        return max((int(created_at) for _, _, created_at in self._database.all(_BY_DID, (did,))), default=None)

    def replace(self, did: Did, hashes: Iterable[bytes], now: int) -> None:
        """Give an account new codes, and forget the old ones."""
        with self._database.transaction() as transaction:
            transaction.run(_DELETE_ALL, (did,))
            for code_hash in hashes:
                transaction.run(_INSERT, (did, code_hash, now))

    def use(self, did: Did, code_hash: bytes) -> bool:
        """Use a code up; tell whether it was one."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did, code_hash)) > 0

    def delete_all(self, did: Did) -> int:
        """Forget an account's codes; return how many that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_ALL, (did,))
