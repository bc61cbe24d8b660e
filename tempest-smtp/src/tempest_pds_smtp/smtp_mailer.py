"""Mails over SMTP: one connection each, encrypted before anything that matters is said.

A PDS writes few mails, minutes or hours apart, so no connection is kept. A mail counts as sent when the mail server has
answered 250 to its content; what happens to the connection after that changes nothing.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from aiosmtplib import SMTP, SMTPException

from tempest_pds_plugins import InvalidSettings, Mail, Mailer, MailRefused
from tempest_pds_smtp.addresses import UnusableAddress, ascii_domain
from tempest_pds_smtp.message import Message, compose
from tempest_pds_smtp.settings import SmtpSettings
from tempest_pds_smtp.troubles import SmtpTroubles

# A mail server may look through a mail before it answers. Who does not wait for that sends the mail twice, so RFC 5321
# (4.5.3.2.6) asks for more patience here than anywhere else.
_PATIENCE_FOR_CONTENT: Final = 5
_FAREWELL_SECONDS: Final = 5.0


class SmtpMailer(Mailer):
    """Send through the mail server of the settings.

    Args:
        hostname: what this server calls itself in EHLO, and where no name is set to those who get its mails.
    """

    def __init__(self, settings: SmtpSettings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname
        self._tls: ssl.SSLContext | None = None
        try:
            self._host = ascii_domain(settings.host)
        except UnusableAddress as error:
            raise InvalidSettings(f"set TEMPEST_SMTP_HOST to the mail server's host name: {error}") from None
        self._troubles = SmtpTroubles(f"{self._host}:{settings.port_in_use}", settings.timeout)

    async def open(self) -> None:
        """Read the certificates to trust; raises InvalidSettings where they cannot be read. Connects to nobody."""
        if self._settings.ssl or self._settings.tls:
            self._tls = await asyncio.to_thread(self._trusted)

    async def send(self, mail: Mail) -> None:
        """Hand one mail over on a connection of its own."""
        settings = self._settings
        try:
            from_name = self._hostname if settings.from_name is None else settings.from_name
            message = compose(mail, from_name=from_name, from_address=settings.from_address, date=datetime.now(UTC))
        except UnusableAddress as error:
            raise MailRefused(f"the address cannot be mailed to: {error}") from None
        async with self._connected(mail) as client:
            await self._hand_over(client, message)

    async def check(self) -> None:
        """Connect, encrypt and sign in as for a mail, and say goodbye."""
        async with self._connected(None) as client:
            await client.noop()

    def _trusted(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:  # an ssl.SSLError is one
            raise InvalidSettings(
                f"set TEMPEST_SMTP_CA_FILE to a file of PEM certificates that can be read: {error}"
            ) from None

    @asynccontextmanager
    async def _connected(self, mail: Mail | None) -> AsyncIterator[SMTP]:
        """Give a connection that is encrypted and signed in to as the settings ask, and end it.

        What goes wrong inside comes out as the errors of the contract.
        """
        settings = self._settings
        client = SMTP(
            hostname=self._host,
            port=settings.port_in_use,
            local_hostname=self._hostname,
            timeout=settings.timeout,
            use_tls=settings.ssl,
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            await client.connect()
            await client.ehlo()
            if settings.tls and not settings.ssl:
                await self._encrypt(client)
            if settings.auth and settings.username is not None:
                if not client.supports_extension("auth"):
                    raise self._troubles.no_sign_in()
                await client.login(settings.username, settings.password or "")
            yield client
            with suppress(SMTPException, OSError):
                await client.quit(timeout=_FAREWELL_SECONDS)
        except (SMTPException, OSError, ValueError) as error:
            # Without its cause: aiosmtplib's errors hold what was said, and a traceback would show it.
            raise self._troubles.told(error, mail) from None
        finally:
            client.close()

    async def _encrypt(self, client: SMTP) -> None:
        """Turn the connection into TLS, or raise: whoever strips the offer on the way gets to see nothing."""
        if not client.supports_extension("starttls"):
            raise self._troubles.no_starttls()
        await client.starttls()
        # What was said before is forgotten, for it came in clear text (RFC 3207, 4.2).
        await client.ehlo()

    async def _hand_over(self, client: SMTP, message: Message) -> None:
        encoding: str = "ascii"
        options: list[str] = []
        if message.needs_utf8:
            if not client.supports_extension("smtputf8"):
                raise self._troubles.no_smtputf8()
            encoding, options = "utf-8", ["SMTPUTF8", "BODY=8BITMIME"]
        await client.mail(message.sender, options=options, encoding=encoding)
        await client.rcpt(message.recipient, encoding=encoding)
        await client.data(message.content, timeout=self._settings.timeout * _PATIENCE_FOR_CONTENT)
