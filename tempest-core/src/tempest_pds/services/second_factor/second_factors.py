"""The second factors of accounts: checked at every door that takes a password, and the guesses at them counted.

An account *has a second factor* once it has an authenticator app whose first code was given, or a passkey. Its recovery
codes come with the first of them, and go with the last. Whatever proves a factor is used up in the transaction that
accepts it: a time step, a recovery code, and a passkey's answer, by the moment of its last use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import CodeUsedBefore, InvalidToken
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.second_factor import recovery_codes, totp
from tempest_pds.services.second_factor.factor import FactorAnswer, FactorKind
from tempest_pds.services.second_factor.guesses import (
    BY_ACCOUNT,
    BY_ACCOUNT_PER_DAY,
    BY_ADDRESS,
    BY_TICKET,
    Guesses,
    Window,
)
from tempest_pds.services.second_factor.since import factor_since
from tempest_pds.services.second_factor.visitor import Visitor
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import SECOND, now_us
from tempest_pds.stores.account.account_store import AccountStore

if TYPE_CHECKING:
    from tempest_pds.services.second_factor.passkeys import PasskeyCeremonies
    from tempest_pds.services.second_factor.tickets import Ticket

_LONGEST: Final = 100
# What clients show as a wrong code is matched by these words.
_WRONG: Final = "Token is invalid"


class SecondFactors:
    """Check second factors.

    Args:
        address_key: gives what an address is counted under.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        passkeys: PasskeyCeremonies,
        events: SecurityEvents,
        notices: OwnerNotices,
        guesses: Guesses,
        address_key: Callable[[str], str],
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._passkeys = passkeys
        self._events = events
        self._notices = notices
        self._guesses = guesses
        self._address_key = address_key
        self._now = now

    def is_on(self, did: Did) -> bool:
        """Tell whether an account has a second factor."""
        return self.since(did) is not None

    def since(self, did: Did) -> int | None:
        """Tell since when an account has one, as `factor_since` does."""
        return factor_since(self._store, did)

    def kinds(self, did: Did) -> frozenset[FactorKind]:
        """Tell what would prove that somebody is the owner; nothing when the account has no second factor."""
        secret = self._store.totp_secrets.get(did)
        kinds: set[FactorKind] = set()
        if secret is not None and secret.confirmed_at is not None:
            kinds.add(FactorKind.TOTP)
        if self._store.passkeys.list(did):
            kinds.add(FactorKind.PASSKEY)
        if kinds and self._store.recovery_codes.count(did):
            kinds.add(FactorKind.RECOVERY_CODE)
        return frozenset(kinds)

    def passkey_request(self, ticket: Ticket) -> str | None:
        """Give what a browser is to ask a passkey, in JSON; None when the account has none."""
        passkeys = self._store.passkeys.list(ticket.did)
        return self._passkeys.request(passkeys, ticket.challenge) if passkeys else None

    async def check(self, did: Did, answer: FactorAnswer, visitor: Visitor, ticket: Ticket | None = None) -> FactorKind:
        """Take a second factor, and use it up; give its kind.

        Args:
            ticket: that a passkey's answer was asked for with.

        Raises:
            InvalidToken: it is wrong; CodeUsedBefore, one of its kinds: it is the right one of the app, given again.
            TooManyTries: there were too many wrong ones; this one was not looked at.
        """
        if answer.passkey is not None:
            if ticket is None:
                raise _wrong()
            kind, counted = FactorKind.PASSKEY, [_of_ticket(ticket, FactorKind.PASSKEY)]
        else:
            code = _plain(answer.code or "")
            kind = FactorKind.TOTP if totp.looks_like_code(code) else FactorKind.RECOVERY_CODE
            counted = self._counted(did, kind, visitor, ticket)
        self._guesses.take(counted)
        if kind is FactorKind.PASSKEY:
            assert answer.passkey is not None
            assert ticket is not None
            is_right = await self._writer.run(self._use_passkey, did, answer.passkey, ticket)
        elif kind is FactorKind.TOTP:
            is_right = await self._writer.run(self._use_totp, did, code)
        else:
            is_right = await self._writer.run(self._use_recovery_code, did, code, visitor)
            self._notices.stir()
        if not is_right:
            self._events.count_failure(did, EventKind.SECOND_FACTOR_FAILED, visitor)
            if kind is FactorKind.TOTP and self._was_used(did, code):
                raise CodeUsedBefore(_WRONG)
            raise _wrong()
        self._guesses.give_back(counted)
        return kind

    def _counted(self, did: Did, kind: FactorKind, visitor: Visitor, ticket: Ticket | None) -> list[tuple[Window, str]]:
        counted: list[tuple[Window, str]] = []
        if ticket is not None:
            counted.append(_of_ticket(ticket, kind))
        # Nobody guesses recovery codes: were they counted here, whoever has an account could lock out his neighbours.
        if kind is FactorKind.TOTP:
            counted += [(BY_ACCOUNT, did), (BY_ACCOUNT_PER_DAY, did)]
            if visitor.client_ip is not None:
                counted.append((BY_ADDRESS, self._address_key(visitor.client_ip)))
        return counted

    def _was_used(self, did: Did, code: str) -> bool:
        """Tell whether a code that was refused is the app's all the same, and only not to be given again."""
        secret = self._store.totp_secrets.get(did)
        if secret is None or secret.confirmed_at is None or secret.last_step is None:
            return False
        step = totp.matching_step(secret.secret, code, self._now() / SECOND, None)
        return step is not None and step <= secret.last_step

    # In the thread that writes accounts

    def _use_totp(self, did: Did, code: str) -> bool:
        now = self._now()
        with self._store.transaction():
            secret = self._store.totp_secrets.get(did)
            if secret is None or secret.confirmed_at is None:
                return False
            step = totp.matching_step(secret.secret, code, now / SECOND, secret.last_step)
            if step is not None:
                self._store.totp_secrets.use(did, confirmed_at=secret.confirmed_at, step=step)
        return step is not None

    def _use_recovery_code(self, did: Did, code: str, visitor: Visitor) -> bool:
        codes = self._store.recovery_codes
        with self._store.transaction():
            account = self._store.accounts.get(did)
            if account is None:
                return False
            is_right = codes.use(did, recovery_codes.hash_code(did, code))
            if is_right:
                self._notices.recovery_code_used(account, codes.count(did), visitor)
        return is_right

    def _use_passkey(self, did: Did, answer: str, ticket: Ticket) -> bool:
        with self._store.transaction():
            found = self._passkeys.verify(self._store.passkeys.list(did), answer, ticket.challenge)
            # An answer is good once: its ticket must be younger than the passkey's last use.
            if found is None or (found.passkey.used_at is not None and found.passkey.used_at >= ticket.issued_at):
                return False
            self._store.passkeys.use(found.passkey.credential_id, sign_count=found.sign_count, used_at=self._now())
        return True


def _of_ticket(ticket: Ticket, kind: FactorKind) -> tuple[Window, str]:
    """Count each kind apart: who has given wrong codes of the app is to get in with a recovery code all the same."""
    return BY_TICKET, f"{ticket.id} {kind}"


def _plain(code: str) -> str:
    """Take out what people put between the digits."""
    return "".join(code[:_LONGEST].split()).replace("-", "")


def _wrong() -> InvalidToken:
    return InvalidToken(_WRONG)
