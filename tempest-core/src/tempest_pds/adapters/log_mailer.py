"""A mailer that sends nothing: it writes to the log, for a server whose operator has not set up mail."""

import re
from typing import Final

import structlog

from tempest_pds_plugins.mailer import Mail, Mailer

# The form that mails have here; see `MailLayout` and `new_code`.
_CODE: Final = re.compile(r"^ {4}([A-Z2-7]{5}-[A-Z2-7]{5})$", re.MULTILINE)

_log = structlog.get_logger("tempest_pds.mail")


class LogMailer(Mailer):
    """Log each mail, with its text on a developer's own machine only, and its code apart, to be copied.

    A mail's text holds the code that resets a password: on a server that others use, whoever reads the log could take
    over every account.
    """

    def __init__(self, *, shows_text: bool) -> None:
        self._shows_text = shows_text

    async def send(self, mail: Mail) -> None:
        if self._shows_text:
            found = _CODE.search(mail.text)
            code = {} if found is None else {"code": found[1]}
            _log.info("a mail, not sent", **code, to=mail.to, subject=mail.subject, text=mail.text)
            # It says the same, at greater length.
            _log.debug("its HTML", html=mail.html)
        else:
            _log.warning("a mail was not sent: set TEMPEST_SMTP_ENABLED or TEMPEST_MAILER", subject=mail.subject)
