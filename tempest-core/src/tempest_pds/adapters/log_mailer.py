"""A mailer that sends nothing: it writes to the log, for a server whose operator has not set up mail."""

import structlog

from tempest_pds_plugins.mailer import Mail, Mailer

_log = structlog.get_logger("tempest_pds.mail")


class LogMailer(Mailer):
    """Log each mail, with its text on a developer's own machine only.

    A mail's text holds the code that resets a password: on a server that others use, whoever reads the log could take
    over every account.
    """

    def __init__(self, *, shows_text: bool) -> None:
        self._shows_text = shows_text

    async def send(self, mail: Mail) -> None:
        if self._shows_text:
            _log.info("a mail, not sent", to=mail.to, subject=mail.subject, text=mail.text)
            # It says the same, at greater length.
            _log.debug("its HTML", html=mail.html)
        else:
            _log.warning("a mail was not sent: set TEMPEST_SMTP_ENABLED or TEMPEST_MAILER", subject=mail.subject)
