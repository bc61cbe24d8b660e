"""A mail as the bytes that SMTP carries (RFC 5322, MIME).

Everything is ASCII, in lines that every mail server takes: the texts are quoted-printable, a subject or a name beyond
ASCII is encoded words (RFC 2047). Only an address whose local part is beyond ASCII leaves UTF-8 in the headers, and
needs a mail server with SMTPUTF8.

The header lines are written here rather than by `email.message.EmailMessage`, which takes a subject that looks like an
encoded word for one, and sends what it decodes to.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import uuid4

from tempest_pds_plugins import Mail
from tempest_pds_smtp.addresses import smtp_address

# 76 is the limit of quoted-printable (RFC 2045, 6.7), and leaves the lines of headers within RFC 5322's 78.
_POLICY: Final = SMTP.clone(max_line_length=76)
_PLAIN: Final = re.compile(r"[!-~]([ -~]{0,58}[!-~])?")
_BYTES_OF_A_WORD: Final = 39
# Programs that keep mails in one file put ">" before these; MIME can say the same without.
_LOOKS_LIKE_A_NEW_MAIL: Final = re.compile(rb"(?m)^From ")


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, ready for the wire: from whom, to whom, and the bytes, lines ended by CR LF."""

    sender: str
    recipient: str
    content: bytes

    @property
    def needs_utf8(self) -> bool:
        """Whether an address in it is beyond ASCII, so that the mail server has to offer SMTPUTF8."""
        return not (self.sender.isascii() and self.recipient.isascii())


def compose(mail: Mail, *, from_name: str, from_address: str, date: datetime) -> Message:
    """Write a mail out; raise UnusableAddress where it has no address that SMTP carries."""
    sender, recipient = smtp_address(from_address), smtp_address(mail.to)
    headers = {
        "Date": format_datetime(date),
        "From": f"{_phrase(from_name)} <{sender}>" if from_name else sender,
        "To": recipient,
        "Subject": _text(mail.subject),
        "Message-ID": f"<{mail.id or uuid4().hex}@{sender.rpartition('@')[2]}>",
        # Nobody is there to read what a vacation notice answers (RFC 3834).
        "Auto-Submitted": "auto-generated",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Message(sender, recipient, head.encode() + _body(mail))


def _body(mail: Mail) -> bytes:
    """Return the MIME headers and the body: the text alone, or text and HTML as alternatives."""
    body = EmailMessage(_POLICY)
    body.set_content(mail.text, cte="quoted-printable")
    if mail.html:
        body.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return _LOOKS_LIKE_A_NEW_MAIL.sub(b"=46rom ", body.as_bytes())


def _text(text: str) -> str:
    """Write the text of a header: as it is where that is short, plain and not to be mistaken for encoded words."""
    if not text or (_PLAIN.fullmatch(text) and "=?" not in text):
        return text
    return "\r\n ".join(_encoded_words(text))


def _phrase(text: str) -> str:
    """Write a display name."""
    if _PLAIN.fullmatch(text) and "=?" not in text:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return "\r\n ".join(_encoded_words(text))


def _encoded_words(text: str) -> Iterator[str]:
    """Yield encoded words, each of whole characters and short enough for a line (RFC 2047, 2)."""
    piece = b""
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > _BYTES_OF_A_WORD:
            yield _encoded_word(piece)
            piece = b""
        piece += encoded
    yield _encoded_word(piece)


def _encoded_word(piece: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(piece).decode()}?="
