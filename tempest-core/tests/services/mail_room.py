"""The services that write mails, over a world's stores, with an outbox that sends nothing and a clock of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from account_world import World

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.address_notices import AddressNotices
from tempest_pds.services.email_addresses import EmailAddresses
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.email_rules import EmailRules
from tempest_pds.services.mail_outbox import MailOutbox
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.password_reset import PasswordReset
from tempest_pds.stores.account.accounts import Account
from tempest_pds_plugins.mailer import Mail, Mailer

HOST = "pds.example.com"
MINUTE_US = 60_000_000
CODE = re.compile(r"[A-Z2-7]{5}-[A-Z2-7]{5}")


class NoMailer(Mailer):
    """Is never asked: what is added to the outbox stays there."""

    async def send(self, mail: Mail) -> None:
        raise AssertionError("the outbox was not started")


@dataclass
class Minutes:
    """Tells microseconds; moved by hand."""

    now: int = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_by(self, minutes: float) -> None:
        self.now += int(minutes * MINUTE_US)


class MailRoom:
    def __init__(self, world: World, *, mail_goes_out: bool = True) -> None:
        self.world = world
        self.clock = Minutes()
        self.outbox = MailOutbox(world.store, world.writer, NoMailer(), clock=lambda: self.clock() / 1_000_000)
        self.texts = MailTexts(HOST)
        self.codes = EmailCodes(
            store=world.store,
            writer=world.writer,
            outbox=self.outbox,
            texts=self.texts,
            mail_goes_out=mail_goes_out,
            now=self.clock,
        )
        self.notices = AddressNotices(
            store=world.store,
            writer=world.writer,
            codes=self.codes,
            outbox=self.outbox,
            texts=self.texts,
            events=world.events,
            pause=lambda: 0.0,
        )
        self.addresses = EmailAddresses(
            store=world.store,
            writer=world.writer,
            codes=self.codes,
            outbox=self.outbox,
            texts=self.texts,
            rules=EmailRules(),
            hooks=world.hooks,
            notices=self.notices,
            events=world.events,
            now=self.clock,
        )
        self.reset = PasswordReset(
            store=world.store,
            writer=world.writer,
            codes=self.codes,
            passwords=world.passwords,
            outbox=self.outbox,
            texts=self.texts,
            hooks=world.hooks,
            events=world.events,
            pause=lambda: 0.0,
        )

    def account(self, did: Did) -> Account:
        account = self.world.store.accounts.get(did)
        assert account is not None
        return account

    def mails(self) -> list[Mail]:
        """Return what waits, in the order in which it was posted."""
        waiting = self.world.store.waiting_mails.soonest(1000)
        return [each.mail for each in sorted(waiting, key=lambda each: each.posted_at)]

    def take(self) -> list[Mail]:
        """Return what waits, and empty the outbox."""
        mails = self.mails()
        self.world.store.waiting_mails.clear()
        return mails

    def take_code(self) -> str:
        """Return the code of the one mail that waits, and empty the outbox."""
        (mail,) = self.take()
        (code,) = set(CODE.findall(mail.text))
        return code

    async def ask_for_reset(self, email: str) -> None:
        """Ask for a reset, and wait until that is done with."""
        self.reset.request(email)
        await self.reset.close()
