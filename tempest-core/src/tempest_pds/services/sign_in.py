"""Signing in with an account's password, and its second factor where it has one: the one way in for every door."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.origin import Origin
from tempest_pds.stores.account.accounts import Account


class FactorKind(StrEnum):
    """What proves, beside the password, that somebody is the owner."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor(Origin):
    """Who is at the door: what is told to policies, and noted among the security events.

    Attributes:
        browser: the SHA-256 of the cookie that a half-finished sign-in is bound to; empty for API clients.
    """

    browser: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAnswer:
    """A second factor as it was given: a code (TOTP or recovery), or what a passkey answered, in JSON."""

    code: str | None = None
    passkey: str | None = None


class FactorNeeded(TempestError):
    """The password is right, and a second factor is needed.

    Attributes:
        ticket: to be given back with the answer; good for some minutes, in this browser only.
        kinds: what would do.
        passkey_request: what the browser is to ask a passkey, in JSON; None when the account has no passkey.
    """

    def __init__(self, ticket: str, kinds: frozenset[FactorKind], passkey_request: str | None) -> None:
        super().__init__("A second factor is needed")
        self.ticket = ticket
        self.kinds = kinds
        self.passkey_request = passkey_request


class SignIn:
    """Sign people in on pages. Raises are those of `Sessions.create`: AuthenticationRequired, Forbidden…"""

    async def with_password(self, identifier: str, password: str, visitor: Visitor) -> Account:
        """Check a password; app passwords are none here. Raises FactorNeeded when that is not enough."""
        raise NotImplementedError

    async def with_factor(self, ticket: str, answer: FactorAnswer, visitor: Visitor) -> Account:
        """Finish what FactorNeeded began; raise AuthenticationRequired for a wrong answer or a ticket past its time."""
        raise NotImplementedError

    async def confirm(self, did: Did, password: str, visitor: Visitor) -> None:
        """Check the password of somebody who is signed in already; raises FactorNeeded as `with_password` does."""
        raise NotImplementedError
