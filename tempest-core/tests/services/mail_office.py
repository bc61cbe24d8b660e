"""An outbox of mails over a real account file, and a mailer that does what the test says."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.mail_outbox import MailOutbox, RetryPace
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds_plugins.errors import MailUnavailable
from tempest_pds_plugins.mailer import Mail, Mailer

CODE = "ABCDE-FGHIJ"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Relay(Mailer):
    """Takes mails, or raises what `trouble` makes; waits in between while it is held."""

    def __init__(self) -> None:
        self.tried: list[Mail] = []
        self.sent: list[Mail] = []
        self.trouble: Callable[[Mail], Exception | None] = lambda mail: None
        self.open_for_mail = asyncio.Event()
        self.open_for_mail.set()
        self.most_at_once = 0
        self._at_once = 0

    async def send(self, mail: Mail) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.tried.append(mail)
        try:
            await self.open_for_mail.wait()
            trouble = self.trouble(mail)
            if trouble is not None:
                raise trouble
            self.sent.append(mail)
        finally:
            self._at_once -= 1

    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.sent]


class Office:
    """An outbox with all that it works with, which can be started again over the same file."""

    def __init__(self, folder: Path) -> None:
        self.store = AccountStore(folder / "account.sqlite")
        self.writer = AccountWriter()
        self.relay = Relay()
        self.clock = Clock()
        self.outbox = self.new_outbox()

    def new_outbox(self, first_seconds: float = 30.0) -> MailOutbox:
        return MailOutbox(
            self.store,
            self.writer,
            self.relay,
            pace=RetryPace(first_seconds),
            clock=self.clock,
            spread=lambda: 0.5,
        )

    async def restart(self) -> None:
        await self.outbox.close()
        self.outbox = self.new_outbox()
        self.outbox.start()

    async def until(self, condition: Callable[[], bool], what: str = "what was waited for") -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}"
            await asyncio.sleep(0.005)

    def waiting(self) -> int:
        return self.outbox.standing().waiting

    def attempts(self) -> list[int]:
        return [waiting.attempts for waiting in self.store.waiting_mails.soonest(100)]

    def pauses(self) -> list[float]:
        return [each.next_attempt_at / 1_000_000 - self.clock.now for each in self.store.waiting_mails.soonest(100)]


def mail(subject: str = "one", to: str = "alice@example.org") -> Mail:
    return Mail(to, subject, f"Your code is {CODE}.", f"<b>{CODE}</b>")


def away(_: Mail) -> Exception:
    return MailUnavailable("mail.test:587 cannot be reached: <alice@example.org> must wait\nfor ever")


def rows_of(office: Office) -> int:
    """Count the rows on a connection of its own: what a process after this one would find."""
    connection = sqlite3.connect(office.store.database.path)
    try:
        return int(connection.execute("SELECT count(*) FROM mail_outbox").fetchone()[0])
    finally:
        connection.close()
