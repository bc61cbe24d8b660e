"""Browsers in which people have signed in to one account or several.

The cookie holds 256 random bits, the table their hash. Before somebody signs in a cookie has no row, and stands for
nobody; at each sign-in it is replaced, so that none can be foisted on a browser.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import AuthenticationRequired
from tempest_pds.services.hosting import is_blocked
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.second_factor.since import factor_since
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.browsers import Browser, BrowserAccount

REMEMBERED_US: Final = 7 * 86_400 * 1_000_000
"""How long a sign-in lasts that is to be remembered."""

BRIEF_US: Final = 15 * 60 * 1_000_000
"""How long any other lasts without use."""

_NOTED_EVERY: Final = 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An account in a browser. Times are microseconds since 1970.

    Attributes:
        confirmed_at: when the password, and the second factor if there was one, were last given.
        lacks_factor: that was before the account got the second factor that it has now.
    """

    account: Account
    signed_in_at: int
    confirmed_at: int
    remembered: bool
    lacks_factor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserView:
    """A browser as the owner of an account sees it in a list. Times are microseconds since 1970."""

    id: str
    user_agent: str | None
    client_ip: str | None
    signed_in_at: int
    seen_at: int
    is_this: bool


class Browsers:
    """Remember who has signed in where. `secret` is always the value of the cookie.

    A password that is set anew ends all sign-ins from before, as it ends sessions. An account that a moderator keeps
    from acting is signed in nowhere.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self, store: AccountStore, writer: AccountWriter, events: SecurityEvents, now: Callable[[], int] = now_us
    ) -> None:
        self._store = store
        self._writer = writer
        self._events = events
        self._now = now

    def accounts(self, secret: str | None) -> list[SignedIn]:
        """Tell which accounts are signed in, the last first."""
        browser = self._find(secret)
        return [] if browser is None else self._signed_in(browser)

    def is_signed_in(self, browser: bytes, did: Did) -> bool:
        """Tell whether an account is signed in with all that it takes, by the SHA-256 of the browser's cookie."""
        found = self._store.browsers.with_secret(browser)
        return found is not None and any(
            signed_in.account.did == did and not signed_in.lacks_factor for signed_in in self._signed_in(found)
        )

    async def seen(
        self, secret: str, client_ip: str | None, user_agent: str | None, did: str | None = None
    ) -> list[SignedIn]:
        """Tell the same, and note that the browser was here.

        Args:
            did: of the account whose page is looked at, which stays signed in by that. Another that is not remembered
                does not: who shares a browser must not keep those signed in who have left it.
        """
        browser = self._find(secret)
        if browser is None:
            return []
        accounts = self._signed_in(browser)
        if len(accounts) == 1:
            did = accounts[0].account.did
        now = self._now()
        if accounts and (now - browser.seen_at >= _NOTED_EVERY or self._ends_sooner(browser, did, now)):
            await self._writer.run(self._store_seen, browser.id, did, client_ip, user_agent, now)
        return accounts

    async def sign_in(
        self,
        secret: str | None,
        account: Account,
        *,
        remember: bool,
        client_ip: str | None,
        user_agent: str | None,
        proven_at: int | None = None,
    ) -> str:
        """Add an account, as it was when its owner was proven, and give the cookie's new value.

        Args:
            proven_at: when that began, in microseconds since 1970; None for now. A second factor that came to the
                account meanwhile was not given.

        Raises AuthenticationRequired when its password was changed meanwhile, or it is gone or blocked.
        """
        new_secret = secrets.token_urlsafe(32)
        at = self._now() if proven_at is None else proven_at
        await self._writer.run(self._store_sign_in, secret, new_secret, account, remember, client_ip, user_agent, at)
        return new_secret

    async def confirm(self, secret: str, did: Did, proven_at: int | None = None) -> None:
        """Note that the account's password and second factor were given once more; `proven_at` as for `sign_in`."""
        browser = self._find(secret)
        if browser is not None:
            at = self._now() if proven_at is None else proven_at
            await self._writer.run(self._store.browsers.confirm, browser.id, did, at)

    async def sign_out(self, secret: str, did: Did) -> None:
        """Take an account out of a browser."""
        browser = self._find(secret)
        if browser is not None:
            await self._writer.run(self._store.browsers.remove_account, browser.id, did)

    def list_for(self, did: Did, secret: str | None) -> list[BrowserView]:
        """List the browsers in which an account is signed in, the last seen first."""
        this = self._find(secret)
        account = self._store.accounts.get(did)
        if account is None:
            return []
        return [
            BrowserView(
                id=browser.id,
                user_agent=browser.user_agent,
                client_ip=browser.client_ip,
                signed_in_at=row.signed_in_at,
                seen_at=browser.seen_at,
                is_this=this is not None and browser.id == this.id,
            )
            for browser, row in self._store.browsers.of_account(did, self._now())
            if not _has_ended(row, account)
        ]

    async def sign_out_elsewhere(self, did: Did, browser_id: str, origin: Origin = NOWHERE) -> None:
        """Take an account out of another browser."""
        await self._writer.run(self._store_sign_out, did, browser_id, origin)

    async def sign_out_others(self, did: Did, secret: str, origin: Origin = NOWHERE) -> int:
        """Take an account out of all browsers but this; return out of how many."""
        browser = self._find(secret)
        return await self._writer.run(
            self._store_sign_out_of_others, did, "" if browser is None else browser.id, origin
        )

    async def forget_expired(self) -> None:
        """Sweep out sign-ins past their time."""
        await self._writer.run(self._store.browsers.delete_expired, self._now())

    def _ends_sooner(self, browser: Browser, did: str | None, now: int) -> bool:
        """Tell whether a visit of now would have an account signed in noticeably longer."""
        latest = now + BRIEF_US - _NOTED_EVERY
        rows = self._store.browsers.accounts(browser.id)
        return any(row.did == did and not row.remembered and now < row.expires_at <= latest for row in rows)

    def _find(self, secret: str | None) -> Browser | None:
        return None if secret is None else self._store.browsers.with_secret(_hash(secret))

    def _signed_in(self, browser: Browser) -> list[SignedIn]:
        now = self._now()
        found = []
        for row in self._store.browsers.accounts(browser.id):
            account = self._store.accounts.get(row.did)
            if account is None or is_blocked(account) or _has_ended(row, account):
                continue
            if row.expires_at > now:
                found.append(
                    SignedIn(
                        account=account,
                        signed_in_at=row.signed_in_at,
                        confirmed_at=row.confirmed_at,
                        remembered=row.remembered,
                        lacks_factor=row.confirmed_at < (factor_since(self._store, row.did) or 0),
                    )
                )
        return sorted(found, key=lambda signed_in: signed_in.signed_in_at, reverse=True)

    # In the thread that writes accounts

    def _store_sign_out(self, did: Did, browser_id: str, origin: Origin) -> None:
        with self._store.transaction():
            if self._store.browsers.remove_account(browser_id, did):
                self._events.add(did, EventKind.BROWSER_SIGNED_OUT, origin)

    def _store_sign_out_of_others(self, did: Did, kept_browser_id: str, origin: Origin) -> int:
        with self._store.transaction():
            count = self._store.browsers.remove_others(did, kept_browser_id)
            if count:
                self._events.add(did, EventKind.BROWSER_SIGNED_OUT, origin)
        return count

    def _store_seen(
        self, browser_id: str, did: str | None, client_ip: str | None, user_agent: str | None, now: int
    ) -> None:
        with self._store.transaction():
            self._store.browsers.set_seen(browser_id, user_agent, client_ip, now)
            if did is not None:
                self._store.browsers.prolong(browser_id, did, now, now + BRIEF_US)

    def _store_sign_in(
        self,
        secret: str | None,
        new_secret: str,
        account: Account,
        remember: bool,
        client_ip: str | None,
        user_agent: str | None,
        proven_at: int,
    ) -> None:
        browsers, now = self._store.browsers, self._now()
        with self._store.transaction():
            found = self._store.accounts.get(account.did)
            if found is None or is_blocked(found) or found.password_hash != account.password_hash:
                raise AuthenticationRequired("Invalid identifier or password")
            browser = self._find(secret)
            if browser is None:
                browser = Browser(
                    id=secrets.token_urlsafe(12),
                    secret_hash=_hash(new_secret),
                    user_agent=user_agent,
                    client_ip=client_ip,
                    created_at=now,
                    seen_at=now,
                )
                browsers.add(browser)
            else:
                browsers.set_secret(browser.id, _hash(new_secret))
                browsers.set_seen(browser.id, user_agent, client_ip, now)
            browsers.put_account(
                BrowserAccount(
                    browser_id=browser.id,
                    did=account.did,
                    # The clock may have been set back since the password was changed.
                    signed_in_at=max(now, found.sessions_ended_at or 0),
                    confirmed_at=proven_at,
                    remembered=remember,
                    expires_at=now + (REMEMBERED_US if remember else BRIEF_US),
                )
            )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _has_ended(row: BrowserAccount, account: Account) -> bool:
    return account.sessions_ended_at is not None and row.signed_in_at < account.sessions_ended_at
