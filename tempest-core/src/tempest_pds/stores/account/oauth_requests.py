"""Authorization requests, from their being pushed to the exchange of their code. Ids and codes are kept as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, update

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.oauth_tables import OAUTH_REQUEST
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, insert_into, select_where, update_where

_T = OAUTH_REQUEST.c
_INSERT: Final = insert_into(OAUTH_REQUEST)
_BY_ID: Final = select_where(OAUTH_REQUEST, _T.id_hash)
_BY_CODE: Final = select_where(OAUTH_REQUEST, _T.code_hash)
_WORK_ON: Final = update_where(OAUTH_REQUEST, ("expires_at", "browser"), _T.id_hash)
_HAND_OVER: Final = Statement(
    update(OAUTH_REQUEST).where(_T.browser == bindparam("old")).values(browser=bindparam("new")), "new", "old"
)
_GRANT: Final = update_where(OAUTH_REQUEST, ("expires_at", "did", "scope", "code_hash", "client_ip"), _T.id_hash)
_DELETE: Final = delete_where(OAUTH_REQUEST, _T.id_hash)
_DELETE_BY_DID: Final = delete_where(OAUTH_REQUEST, _T.did)
_DELETE_BY_CLIENT: Final = delete_where(OAUTH_REQUEST, _T.did, _T.client_id)
_DELETE_EXPIRED: Final = Statement(delete(OAUTH_REQUEST).where(_T.expires_at <= bindparam("now")), "now")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthRequest:
    """One request. Times are microseconds since 1970.

    Attributes:
        client_auth: how the client that pushed it has proven to be itself, as JSON.
        parameters: what it asks for, as JSON.
        browser: the hash of the cookie of the browser at work on it; None until one opens it.
        did: the account that granted it, with `scope` and `code_hash`; None until then.
        client_ip: where its owner granted it from.
        permission_sets: the sets that it names as they were when it was made, as JSON; None when it names none.
    """

    id_hash: bytes
    client_id: str
    client_auth: str
    parameters: str
    created_at: int
    expires_at: int
    browser: bytes | None = None
    did: Did | None = None
    scope: str | None = None
    code_hash: bytes | None = None
    client_ip: str | None = None
    permission_sets: str | None = None


class OAuthRequests:
    """All requests. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: OAuthRequest) -> None:
        """Keep a new request."""
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, tuple(getattr(request, column.name) for column in OAUTH_REQUEST.columns))

    def get(self, id_hash: bytes) -> OAuthRequest | None:
        """Find a request, expired or not."""
        row = self._database.one(_BY_ID, (id_hash,))
        return None if row is None else _request(row)

    def by_code(self, code_hash: bytes) -> OAuthRequest | None:
        """Find the request that a code was made for, expired or not."""
        row = self._database.one(_BY_CODE, (code_hash,))
        return None if row is None else _request(row)

    def work_on(self, id_hash: bytes, browser: bytes, expires_at: int) -> None:
        """Note that a browser is at work on a request, which then lives on for a while."""
        with self._database.transaction() as transaction:
            transaction.run(_WORK_ON, (expires_at, browser, id_hash))

    def hand_over(self, old: bytes, new: bytes) -> None:
        """Note that the cookie of a browser was replaced: it goes on with all that it was at work on."""
        with self._database.transaction() as transaction:
            transaction.run(_HAND_OVER, (new, old))

    def grant(
        self, id_hash: bytes, did: Did, scope: str, code_hash: bytes, *, client_ip: str | None, expires_at: int
    ) -> None:
        """Note that a request was granted, and which code tells its client."""
        with self._database.transaction() as transaction:
            transaction.run(_GRANT, (expires_at, did, scope, code_hash, client_ip, id_hash))

    def delete(self, id_hash: bytes) -> bool:
        """Forget a request, and with it its code."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (id_hash,)) > 0

    def delete_all(self, did: str) -> int:
        """Forget the requests that an account has granted and whose codes were not exchanged; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_BY_DID, (did,))

    def delete_client(self, did: str, client_id: str) -> None:
        """Forget such requests of one client."""
        with self._database.transaction() as transaction:
            transaction.run(_DELETE_BY_CLIENT, (did, client_id))

    def delete_expired(self, now: int) -> int:
        """Sweep out what is over; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_EXPIRED, (now,))


def _request(row: Row) -> OAuthRequest:
    return OAuthRequest(
        id_hash=row[0],
        client_id=row[1],
        client_auth=row[2],
        parameters=row[3],
        created_at=row[4],
        expires_at=row[5],
        browser=row[6],
        did=None if row[7] is None else Did(row[7]),
        scope=row[8],
        code_hash=row[9],
        client_ip=row[10],
        permission_sets=row[11],
    )
