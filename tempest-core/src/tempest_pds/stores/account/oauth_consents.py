"""What account owners have allowed their clients, beyond the session that it was given for."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.stores.account.oauth_tables import OAUTH_CONSENT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, delete_where, select_where

_T = OAUTH_CONSENT.c
_put = insert(OAUTH_CONSENT).values({column.name: bindparam(column.name) for column in OAUTH_CONSENT.columns})
_PUT: Final = Statement(
    _put.on_conflict_do_update(
        index_elements=[_T.did, _T.client_id],
        set_={"scope": _put.excluded.scope, "given_at": _put.excluded.given_at},
    ),
    "did",
    "client_id",
    "scope",
    "given_at",
)
_GET: Final = select_where(OAUTH_CONSENT, _T.did, _T.client_id)
_CLIENTS: Final = Statement(
    select(_T.client_id).where(_T.did == bindparam("did")).order_by(_T.given_at.desc(), _T.client_id), "did"
)
_DELETE: Final = delete_where(OAUTH_CONSENT, _T.did, _T.client_id)
_DELETE_BY_DID: Final = delete_where(OAUTH_CONSENT, _T.did)


class OAuthConsents:
    """The consents of all accounts, one for each client. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, did: str, client_id: str, scope: str, now: int) -> None:
        """Keep what was allowed last, which takes the place of what was allowed before."""
        with self._database.transaction() as transaction:
            transaction.run(_PUT, (did, client_id, scope, now))

    def scope(self, did: str, client_id: str) -> str | None:
        """Return what was allowed; None when nothing was, or it was taken back."""
        row = self._database.one(_GET, (did, client_id))
        return None if row is None else str(row[2])

    def clients(self, did: str) -> list[str]:
        """Return the ids of the clients that an account has allowed something, the last first."""
        return [str(client_id) for (client_id,) in self._database.all(_CLIENTS, (did,))]

    def delete(self, did: str, client_id: str) -> bool:
        """Forget what was allowed."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did, client_id)) > 0

    def delete_all(self, did: str) -> int:
        """Forget all that an account has allowed; return how many clients that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_BY_DID, (did,))
