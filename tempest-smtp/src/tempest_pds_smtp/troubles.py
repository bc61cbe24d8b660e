"""What went wrong with a mail server, as the errors of the contract.

The mail itself is refused (`MailRefused`) only by an answer 5xx to its recipient or its content. Everything else may be
better later (`MailUnavailable`): also an answer 5xx to the connection, to the password or to the sender, for the
operator can change these, and the mails should wait until then. An answer 4xx to the recipient or the content is of
that mail alone (`MailPostponed`), but for 421, by which a mail server says that it closes.

What a mail server answers is told to the operator, for nothing else says as well what is wrong. But some answers repeat
a piece of the mail, and a mail holds the codes that open accounts: such an answer is told by its number alone.
"""

import re
import ssl
from typing import Final

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from tempest_pds_plugins import Mail, MailPostponed, MailRefused, MailUnavailable

_ANSWER_LENGTH: Final = 300
_TOO_LARGE: Final = 552
_CLOSING: Final = 421
_PIECES: Final = re.compile(r"[\w-]{5,}")
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]?[a-z]{1,14}")


class SmtpTroubles:
    """Tells in one line what a mail server did, and to which of its settings to look.

    Args:
        server: its host and port, for the operator.
        timeout: the seconds that an answer was waited for.
    """

    def __init__(self, server: str, timeout: float) -> None:
        self._server = server
        self._timeout = timeout

    def no_starttls(self) -> MailUnavailable:
        """Tell of a mail server, or of somebody before it, that offers no encryption."""
        return self._unavailable(
            "does not offer STARTTLS, so nothing was sent; set TEMPEST_SMTP_SSL=true for a port with TLS from the "
            "first byte, or TEMPEST_SMTP_TLS=false to send in clear text"
        )

    def no_sign_in(self) -> MailUnavailable:
        """Tell of a mail server that takes no passwords."""
        return self._unavailable("does not let anybody sign in; set TEMPEST_SMTP_AUTH=false to send without")

    def no_smtputf8(self) -> MailRefused:
        """Tell of an address that this mail server cannot carry."""
        return MailRefused(f"{self._server} takes no addresses beyond ASCII (SMTPUTF8)")

    def told(self, error: Exception, mail: Mail | None) -> MailRefused | MailUnavailable:
        """Turn an error of aiosmtplib or of the connection into one of the contract.

        Args:
            error: a `SMTPException`, `OSError` or `ValueError`.
            mail: the one that was being sent, if any.
        """
        if isinstance(error, SMTPResponseException):
            return self._answered(error, mail)
        untrusted = next(
            (each for each in (error, error.__cause__) if isinstance(each, ssl.SSLCertVerificationError)), None
        )
        if untrusted is not None:
            return self._unavailable(
                f"shows a certificate that is not trusted ({untrusted.verify_message}); TEMPEST_SMTP_HOST has to be a "
                "name in it, and TEMPEST_SMTP_CA_FILE names an authority of one's own"
            )
        if isinstance(error, TimeoutError):
            return self._unavailable(f"did not answer within {self._timeout:g} seconds")
        if isinstance(error, SMTPConnectError):
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError):
                return self._unavailable(f"does not speak TLS here ({cause.reason or 'no TLS'}); see TEMPEST_SMTP_SSL")
            return self._unavailable(f"cannot be reached: {_reason(cause)}")
        if isinstance(error, SMTPServerDisconnected):
            return self._unavailable("closed the connection")
        if isinstance(error, ssl.SSLError):
            return self._unavailable(f"and this server agree on no encryption ({error.reason})")
        if isinstance(error, OSError):
            return self._unavailable(f"cannot be reached: {_reason(error)}")
        if isinstance(error, SMTPException):
            return self._unavailable(f"and this server do not understand each other: {_one_line(error.message)}")
        return self._unavailable(f"and this server do not understand each other: {type(error).__name__}")

    def _answered(self, error: SMTPResponseException, mail: Mail | None) -> MailRefused | MailUnavailable:
        answer = _answer(error, mail)
        permanent = 500 <= error.code < 600
        if isinstance(error, SMTPAuthenticationError):
            return self._unavailable(f"does not take TEMPEST_SMTP_USERNAME with TEMPEST_SMTP_PASSWORD: {answer}")
        if isinstance(error, SMTPSenderRefused) and error.code != _TOO_LARGE:
            return self._unavailable(f"does not take mail from TEMPEST_SMTP_FROM_ADDRESS: {answer}")
        if isinstance(error, (SMTPSenderRefused, SMTPRecipientRefused, SMTPDataError)):
            what = "the recipient" if isinstance(error, SMTPRecipientRefused) else "the mail"
            if permanent:
                return MailRefused(f"{self._server} refuses {what}: {answer}")
            told = f"{self._server} does not take {what} now: {answer}"
            return MailUnavailable(told) if error.code == _CLOSING else MailPostponed(told)
        return self._unavailable(f"answered {answer}")

    def _unavailable(self, what: str) -> MailUnavailable:
        return MailUnavailable(f"{self._server} {what}")


def _answer(error: SMTPResponseException, mail: Mail | None) -> str:
    """Return a mail server's answer as one line, or its number alone where it repeats something of the mail."""
    text = _one_line(error.message)
    if mail is not None and _repeats(text, mail):
        return f"{error.code} (its words are left out, as they repeat something of the mail)"
    return f"{error.code} {text}".rstrip()


def _repeats(answer: str, mail: Mail) -> bool:
    """Tell whether something in an answer is in the mail as well and could be a code: it is not a plain word."""
    content = f"{mail.subject}\n{mail.text}\n{mail.html}".casefold()
    return any(not _PLAIN_WORD.fullmatch(piece) and piece.casefold() in content for piece in _PIECES.findall(answer))


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_ANSWER_LENGTH]
