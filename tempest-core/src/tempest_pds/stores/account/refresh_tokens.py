"""Refresh tokens, each used once and replaced; used again within its grace period, it gives the same successor.

Terms: a *session* is a login with all the tokens that came of it. A token's row holds its `jti`, and nothing that would
let a reader of the database make the token. Using a token shortens its own life to the grace period after that use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import bindparam, delete, select, update

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.tables import REFRESH_TOKEN
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, insert_into, select_where

GRACE_US: Final = 2 * 60 * 60 * 1_000_000

_T = REFRESH_TOKEN.c
_INSERT = insert_into(REFRESH_TOKEN)
_BY_ID = select_where(REFRESH_TOKEN, _T.id)
_BY_DID = Statement(select(REFRESH_TOKEN).where(_T.did == bindparam("did"), _T.next_id.is_(None)), "did")
_MARK_USED = Statement(
    update(REFRESH_TOKEN)
    .where(_T.id == bindparam("id_is"))
    .values(expires_at=bindparam("expires_at_to"), next_id=bindparam("next_id_to")),
    "expires_at_to",
    "next_id_to",
    "id_is",
)
_DELETE_SESSION = delete_where(REFRESH_TOKEN, _T.session_id)
_DELETE_ALL = delete_where(REFRESH_TOKEN, _T.did)
_DELETE_BY_APP_PASSWORD = delete_where(REFRESH_TOKEN, _T.did, _T.app_password_name)
_DELETE_EXPIRED = Statement(delete(REFRESH_TOKEN).where(_T.expires_at <= bindparam("now")), "now")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One refresh token. Times are microseconds since 1970.

    Attributes:
        id: its `jti`.
        session_id: the `jti` of the first token of the login.
        scope: what the access tokens made from it allow.
        app_password_name: the app password it was made with; None for the account's own.
        next_id: its successor; None until it is used.
        factor_at: when the session was opened with a second factor; None when it was opened without one.
        client_ip: where the session was opened from.
        user_agent: what opened it, in its own words.
    """

    id: str
    did: Did
    session_id: str
    scope: str
    created_at: int
    expires_at: int
    app_password_name: str | None = None
    next_id: str | None = None
    factor_at: int | None = None
    client_ip: str | None = None
    user_agent: str | None = None


class RefreshTokens:
    """The sessions of all accounts. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        token_id: str,
        did: Did,
        scope: str,
        *,
        now: int,
        expires_at: int,
        app_password_name: str | None = None,
        factor_at: int | None = None,
        client_ip: str | None = None,
        user_agent: str | None = None,
    ) -> RefreshToken:
        """Begin a session with its first token."""
        token = RefreshToken(
            id=token_id,
            did=did,
            session_id=token_id,
            scope=scope,
            created_at=now,
            expires_at=expires_at,
            app_password_name=app_password_name,
            factor_at=factor_at,
            client_ip=client_ip,
            user_agent=user_agent,
        )
        self._insert(token)
        return token

    def get(self, token_id: str) -> RefreshToken | None:
        """Find a token, used or not, expired or not."""
        row = self._database.one(_BY_ID, (token_id,))
        return None if row is None else _token(row)

    def rotate(
        self, token_id: str, next_id: str, *, now: int, next_expires_at: int, grace: int = GRACE_US
    ) -> RefreshToken | None:
        """Use a token and return its successor; None when it is unknown, expired or revoked.

        The first use makes the successor `next_id`. A later one, within `grace` of the first, returns that same one,
        whatever `next_id` it brings. A successor that was revoked does not come back.
        """
        with self._database.transaction() as transaction:
            row = transaction.one(_BY_ID, (token_id,))
            if row is None:
                return None
            token = _token(row)
            if token.expires_at <= now:
                return None
            if token.next_id is not None:
                row = transaction.one(_BY_ID, (token.next_id,))
                return None if row is None else _token(row)
            successor = replace(token, id=next_id, created_at=now, expires_at=next_expires_at, next_id=None)
            transaction.run(_MARK_USED, (min(token.expires_at, now + grace), next_id, token_id))
            self._insert(successor)
            return successor

    def sessions(self, did: str) -> list[RefreshToken]:
        """Return the newest token of each session of an account."""
        return [_token(row) for row in self._database.all(_BY_DID, (did,))]

    def revoke(self, token_id: str) -> bool:
        """End the session that a token belongs to: the token, its forerunners and its successors."""
        with self._database.transaction() as transaction:
            row = transaction.one(_BY_ID, (token_id,))
            return row is not None and transaction.run(_DELETE_SESSION, (_token(row).session_id,)) > 0

    def revoke_all(self, did: str) -> int:
        """End every session of an account; return how many tokens that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_ALL, (did,))

    def revoke_app_password(self, did: str, name: str) -> int:
        """End the sessions made with one app password; return how many tokens that were."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_BY_APP_PASSWORD, (did, name))

    def delete_expired(self, now: int) -> int:
        """Sweep out what is over; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_EXPIRED, (now,))

    def _insert(self, token: RefreshToken) -> None:
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, tuple(getattr(token, column.name) for column in REFRESH_TOKEN.columns))


def _token(row: Row) -> RefreshToken:
    return RefreshToken(
        id=row[0],
        did=Did(row[1]),
        session_id=row[2],
        scope=row[3],
        app_password_name=row[4],
        created_at=row[5],
        expires_at=row[6],
        next_id=row[7],
        factor_at=row[8],
        client_ip=row[9],
        user_agent=row[10],
    )
