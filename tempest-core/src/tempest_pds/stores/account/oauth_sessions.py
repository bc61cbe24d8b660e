"""OAuth sessions, one row each. No token is here, nor anything that a reader of the database could make one from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, or_, select

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.oauth_tables import OAUTH_SESSION
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, insert_into, select_where, update_where

_T = OAUTH_SESSION.c
_INSERT: Final = insert_into(OAUTH_SESSION)
_BY_ID: Final = select_where(OAUTH_SESSION, _T.id)
_BY_CODE: Final = select_where(OAUTH_SESSION, _T.code_hash)
_BY_DID: Final = Statement(
    select(OAUTH_SESSION).where(_T.did == bindparam("did")).order_by(_T.used_at.desc(), _T.id), "did"
)
_NAMED: Final = Statement(
    select(_T.id, _T.client_id).where(_T.did == bindparam("did")).order_by(_T.used_at, _T.id), "did"
)
_UNCHANGING: Final = frozenset(
    {"id", "did", "client_id", "dpop_jkt", "code_hash", "created_at", "client_ip", "browser_id"}
)
_REFRESHED: Final = tuple(column.name for column in OAUTH_SESSION.columns if column.name not in _UNCHANGING)
_REFRESH: Final = update_where(OAUTH_SESSION, _REFRESHED, _T.id)
_NOTE_USE: Final = update_where(OAUTH_SESSION, ("used_at",), _T.id)
_DELETE: Final = delete_where(OAUTH_SESSION, _T.id)
_DELETE_OWN: Final = delete_where(OAUTH_SESSION, _T.id, _T.did)
_DELETE_BY_CLIENT: Final = delete_where(OAUTH_SESSION, _T.did, _T.client_id)
_DELETE_BY_DID: Final = delete_where(OAUTH_SESSION, _T.did)
_DELETE_OVER: Final = Statement(
    delete(OAUTH_SESSION).where(or_(_T.idle_after <= bindparam("idle"), _T.ends_at <= bindparam("end"))), "idle", "end"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSession:
    """One session. Times are microseconds since 1970.

    Attributes:
        client_auth: how the client has proven to be itself, as JSON: the session is bound to that.
        dpop_jkt: the thumbprint of the DPoP key that it is bound to.
        scope: what its owner granted, in the client's spelling.
        permissions: what that stands for.
        code_hash: of the code it began with, by which a replay of that code is known.
        generation: of the refresh token that is good now.
        refreshed_at: when that token was made.
        idle_after: when the session ends unless it is refreshed.
        ends_at: when it ends whatever happens.
        browser_id: the browser in which its owner granted it; None when nobody was signed in there any more.
    """

    id: str
    did: Did
    client_id: str
    client_name: str | None
    client_auth: str
    dpop_jkt: str
    scope: str
    permissions: str
    code_hash: bytes
    generation: int
    created_at: int
    refreshed_at: int
    used_at: int
    client_ip: str | None
    idle_after: int
    ends_at: int
    browser_id: str | None = None


class OAuthSessions:
    """The sessions of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: OAuthSession) -> None:
        """Keep a new session."""
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, tuple(getattr(session, column.name) for column in OAUTH_SESSION.columns))

    def get(self, session_id: str) -> OAuthSession | None:
        """Find a session, over or not."""
        row = self._database.one(_BY_ID, (session_id,))
        return None if row is None else _session(row)

    def by_code(self, code_hash: bytes) -> OAuthSession | None:
        """Find the session that a code began."""
        row = self._database.one(_BY_CODE, (code_hash,))
        return None if row is None else _session(row)

    def of_account(self, did: str) -> list[OAuthSession]:
        """Return the sessions of an account, the last used first."""
        return [_session(row) for row in self._database.all(_BY_DID, (did,))]

    def refresh(self, session: OAuthSession) -> None:
        """Keep what a refresh has changed of a session."""
        with self._database.transaction() as transaction:
            transaction.run(_REFRESH, (*(getattr(session, name) for name in _REFRESHED), session.id))

    def note_uses(self, uses: Iterable[tuple[str, int]]) -> None:
        """Note when sessions were last used."""
        with self._database.transaction() as transaction:
            transaction.run_many(_NOTE_USE, ((used_at, session_id) for session_id, used_at in uses))

    def delete(self, session_id: str) -> bool:
        """End a session."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (session_id,)) > 0

    def delete_of(self, did: str, session_id: str) -> bool:
        """End a session if it is one of this account."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OWN, (session_id, did)) > 0

    def delete_client(self, did: str, client_id: str) -> int:
        """End the sessions of an account with one client; return how many that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_BY_CLIENT, (did, client_id))

    def delete_surplus(self, session: OAuthSession, keep: int) -> None:
        """End what an account has beyond `keep` sessions, this one apart: of its client first, the last used last."""
        with self._database.transaction():
            others = [row for row in self._database.all(_NAMED, (session.did,)) if row[0] != session.id]
            others.sort(key=lambda row: row[1] != session.client_id)
            for session_id, _ in others[: max(0, len(others) + 1 - keep)]:
                self.delete(session_id)

    def delete_all(self, did: str) -> int:
        """End every session of an account; return how many that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_BY_DID, (did,))

    def delete_over(self, now: int) -> int:
        """Sweep out what is over; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OVER, (now, now))


def _session(row: Row) -> OAuthSession:
    return OAuthSession(
        id=row[0],
        did=Did(row[1]),
        client_id=row[2],
        client_name=row[3],
        client_auth=row[4],
        dpop_jkt=row[5],
        scope=row[6],
        permissions=row[7],
        code_hash=row[8],
        generation=row[9],
        created_at=row[10],
        refreshed_at=row[11],
        used_at=row[12],
        client_ip=row[13],
        idle_after=row[14],
        ends_at=row[15],
        browser_id=row[16],
    )
