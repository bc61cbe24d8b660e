"""A real mail server in a thread of the test's process: it takes mails, and behaves badly when it is told to."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.support.process import free_port

USERNAME, PASSWORD = "pds", "correct horse battery staple"


class Certificates:
    """An authority of the tests' own, and a certificate that it has given to one host."""

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        authority = trustme.CA()
        self.ca_file = folder / f"authority-of-{host}.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host).configure_cert(self.context)


class Trouble(Enum):
    """What a command meets instead of an answer."""

    HANGS = "nothing is ever answered"
    DROPS = "the connection is cut, and nothing was taken"
    TAKES_AND_DROPS = "the mail is taken, but the connection is cut before the answer"


@dataclass(frozen=True)
class Received:
    """A mail as it came in."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str | None

    # Parsed once: whoever waits for mails looks at all of them each time that one comes in.
    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return "" if part is None else str(part.get_content())


class SmtpServer:
    """A mail server on loopback, which can be stopped and started again on the same port.

    Args:
        starttls: with whose certificate STARTTLS is offered; None offers none.
        implicit_tls: with whose certificate every connection begins.
        sign_in: whether mail is taken only from USERNAME with PASSWORD.
        smtputf8: whether addresses beyond ASCII are taken.

    Attributes:
        script: what EHLO, MAIL, RCPT or DATA is answered instead of success: an answer, or a `Trouble`.
        commands: the commands that have come, in order.
    """

    def __init__(
        self,
        *,
        starttls: Certificates | None = None,
        implicit_tls: Certificates | None = None,
        sign_in: bool = False,
        smtputf8: bool = True,
    ) -> None:
        self.port = free_port()
        self.script: dict[str, str | Trouble] = {}
        self.commands: list[str] = []
        self._received: list[Received] = []
        self._changed = threading.Condition()
        self._starttls = starttls
        self._implicit_tls = implicit_tls
        self._sign_in = sign_in
        self._smtputf8 = smtputf8
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def settings(self) -> dict[str, str]:
        """Return the settings with which Tempest sends by this server, and soon tries again what it did not take."""
        certificates = self._starttls or self._implicit_tls
        signed_in = {"TEMPEST_SMTP_USERNAME": USERNAME, "TEMPEST_SMTP_PASSWORD": PASSWORD} if self._sign_in else {}
        return {
            "TEMPEST_SMTP_ENABLED": "true",
            "TEMPEST_SMTP_HOST": "localhost",
            "TEMPEST_SMTP_PORT": str(self.port),
            "TEMPEST_SMTP_FROM_ADDRESS": "pds@example.com",
            "TEMPEST_SMTP_SSL": str(self._implicit_tls is not None),
            "TEMPEST_SMTP_TLS": str(self._starttls is not None),
            "TEMPEST_SMTP_CA_FILE": "" if certificates is None else str(certificates.ca_file),
            "TEMPEST_MAIL_RETRY_SECONDS": "1",
            **signed_in,
        }

    def start(self) -> Self:
        """Listen; returns once connections are taken."""
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop, ready), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the mail server does not start"
        return self

    def stop(self) -> None:
        """Cut every connection and listen no more."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop = self._thread = None

    def received(self) -> list[Received]:
        """Return the mails taken so far, in order."""
        with self._changed:
            return list(self._received)

    def wait_for(self, count: int = 1, timeout: float = 30) -> list[Received]:
        """Return the mails once there are `count` of them."""
        return self.wait_until(lambda mails: len(mails) >= count, timeout)

    def wait_until(self, enough: Callable[[list[Received]], bool], timeout: float = 30) -> list[Received]:
        """Return the mails once they are `enough`."""
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self._received), timeout), (
                f"after {timeout} s only {[mail.subject for mail in self._received]}"
            )
            return list(self._received)

    def wait_for_command(self, command: str, timeout: float = 30) -> None:
        """Return once a client has sent this command."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while command not in self.commands:
                left = deadline - time.monotonic()
                assert left > 0, f"no {command} in {timeout} s, only {self.commands}"
                self._changed.wait(left)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        context = None if self._implicit_tls is None else self._implicit_tls.context
        listening = loop.run_until_complete(
            loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=context, reuse_address=True)
        )
        ready.set()
        loop.run_forever()
        listening.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _protocol(self) -> SMTP:
        return SMTP(
            _Handler(self),
            hostname="mail.test",
            enable_SMTPUTF8=self._smtputf8,
            tls_context=None if self._starttls is None else self._starttls.context,
            require_starttls=False,
            auth_required=self._sign_in,
            auth_require_tls=self._starttls is not None,
            authenticator=_authenticate if self._sign_in else None,
            loop=self._loop,
        )

    def note(self, command: str) -> None:
        """Remember a command; called by the thread of the server."""
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def take(self, received: Received) -> None:
        """Keep a mail; called by the thread of the server."""
        with self._changed:
            self._received.append(received)
            self._changed.notify_all()


class _Handler:
    """The hooks that aiosmtpd calls, for one connection."""

    def __init__(self, owner: SmtpServer) -> None:
        self._owner = owner

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        refusal = await self._scripted("EHLO", server)
        # Without AUTH in the list where nobody can sign in: aiosmtpd offers it all the same.
        offered = [each for each in responses if self._owner._sign_in or not each.startswith("250-AUTH")]
        return offered if refusal is None else [refusal]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._scripted("MAIL", server) or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await self._scripted("RCPT", server)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - see above
        assert isinstance(envelope.original_content, bytes)
        assert server.transport is not None
        encrypted = server.transport.get_extra_info("sslcontext") is not None
        user = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
        received = Received(
            envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.original_content, encrypted, user
        )
        if self._owner.script.get("DATA") is Trouble.TAKES_AND_DROPS:
            self._owner.take(received)
        refusal = await self._scripted("DATA", server)
        if refusal is None:
            self._owner.take(received)
        return refusal or "250 OK"

    async def _scripted(self, command: str, server: SMTP) -> str | None:
        """Note a command and do what the script has for it; None if that is nothing."""
        self._owner.note(command)
        match self._owner.script.get(command):
            case None:
                return None
            case str() as answer:
                return answer
            case Trouble.HANGS:
                await asyncio.Event().wait()
            case _:
                transport: Any = server.transport
                transport.abort()
        # What is returned after a cut is never read: the connection is gone.
        return "451 gone"


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    good = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    # Not handled: aiosmtpd then answers 535 itself, where otherwise it would answer nothing at all.
    return AuthResult(success=good, handled=False, auth_data=data)
