"""Mailer: sends the few mails a PDS writes, one at a time, each to one person."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tempest_pds_plugins.errors import InvalidMail


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. The sender's address belongs to the mailer's own settings.

    Attributes:
        to: One address, without a display name.
        subject: One line.
        text: The plain text, lines ended by a line feed.
        html: The same as HTML, or nothing.
        id: What stays the same when the same mail is handed over again, or nothing: letters, digits and ``. _ -``. A
            mailer passes it on where it can, so that a mail that was sent twice can be told from two mails.

    Raises `InvalidMail` where a header would be broken by what it is given.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if any(ord(character) < 32 or ord(character) == 127 for character in self.to + self.subject):
            raise InvalidMail("a recipient and a subject are single lines without control characters")
        local, at, domain = self.to.rpartition("@")
        if not (local and at and domain) or any(character in self.to for character in " <>,;"):
            raise InvalidMail("a mail goes to one plain address")
        if not self.text:
            raise InvalidMail("a mail has a text")
        if any("\ud800" <= character <= "\udfff" for character in self.to + self.subject + self.text + self.html):
            raise InvalidMail("a mail is of whole characters, and half of a surrogate pair is none")
        if not all(character.isascii() and (character.isalnum() or character in "._-") for character in self.id):
            raise InvalidMail("a mail's id is of letters, digits, dots, hyphens and underscores")


class Mailer(ABC):
    """Send mails."""

    async def open(self) -> None:  # noqa: B027 - most mailers have nothing to open
        """Make ready, once, before any other call. The server starts without its mail server: connect when sending."""

    async def close(self) -> None:  # noqa: B027 - nor to close
        """Let go of everything. May be called twice, and without `open`."""

    @abstractmethod
    async def send(self, mail: Mail) -> None:
        """Hand the mail over for delivery, and return when it has been accepted.

        Raises `MailRefused` when it never will be, `MailUnavailable` when it may be later, and of that `MailPostponed`
        when other mails may be accepted now. No message quotes the text of the mail: it holds the codes that open
        accounts.
        """

    async def check(self) -> None:  # noqa: B027 - nothing to look at, for a mailer that needs nobody
        """Go as far as sending would, without a mail: reach the mail server, and sign in to it.

        Raises `MailUnavailable` where a mail could not be handed over now. Does nothing unless a mailer says otherwise.
        """
