"""Tickets: what a browser holds between the password and the second factor, or while a passkey is being added.

A ticket is signed, and nothing is remembered of it here: a server that is restarted meanwhile goes on with it. It is
good for five minutes, in one browser, for one account and one use, and until the account's password is changed. The
challenge that a passkey signs is made from it, so that what is signed for one ticket is worth nothing with another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import AuthenticationRequired
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.accounts import Account

LIFETIME_US: Final = 5 * 60 * 1_000_000
_TYPE: Final = "sign-in-ticket+jwt"


class TicketUse(StrEnum):
    """What a ticket is for."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    ADD_PASSKEY = "add_passkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket that was checked; `issued_at` in microseconds since 1970.

    Attributes:
        challenge: what a passkey is to sign.
    """

    id: str
    did: Did
    use: TicketUse
    issued_at: int
    challenge: bytes


class Tickets:
    """Issue and check tickets.

    Args:
        secret: of this server; other things may be signed with it.
        now: microseconds since 1970.
    """

    def __init__(self, secret: bytes, now: Callable[[], int] = now_us) -> None:
        self._signing = hmac.digest(secret, b"sign-in ticket", "sha256")
        self._challenging = hmac.digest(secret, b"passkey challenge", "sha256")
        self._now = now

    def issue(self, account: Account, use: TicketUse, browser: bytes) -> tuple[str, Ticket]:
        """Make a ticket; give it as it is written, and as it will be read."""
        identifier, now = secrets.token_urlsafe(12), self._now()
        claims = {"sub": account.did, "use": use, "at": now, "jti": identifier, "bound_to": _bound_to(account, browser)}
        text = jwt.encode_hs256({"typ": _TYPE}, claims, self._signing)
        return text, Ticket(id=identifier, did=account.did, use=use, issued_at=now, challenge=self._challenge(text))

    def check(
        self, text: str, uses: Collection[TicketUse], browser: bytes, find: Callable[[Did], Account | None]
    ) -> tuple[Ticket, Account]:
        """Read a ticket; raise AuthenticationRequired when it is not, or no longer, good for this."""
        try:
            parsed = jwt.verify_hs256(text, self._signing)
        except ProtocolError as error:
            raise _spent() from error
        claims: dict[str, Any] = parsed.claims
        account = find(Did(claims["sub"]))
        if (
            account is None
            or claims["use"] not in uses
            or not 0 <= self._now() - claims["at"] < LIFETIME_US
            or not hmac.compare_digest(claims["bound_to"], _bound_to(account, browser))
        ):
            raise _spent()
        ticket = Ticket(
            id=claims["jti"],
            did=account.did,
            use=TicketUse(claims["use"]),
            issued_at=claims["at"],
            challenge=self._challenge(text),
        )
        return ticket, account

    def _challenge(self, text: str) -> bytes:
        return hmac.digest(self._challenging, text.encode(), "sha256")


def _bound_to(account: Account, browser: bytes) -> str:
    """Tie a ticket to a browser, and to the password that was given."""
    password = (account.password_hash or "").encode()
    return hashlib.sha256(b"%d:%s%s" % (len(browser), browser, password)).hexdigest()


def _spent() -> AuthenticationRequired:
    return AuthenticationRequired("That took too long, or was begun elsewhere. Start again.")
