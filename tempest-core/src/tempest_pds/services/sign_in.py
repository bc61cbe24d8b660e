"""Signing in with an account's password, and its second factor where it has one: the one way in for every door.

Clients of the API give password and code at once (`for_session`), or an app password, which is made for apps that
cannot ask for a code. People on pages give the password first, and then the second factor with the ticket that they
got for it. An account that does not exist takes as long to be refused as one that does, and a second factor is asked
for only once the password was right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax, TempestError
from tempest_pds.protocol.syntax.at_identifier import parse_at_identifier
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.credentials import Scope
from tempest_pds.services.errors import (
    AuthenticationRequired,
    AuthFactorTokenRequired,
    CodeUsedBefore,
    FactorUsedBefore,
    InvalidToken,
)
from tempest_pds.services.hosting import account_takedown, is_blocked
from tempest_pds.services.nobody import NOBODY
from tempest_pds.services.passwords import MAX_LOGIN_LENGTH, Passwords, hash_app_password
from tempest_pds.services.policies import SigningIn, check_sign_in, tell_signed_in
from tempest_pds.services.second_factor.factor import FactorAnswer, FactorKind
from tempest_pds.services.second_factor.second_factors import SecondFactors
from tempest_pds.services.second_factor.tickets import Tickets, TicketUse
from tempest_pds.services.second_factor.visitor import Visitor
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.app_passwords import AppPassword
from tempest_pds_plugins.hookspecs import SecondFactor, SignInSurface

__all__ = ["Entry", "FactorAnswer", "FactorKind", "FactorNeeded", "SignIn", "Visitor", "described"]

_REFUSED: Final = "Invalid identifier or password"
_FACTORS: Final[Mapping[FactorKind, SecondFactor]] = {
    FactorKind.TOTP: "totp",
    FactorKind.RECOVERY_CODE: "recovery_code",
    FactorKind.PASSKEY: "passkey",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an account was opened with.

    Attributes:
        scope: what a session of it allows.
        app_password: None for the account's own.
        factor: the second factor; None for accounts that have none, and for app passwords.
        factor_at: when it was given, in microseconds since 1970.
    """

    account: Account
    scope: Scope
    app_password: AppPassword | None = None
    factor: FactorKind | None = None
    factor_at: int | None = None


class SignIn:
    """Check what people and clients give to be let in.

    All raise AuthenticationRequired for an unknown account or a wrong password, which of the two is not told;
    AccountTakedown; Forbidden when a plugin's policy is against it; and NotEnoughResources after too many at once.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        passwords: Passwords,
        factors: SecondFactors,
        tickets: Tickets,
        hooks: AccountHooks,
        events: SecurityEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._factors = factors
        self._tickets = tickets
        self._hooks = hooks
        self._events = events
        self._now = now

    async def with_password(self, identifier: str, password: str, visitor: Visitor) -> Account:
        """Check a password; app passwords are none here. Raises FactorNeeded when that is not enough."""
        account = await self._prove(self._find(identifier), password, visitor)
        if is_blocked(account):
            raise account_takedown(account.status)
        self._ask_for_factor(account, TicketUse.SIGN_IN, visitor)
        await self._let_in(Entry(account=account, scope=Scope.ACCESS), visitor)
        return account

    async def with_factor(self, ticket: str, answer: FactorAnswer, visitor: Visitor) -> Account:
        """Finish what FactorNeeded began; raise AuthenticationRequired for a wrong answer or a ticket past its time.

        Of its kinds, FactorUsedBefore is raised for the right code given again, TooManyTries after too many answers.
        """
        account, factor = await self._take_factor(ticket, TicketUse.SIGN_IN, answer, visitor)
        await self._let_in(Entry(account=account, scope=Scope.ACCESS, factor=factor, factor_at=self._now()), visitor)
        return account

    def ask_again(self, ticket: str, visitor: Visitor) -> FactorNeeded:
        """Give what a page is to ask for anew, after a wrong answer; raise AuthenticationRequired past its time."""
        uses = {TicketUse.SIGN_IN, TicketUse.CONFIRM}
        checked, account = self._tickets.check(ticket, uses, visitor.browser, self._store.accounts.get)
        return FactorNeeded(ticket, self._factors.kinds(account.did), self._factors.passkey_request(checked))

    async def confirm(self, did: Did, password: str, visitor: Visitor) -> None:
        """Check the password of somebody who is signed in already; raises FactorNeeded as `with_password` does."""
        account = await self.own_password(did, password, visitor, "That is not the password")
        self._ask_for_factor(account, TicketUse.CONFIRM, visitor)

    async def confirm_with_factor(self, did: Did, ticket: str, answer: FactorAnswer, visitor: Visitor) -> None:
        """Finish what `confirm` began; raises as `with_factor`."""
        account, _ = await self._take_factor(ticket, TicketUse.CONFIRM, answer, visitor)
        if account.did != did:
            raise AuthenticationRequired("That was begun for another account. Start again.")

    async def for_session(
        self,
        identifier: str,
        password: str,
        visitor: Visitor,
        *,
        code: str | None = None,
        allow_takendown: bool = False,
    ) -> Entry:
        """Check a password or an app password, and the code of an account that has a second factor.

        The caller stores the session if `still_opens` in the same transaction, and then calls `tell`.

        Raises:
            AuthFactorTokenRequired: the password is right, and there is no code.
            InvalidToken: there is, and it is wrong.
            TooManyTries: there were too many wrong codes.
            AccountTakedown: the account was taken down, and no narrow session was asked for.
        """
        entry = await self._open(self._find(identifier), password, visitor)
        if entry.scope is Scope.TAKENDOWN and not allow_takendown:
            raise account_takedown(entry.account.status)
        if entry.app_password is None:
            factor = await self.require_code(entry.account.did, code, visitor)
            if factor is not None:
                entry = Entry(account=entry.account, scope=entry.scope, factor=factor, factor_at=self._now())
        check_sign_in(self._hooks, _signing_in(entry, visitor))
        return entry

    async def own_password(self, did: Did, password: str, visitor: Visitor, refusal: str) -> Account:
        """Check an account's own password and nothing more; AuthenticationRequired is raised with the words given."""
        return await self._prove(self._store.accounts.get(did), password, visitor, refusal)

    async def require_code(self, did: Did, code: str | None, visitor: Visitor) -> FactorKind | None:
        """Take the code of an account that has a second factor, after its password; None for one that has none.

        Raises as `for_session`.
        """
        kinds = self._factors.kinds(did)
        if not kinds:
            return None
        if not code or not code.strip():
            which = "A code of your authenticator app" if FactorKind.TOTP in kinds else "One of your recovery codes"
            raise AuthFactorTokenRequired(f"{which} is needed, as authFactorToken; or use an app password")
        return await self._factors.check(did, FactorAnswer(code=code), visitor)

    def still_opens(self, entry: Entry) -> bool:
        """Tell whether what was given is still good, in the transaction that stores the session.

        The password may have been changed or revoked while it was checked, or a second factor come to the account.
        """
        account, app_password = entry.account, entry.app_password
        if app_password is not None:
            return self._store.app_passwords.with_hash(account.did, app_password.password_hash) is not None
        now = self._store.accounts.get(account.did)
        if now is None or now.password_hash != account.password_hash:
            return False
        return entry.factor is not None or not self._factors.is_on(account.did)

    def tell(self, entry: Entry, visitor: Visitor) -> None:
        """Tell plugins of a sign-in that succeeded."""
        tell_signed_in(self._hooks, _signing_in(entry, visitor))

    async def _let_in(self, entry: Entry, visitor: Visitor) -> None:
        check_sign_in(self._hooks, _signing_in(entry, visitor))
        told = described(entry, visitor.surface)
        await self._events.note(
            entry.account.did,
            EventKind.SIGNED_IN,
            client_ip=visitor.client_ip,
            user_agent=visitor.user_agent,
            **told,
        )
        self.tell(entry, visitor)

    def _ask_for_factor(self, account: Account, use: TicketUse, visitor: Visitor) -> None:
        kinds = self._factors.kinds(account.did)
        if kinds:
            text, ticket = self._tickets.issue(account, use, visitor.browser)
            raise FactorNeeded(text, kinds, self._factors.passkey_request(ticket))

    async def _take_factor(
        self, ticket_text: str, use: TicketUse, answer: FactorAnswer, visitor: Visitor
    ) -> tuple[Account, FactorKind]:
        ticket, account = self._tickets.check(ticket_text, {use}, visitor.browser, self._store.accounts.get)
        if is_blocked(account):
            raise account_takedown(account.status)
        try:
            return account, await self._factors.check(account.did, answer, visitor, ticket)
        except CodeUsedBefore as error:
            raise FactorUsedBefore("That code was used before. Wait for the next one.") from error
        except InvalidToken as error:
            raise AuthenticationRequired("That code is wrong.") from error

    def _find(self, identifier: str) -> Account | None:
        text = identifier.strip().removeprefix("@")
        if "@" in text:
            return self._store.accounts.by_email(text)
        try:
            name = parse_at_identifier(text)
        except InvalidSyntax:
            return None
        return self._store.accounts.get(name) if isinstance(name, Did) else self._store.accounts.by_handle(name)

    async def _open(self, account: Account | None, password: str, visitor: Visitor) -> Entry:
        _check_length(password)
        did = (account or NOBODY).did
        # Looked at first: the bots that use them log in often, and a look-up costs nothing.
        found = self._store.app_passwords.with_hash(did, hash_app_password(did, password))
        if account is not None and found is not None and not is_blocked(account):
            scope = Scope.APP_PASS_PRIVILEGED if found.privileged else Scope.APP_PASS
            return Entry(account=account, scope=scope, app_password=found)
        account = await self._prove(account, password, visitor)
        return Entry(account=account, scope=Scope.TAKENDOWN if is_blocked(account) else Scope.ACCESS)

    async def _prove(
        self, account: Account | None, password: str, visitor: Visitor, refusal: str = _REFUSED
    ) -> Account:
        _check_length(password)
        proven = None if account is None else account.password_hash
        is_right = await self._passwords.verify(proven, password)
        # Looked up anew: while it was checked the password may have been changed, which ends what the old one opens.
        now = self._store.accounts.get((account or NOBODY).did)
        if is_right and now is not None and now.password_hash == proven:
            return now
        if account is not None:
            self._events.count_failure(account.did, EventKind.SIGN_IN_FAILED, visitor)
        raise AuthenticationRequired(refusal)


def _check_length(password: str) -> None:
    if len(password) > MAX_LOGIN_LENGTH:
        raise AuthenticationRequired("Password too long. Consider resetting your password.")


def described(entry: Entry, door: SignInSurface) -> dict[str, str]:
    """Give what is noted of a sign-in among the security events."""
    return {"door": door} if entry.factor is None else {"door": door, "factor": entry.factor.value}


def _signing_in(entry: Entry, visitor: Visitor) -> SigningIn:
    return SigningIn(
        account=entry.account,
        client_ip=visitor.client_ip,
        method="password" if entry.app_password is None else "app_password",
        surface=visitor.surface,
        second_factor=None if entry.factor is None else _FACTORS[entry.factor],
        client_id=visitor.client_id,
    )
