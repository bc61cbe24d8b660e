"""Browsers, and the accounts that are signed in in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, exists, select, update

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.sign_in_tables import BROWSER, BROWSER_ACCOUNT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, insert_into, select_where, update_where

_B, _A = BROWSER.c, BROWSER_ACCOUNT.c
_INSERT: Final = insert_into(BROWSER)
_BY_SECRET: Final = select_where(BROWSER, _B.secret_hash)
_SET_SECRET: Final = update_where(BROWSER, ["secret_hash"], _B.id)
_SET_SEEN: Final = update_where(BROWSER, ["user_agent", "client_ip", "seen_at"], _B.id)
_DELETE: Final = delete_where(BROWSER, _B.id)
_INSERT_ACCOUNT: Final = insert_into(BROWSER_ACCOUNT)
_ACCOUNTS: Final = select_where(BROWSER_ACCOUNT, _A.browser_id)
_SET_CONFIRMED: Final = update_where(BROWSER_ACCOUNT, ["confirmed_at"], _A.browser_id, _A.did)
_DELETE_ACCOUNT: Final = delete_where(BROWSER_ACCOUNT, _A.browser_id, _A.did)
_DELETE_OTHERS: Final = Statement(
    delete(BROWSER_ACCOUNT).where(_A.did == bindparam("did"), _A.browser_id != bindparam("browser_id")),
    "did",
    "browser_id",
)
_DELETE_DID: Final = delete_where(BROWSER_ACCOUNT, _A.did)
_PROLONG: Final = Statement(
    update(BROWSER_ACCOUNT)
    .where(
        _A.browser_id == bindparam("browser_id_is"),
        _A.did == bindparam("did_is"),
        _A.remembered.is_(False),
        _A.expires_at > bindparam("now"),
    )
    .values(expires_at=bindparam("expires_at_to")),
    "expires_at_to",
    "browser_id_is",
    "did_is",
    "now",
)
_BY_DID: Final = Statement(
    select(BROWSER, BROWSER_ACCOUNT)
    .join(BROWSER_ACCOUNT, _A.browser_id == _B.id)
    .where(_A.did == bindparam("did"), _A.expires_at > bindparam("now"))
    .order_by(_B.seen_at.desc()),
    "did",
    "now",
)
_EXPIRED: Final = Statement(delete(BROWSER_ACCOUNT).where(_A.expires_at <= bindparam("now")), "now")
_UNUSED: Final = Statement(delete(BROWSER).where(~exists().where(_A.browser_id == _B.id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A browser. Times are microseconds since 1970; `secret_hash` is the SHA-256 of its cookie's value."""

    id: str
    secret_hash: bytes
    user_agent: str | None
    client_ip: str | None
    created_at: int
    seen_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserAccount:
    """An account that is signed in in a browser until `expires_at`. Times are microseconds since 1970."""

    browser_id: str
    did: Did
    signed_in_at: int
    confirmed_at: int
    remembered: bool
    expires_at: int


class Browsers:
    """All browsers. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def with_secret(self, secret_hash: bytes) -> Browser | None:
        """Find a browser by its cookie."""
        row = self._database.one(_BY_SECRET, (secret_hash,))
        return None if row is None else Browser(**dict(zip(_BROWSER_FIELDS, row, strict=True)))

    def accounts(self, browser_id: str) -> list[BrowserAccount]:
        """Return the accounts of a browser, those past their time too."""
        return [_account(row) for row in self._database.all(_ACCOUNTS, (browser_id,))]

    def of_account(self, did: str, now: int) -> list[tuple[Browser, BrowserAccount]]:
        """Return the browsers in which an account is signed in, the last seen first."""
        width = len(_BROWSER_FIELDS)
        return [
            (Browser(**dict(zip(_BROWSER_FIELDS, row[:width], strict=True))), _account(row[width:]))
            for row in self._database.all(_BY_DID, (did, now))
        ]

    def add(self, browser: Browser) -> None:
        """Add a browser."""
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, tuple(getattr(browser, name) for name in _BROWSER_FIELDS))

    def set_secret(self, browser_id: str, secret_hash: bytes) -> None:
        """Replace a browser's cookie; the old one stands for nobody from now on."""
        with self._database.transaction() as transaction:
            transaction.run(_SET_SECRET, (secret_hash, browser_id))

    def set_seen(self, browser_id: str, user_agent: str | None, client_ip: str | None, now: int) -> None:
        """Note that a browser was here."""
        with self._database.transaction() as transaction:
            transaction.run(_SET_SEEN, (user_agent, client_ip, now, browser_id))

    def prolong(self, browser_id: str, did: str, now: int, expires_at: int) -> None:
        """Put off the end of a sign-in that is not remembered."""
        with self._database.transaction() as transaction:
            transaction.run(_PROLONG, (expires_at, browser_id, did, now))

    def put_account(self, account: BrowserAccount) -> None:
        """Sign an account in, in place of its earlier sign-in."""
        with self._database.transaction() as transaction:
            transaction.run(_DELETE_ACCOUNT, (account.browser_id, account.did))
            transaction.run(_INSERT_ACCOUNT, tuple(getattr(account, name) for name in _ACCOUNT_FIELDS))

    def confirm(self, browser_id: str, did: str, now: int) -> None:
        """Note when an account's owner proved once more to be that."""
        with self._database.transaction() as transaction:
            transaction.run(_SET_CONFIRMED, (now, browser_id, did))

    def remove_account(self, browser_id: str, did: str) -> bool:
        """Take an account out of a browser, which is forgotten when it was the last; tell whether it was in it."""
        with self._database.transaction() as transaction:
            was_in = transaction.run(_DELETE_ACCOUNT, (browser_id, did)) > 0
            if transaction.one(_ACCOUNTS, (browser_id,)) is None:
                transaction.run(_DELETE, (browser_id,))
        return was_in

    def remove_others(self, did: str, kept_browser_id: str) -> int:
        """Take an account out of all browsers but one; return out of how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OTHERS, (did, kept_browser_id))

    def remove_everywhere(self, did: str) -> int:
        """Take an account out of all browsers; return out of how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_DID, (did,))

    def delete_expired(self, now: int) -> None:
        """Sweep out what is over, and browsers in which nobody is signed in."""
        with self._database.transaction() as transaction:
            transaction.run(_EXPIRED, (now,))
            transaction.run(_UNUSED)


_BROWSER_FIELDS: Final = [column.name for column in BROWSER.columns]
_ACCOUNT_FIELDS: Final = [column.name for column in BROWSER_ACCOUNT.columns]


def _account(row: Row) -> BrowserAccount:
    return BrowserAccount(
        browser_id=row[0],
        did=Did(row[1]),
        signed_in_at=row[2],
        confirmed_at=row[3],
        remembered=bool(row[4]),
        expires_at=row[5],
    )
