"""The outbox of mails: written to the disk where a request wants a mail sent, and sent when the mail server takes it.

What it promises: a mail that was posted survives a restart, `kill -9` and a mail server that is away, and no request
waits for a mail server. A mail is sent at least once: who dies between the mail server's "taken" and the deletion of
the row sends it again, under the same id, which mail programs know as the Message-ID.

A mail that was not taken is tried again after a pause that doubles, until its time is over. One that is refused, or
whose time is over, is deleted and logged, without its text: it may hold a code that opens an account. As soon as the
mail server takes a mail again after it did not, all that wait are due; and so they are when the server starts, which is
how an operator who has corrected a setting has them sent. A mail that alone has to wait, as where its recipient's
server greylists, is no fault of the mail server: it waits for its own time, whatever else is taken.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import structlog

from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.mail_outbox import WaitingMail
from tempest_pds_plugins.errors import MailPostponed, MailRefused, MailUnavailable
from tempest_pds_plugins.mailer import Mail, Mailer

LIFETIME_SECONDS: Final = 24 * 3600.0
_AT_ONCE: Final = 4
_MOST_WAITING: Final = 10_000
_GRACE_SECONDS: Final = 2.0
_ADDRESS: Final = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")

_log = structlog.get_logger("tempest_pds.mail")


@dataclass(frozen=True, slots=True)
class RetryPace:
    """How long a mail pauses after each attempt: about `first_seconds`, then twice as long each time."""

    first_seconds: float = 30.0
    longest_seconds: float = 1800.0

    def pause(self, attempts: int, spread: float) -> float:
        """Return the seconds to wait after that many attempts; `spread`, from 0 to 1, keeps mails apart."""
        full = min(self.first_seconds * 2.0 ** min(attempts - 1, 30), self.longest_seconds)
        return full * (0.75 + spread / 2)


@dataclass(frozen=True, slots=True)
class MailStanding:
    """How the mails are doing, for the operator. Times are in seconds since 1970.

    Attributes:
        waiting: how many mails have been posted and not sent yet.
        oldest_posted_at: since when the oldest of them waits.
        failing_since: when the mail server stopped taking mails; None while it does, or has not been asked.
        last_error: what was wrong the last time, in one line, without secrets and addresses.
        given_up: how many mails were refused or ran out of time since the server started.
    """

    waiting: int
    oldest_posted_at: float | None
    failing_since: float | None
    last_error: str | None
    given_up: int


class MailOutbox:
    """Take mails at once, and send them in the background, a few at a time.

    Args:
        mail_goes_out: false where the mailer only logs, and says so: it is not told that a mail was handed over.
        clock: tells the time, in seconds since 1970.
        spread: gives a number from 0 to 1, by which pauses vary.
    """

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        mailer: Mailer,
        *,
        mail_goes_out: bool = True,
        pace: RetryPace = RetryPace(),
        clock: Callable[[], float] = time.time,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._rows = store.waiting_mails
        self._writer = writer
        self._mailer = mailer
        self._mail_goes_out = mail_goes_out
        self._pace = pace
        self._clock = clock
        self._spread = spread
        self._stirred = asyncio.Event()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._settled: set[str] = set()
        self._running: asyncio.Task[None] | None = None
        self._failing: tuple[float, str] | None = None
        self._given_up = 0

    def start(self) -> None:
        """Begin to send, with all that waits from before; to be called on the event loop."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop sending. What is just being sent has a moment to end; the rest waits on the disk for the next start."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        tasks = list(self._sending.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def post(self, mail: Mail, *, lifetime_seconds: float = LIFETIME_SECONDS) -> None:
        """Have a mail sent; it is on the disk when this returns, and goes out later.

        Args:
            mail: gets an id here, which is the same each time it is sent.
            lifetime_seconds: for how long it is any good; after that it is not sent any more.

        Raises:
            NotEnoughResources: thousands of mails wait already.
        """
        await self._writer.run(self.add, mail, lifetime_seconds)
        self.stir()

    def add(self, mail: Mail, lifetime_seconds: float = LIFETIME_SECONDS) -> None:
        """Put a mail into the outbox, as `post` does, in the thread that writes accounts and in its transaction.

        Once that is over, `stir` has it sent.
        """
        if self._rows.standing()[0] >= _MOST_WAITING:
            raise NotEnoughResources("Too many mails are waiting to be sent")
        now = self._now()
        self._rows.add(replace(mail, id=uuid4().hex), now, now + int(lifetime_seconds * SECOND))

    def stir(self) -> None:
        """Look at once for mails that were added."""
        self._stirred.set()

    def standing(self) -> MailStanding:
        """Tell how many mails wait, and what is wrong with the mail server, if anything."""
        waiting, oldest = self._rows.standing()
        since, error = self._failing or (None, None)
        return MailStanding(waiting, None if oldest is None else oldest / SECOND, since, error, self._given_up)

    def _now(self) -> int:
        return int(self._clock() * SECOND)

    async def _run(self) -> None:
        made_due = False
        while True:
            try:
                if not made_due:
                    await self._writer.run(self._rows.make_due, self._now())
                    made_due = True
                pause = self._begin_what_is_due()
            except Exception as error:  # noqa: BLE001 - a disk that is full for a while must not end all mail for good
                _log.error("mail.outbox_failed", error=repr(error))
                pause = self._pace.first_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            self._stirred.clear()

    def _begin_what_is_due(self) -> float | None:
        """Start to send as many mails as may be sent at once; return the seconds until more are due, if that is known.

        An attempt that ends stirs the loop, so None waits for one, or for a mail that is posted.
        """
        now = self._now()
        for waiting in self._rows.soonest(2 * _AT_ONCE):
            if waiting.mail.id in self._sending:
                continue
            if len(self._sending) == _AT_ONCE:
                return None
            if waiting.next_attempt_at > now:
                return (waiting.next_attempt_at - now) / SECOND
            task = asyncio.create_task(self._attempt(waiting))
            self._sending[waiting.mail.id] = task
            task.add_done_callback(lambda _, mail_id=waiting.mail.id: self._ended(mail_id))  # type: ignore[misc]
        return None

    def _ended(self, mail_id: str) -> None:
        del self._sending[mail_id]
        self._stirred.set()

    async def _attempt(self, waiting: WaitingMail) -> None:
        try:
            await self._send(waiting)
        except Exception as error:  # noqa: BLE001 - the row is as it was, and the mail is looked at again
            _log.error("mail.outbox_failed", id=waiting.mail.id, error=repr(error))
            await asyncio.sleep(self._pace.first_seconds)

    async def _send(self, waiting: WaitingMail) -> None:
        mail = waiting.mail
        if mail.id in self._settled:
            # Sent or given up, but the row could not be deleted: that alone is tried again.
            await self._settle(mail)
            return
        if waiting.expires_at <= self._now():
            await self._give_up(waiting, "its time is over")
            return
        try:
            await self._mailer.send(mail)
        except MailRefused as error:
            self._failing = None
            await self._give_up(waiting, _told(error))
        except MailPostponed as error:
            await self._postpone(waiting, _told(error))
        except MailUnavailable as error:
            await self._failed(waiting, _told(error))
        except Exception as error:  # noqa: BLE001 - a fault of the adapter, whose message might hold the text
            await self._failed(waiting, f"a fault of the mailer: {type(error).__name__}")
        else:
            recovered, self._failing = self._failing is not None, None
            await self._settle(mail)
            if self._mail_goes_out:
                _log.info("mail.handed_over", id=mail.id, domain=_domain(mail), attempts=waiting.attempts + 1)
            if recovered:
                await self._writer.run(self._rows.make_due, self._now())

    async def _failed(self, waiting: WaitingMail, error: str) -> None:
        since = self._failing[0] if self._failing is not None else self._clock()
        self._failing = (since, error)
        await self._postpone(waiting, error)

    async def _postpone(self, waiting: WaitingMail, error: str) -> None:
        now, attempts = self._clock(), waiting.attempts + 1
        next_attempt_at = int((now + self._pace.pause(attempts, self._spread())) * SECOND)
        if next_attempt_at >= waiting.expires_at:
            await self._give_up(waiting, error)
            return
        await self._writer.run(self._rows.postpone, waiting.mail.id, attempts, next_attempt_at)
        _log.warning("mail.postponed", id=waiting.mail.id, domain=_domain(waiting.mail), attempts=attempts, error=error)

    async def _give_up(self, waiting: WaitingMail, error: str) -> None:
        self._given_up += 1
        _log.error("mail.given_up", id=waiting.mail.id, domain=_domain(waiting.mail), error=error)
        await self._settle(waiting.mail)

    async def _settle(self, mail: Mail) -> None:
        self._settled.add(mail.id)
        await self._writer.run(self._rows.delete, mail.id)
        self._settled.discard(mail.id)


def _told(error: Exception) -> str:
    """Return a mailer's message as one line without mail addresses: the log and the status page are no address book."""
    return _ADDRESS.sub("(address)", " ".join(str(error).split()))


def _domain(mail: Mail) -> str:
    return mail.to.rpartition("@")[2]
