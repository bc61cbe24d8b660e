"""Browsers in which people have signed in to one account or several.

The cookie holds 256 random bits, the table their hash. Before somebody signs in a cookie has no row, and stands for
nobody; at each sign-in it is replaced, so that none can be foisted on a browser.
"""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.accounts import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An account in a browser. Times are microseconds since 1970.

    Attributes:
        confirmed_at: when the password, and the second factor if there is one, were last given.
    """

    account: Account
    signed_in_at: int
    confirmed_at: int
    remembered: bool


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
    """Remember who has signed in where. `secret` is always the value of the cookie."""

    def accounts(self, secret: str | None) -> list[SignedIn]:
        """Tell which accounts are signed in, the last first."""
        raise NotImplementedError

    async def sign_in(
        self, secret: str | None, did: Did, *, remember: bool, client_ip: str | None, user_agent: str | None
    ) -> str:
        """Add an account, and give the cookie's new value."""
        raise NotImplementedError

    async def confirm(self, secret: str, did: Did) -> None:
        """Note that the account's password and second factor were given once more."""
        raise NotImplementedError

    async def sign_out(self, secret: str, did: Did) -> None:
        """Take an account out of a browser."""
        raise NotImplementedError

    def list_for(self, did: Did, secret: str | None) -> list[BrowserView]:
        """List the browsers in which an account is signed in, the last seen first."""
        raise NotImplementedError

    async def sign_out_elsewhere(self, did: Did, browser_id: str) -> None:
        """Take an account out of another browser."""
        raise NotImplementedError
