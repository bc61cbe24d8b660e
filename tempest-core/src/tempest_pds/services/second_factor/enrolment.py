"""How second factors come to an account and leave it, by its owner's hand or its operator's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import AccountMissing, AuthenticationRequired, InvalidRequest, InvalidToken
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.owner_notices import OwnerNotices
from tempest_pds.services.second_factor import recovery_codes, totp
from tempest_pds.services.second_factor.factor import FactorKind
from tempest_pds.services.second_factor.passkeys import NewKey, PasskeyCeremonies
from tempest_pds.services.second_factor.second_factors import SecondFactors
from tempest_pds.services.second_factor.tickets import Tickets, TicketUse
from tempest_pds.services.second_factor.visitor import Visitor
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import SECOND, now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.passkeys import Passkey, PasskeyExists

MOST_PASSKEYS: Final = 20
LONGEST_NAME: Final = 64
# So long a secret that no app has confirmed is shown again in its browser, so that a page may be reloaded.
_SHOWN_US: Final = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class NewApp:
    """What an authenticator app is to be given, as text and as the URI of a QR code."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class PasskeyRequest:
    """What begins the adding of a passkey: a ticket to be given back, and what the browser is to ask for, in JSON."""

    ticket: str
    options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The second factors that an account has. Times are microseconds since 1970.

    Attributes:
        app_since: when an authenticator app was added; None when there is none.
        codes_left: of the recovery codes.
        codes_made_at: when those were made; None when none is left.
    """

    app_since: int | None
    passkeys: Sequence[Passkey]
    codes_left: int
    codes_made_at: int | None

    @property
    def is_on(self) -> bool:
        """Tell whether the account has a second factor."""
        return self.app_since is not None or bool(self.passkeys)

    @property
    def codes_run_low(self) -> bool:
        """Tell whether it is time for new recovery codes."""
        return self.is_on and self.codes_left <= recovery_codes.FEW


class Enrolment:
    """Add and remove second factors. Methods that add the first one give the recovery codes, which are told this once.

    Args:
        server: the name under which apps list the account.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        factors: SecondFactors,
        passkeys: PasskeyCeremonies,
        tickets: Tickets,
        events: SecurityEvents,
        notices: OwnerNotices,
        outbox: CodeOutbox,
        texts: MailTexts,
        server: str,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._factors = factors
        self._passkeys = passkeys
        self._tickets = tickets
        self._events = events
        self._notices = notices
        self._outbox = outbox
        self._texts = texts
        self._server = server
        self._now = now

    @property
    def passkeys_possible(self) -> bool:
        """Tell whether this server can have passkeys."""
        return self._passkeys.is_possible

    def of(self, did: Did) -> Enrolled:
        """Tell which second factors an account has."""
        secret = self._store.totp_secrets.get(did)
        return Enrolled(
            app_since=None if secret is None else secret.confirmed_at,
            passkeys=self._store.passkeys.list(did),
            codes_left=self._store.recovery_codes.count(did),
            codes_made_at=self._store.recovery_codes.made_at(did),
        )

    # Authenticator apps

    async def begin_app(self, did: Did, visitor: Visitor) -> NewApp:
        """Give what an authenticator app is to be given; raise InvalidRequest when the account has one already.

        It is the browser's own: who looks at it elsewhere, as somebody might who has found out the password while there
        is no second factor, learns nothing of what the owner's app is given.
        """
        account, seed = await self._writer.run(self._store_seed, did)
        secret = totp.secret_for(seed, visitor.browser)
        uri = totp.app_uri(secret, account=_name(account), server=self._server)
        return NewApp(totp.secret_text(secret), uri)

    async def confirm_app(self, did: Did, code: str, visitor: Visitor) -> list[str]:
        """Add the app that shows this code; give the recovery codes if there were none.

        Raises:
            InvalidToken: the code is wrong.
            InvalidRequest: there is nothing to confirm.
        """
        codes = await self._writer.run(self._confirm_secret, did, "".join(code.split()), visitor)
        self._notices.stir()
        return codes

    async def remove_app(self, did: Did, visitor: Visitor) -> None:
        """Remove the authenticator app. That it is gone already is no error."""
        await self._writer.run(self._remove, did, self._store.totp_secrets.delete, visitor, factor=FactorKind.TOTP)
        self._notices.stir()

    # Passkeys

    def begin_passkey(self, did: Did, visitor: Visitor) -> PasskeyRequest:
        """Give what a browser is to ask for when a passkey is added."""
        account = self._account(did)
        text, ticket = self._tickets.issue(account, TicketUse.ADD_PASSKEY, visitor.browser)
        present = self._store.passkeys.list(did)
        return PasskeyRequest(text, self._passkeys.registration(did, _name(account), present, ticket.challenge))

    async def add_passkey(self, did: Did, ticket_text: str, name: str, answer: str, visitor: Visitor) -> list[str]:
        """Add a passkey; give the recovery codes if there were none.

        Raises:
            AuthenticationRequired: the ticket is past its time, or another's.
            InvalidRequest: the answer is not one to it, the name is too long, or there are too many.
        """
        ticket, account = self._tickets.check(
            ticket_text, {TicketUse.ADD_PASSKEY}, visitor.browser, self._store.accounts.get
        )
        if account.did != did:
            raise AuthenticationRequired("That was begun for another account. Start again.")
        key = self._passkeys.register(answer, ticket.challenge)
        if key is None:
            raise InvalidRequest("The passkey's answer could not be read. Try again.")
        codes = await self._writer.run(self._store_passkey, did, _checked_name(name), key, visitor)
        self._notices.stir()
        return codes

    async def rename_passkey(self, did: Did, credential_id: bytes, name: str) -> None:
        """Give a passkey another name; raise InvalidRequest."""
        if not await self._writer.run(self._store.passkeys.rename, did, credential_id, _checked_name(name)):
            raise InvalidRequest("That passkey is not there any more.")

    async def remove_passkey(self, did: Did, credential_id: bytes, visitor: Visitor) -> None:
        """Remove a passkey. That it is gone already is no error."""
        passkey = self._store.passkeys.get(credential_id)

        def remove(owner: Did) -> bool:
            return self._store.passkeys.delete(owner, credential_id)

        if passkey is not None:
            detail = {"factor": FactorKind.PASSKEY, "name": passkey.name}
            await self._writer.run(self._remove, did, remove, visitor, **detail)
            self._notices.stir()

    # Recovery codes, and all of it

    async def renew_codes(self, did: Did, visitor: Visitor, made_at: int | None) -> list[str]:
        """Make new recovery codes, which end the old ones; raise InvalidRequest without a second factor.

        Args:
            made_at: when those were made that are to end, as `Enrolled` tells it. Others are not ended: the wish is one
                that comes again, and its owner may have the codes of the first on paper.
        """
        return await self._writer.run(self._renew_codes, did, visitor, made_at)

    async def turn_off(self, did: Did) -> bool:
        """Remove every second factor, for an owner who has lost them all; tell whether there was one."""
        was_on = await self._writer.run(self._remove_all, did)
        self._outbox.stir()
        return was_on

    def _account(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None:
            raise AccountMissing("Account not found")
        return account

    # In the thread that writes accounts

    def _store_seed(self, did: Did) -> tuple[Account, bytes]:
        now = self._now()
        with self._store.transaction():
            account = self._account(did)
            found = self._store.totp_secrets.get(did)
            if found is not None and found.confirmed_at is not None:
                raise InvalidRequest("The account has an authenticator app already. Remove it first.")
            if found is not None and 0 <= now - found.created_at < _SHOWN_US:
                return account, found.secret
            seed = totp.new_secret()
            self._store.totp_secrets.put(did, seed, now)
        return account, seed

    def _confirm_secret(self, did: Did, code: str, visitor: Visitor) -> list[str]:
        now = self._now()
        with self._store.transaction():
            found = self._store.totp_secrets.get(did)
            if found is None or found.confirmed_at is not None:
                raise InvalidRequest("There is no authenticator app to confirm. Start again.")
            secret = totp.secret_for(found.secret, visitor.browser)
            step = totp.matching_step(secret, code, now / SECOND, None)
            if step is None:
                raise InvalidToken("That code is not right. Look at the app again, and at the clock of your phone.")
            self._store.totp_secrets.put(did, secret, found.created_at)
            self._store.totp_secrets.use(did, confirmed_at=now, step=step)
            self._notices.second_factor_added(self._account(did), visitor, factor=FactorKind.TOTP)
            return self._first_codes(did)

    def _store_passkey(self, did: Did, name: str, key: NewKey, visitor: Visitor) -> list[str]:
        with self._store.transaction():
            account = self._account(did)
            if len(self._store.passkeys.list(did)) >= MOST_PASSKEYS:
                raise InvalidRequest("There are too many passkeys. Remove one first.")
            try:
                self._store.passkeys.add(
                    Passkey(
                        credential_id=key.credential_id,
                        did=did,
                        name=name,
                        public_key=key.public_key,
                        sign_count=key.sign_count,
                        created_at=self._now(),
                    )
                )
            except PasskeyExists as error:
                raise InvalidRequest("That passkey is here already.") from error
            self._notices.second_factor_added(account, visitor, factor=FactorKind.PASSKEY, name=name)
            return self._first_codes(did)

    def _first_codes(self, did: Did) -> list[str]:
        if self._store.recovery_codes.count(did):
            return []
        # Apps that were let in without a factor, and have not come for it yet, are not let in with one now.
        self._store.oauth_requests.delete_all(did)
        return self._make_codes(did)

    def _renew_codes(self, did: Did, visitor: Visitor, made_at: int | None) -> list[str]:
        with self._store.transaction():
            if not self._factors.is_on(did):
                raise InvalidRequest("Recovery codes come with a second factor. Add one first.")
            if self._store.recovery_codes.made_at(did) != made_at:
                raise InvalidRequest("There are newer recovery codes")
            self._events.add(did, EventKind.RECOVERY_CODES_MADE, visitor)
            return self._make_codes(did)

    def _make_codes(self, did: Did) -> list[str]:
        codes = recovery_codes.new_codes()
        hashes = [recovery_codes.hash_code(did, code) for code in codes]
        self._store.recovery_codes.replace(did, hashes, self._now())
        return codes

    def _remove(self, did: Did, remove: Callable[[Did], bool], visitor: Visitor, **detail: str) -> None:
        with self._store.transaction():
            was_there = remove(did)
            if not self._factors.is_on(did):
                # Without a factor they would open nothing, and one that comes later brings its own.
                self._store.recovery_codes.delete_all(did)
            if was_there:
                self._notices.second_factor_removed(self._account(did), visitor, **detail)

    def _remove_all(self, did: Did) -> bool:
        with self._store.transaction():
            was_on = self._factors.is_on(did)
            self._store.totp_secrets.delete(did)
            self._store.passkeys.delete_all(did)
            self._store.recovery_codes.delete_all(did)
            if was_on:
                self._events.add(did, EventKind.SECOND_FACTOR_REMOVED, factor="all", by="operator")
                told = self._texts.second_step_off(self._account(did))
                if told is not None:
                    self._outbox.add(told)
        return was_on


def _name(account: Account) -> str:
    return account.handle or account.did


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise InvalidRequest(f"A name has at most {LONGEST_NAME} characters.")
    return name or "Passkey"
