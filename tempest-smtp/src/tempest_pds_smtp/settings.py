"""What the SMTP mailer reads from the environment."""

from dataclasses import dataclass
from pathlib import Path

from tempest_pds_plugins import setting


@dataclass(frozen=True)
class SmtpSettings:
    """A mail server, how to sign in to it, and who the mails are from."""

    host: str = setting("TEMPEST_SMTP_HOST", help="the mail server's host name")
    from_address: str = setting("TEMPEST_SMTP_FROM_ADDRESS", help="the sender's address")
    from_name: str | None = setting(
        "TEMPEST_SMTP_FROM_NAME", default=None, help="the sender's name: TEMPEST_HOSTNAME unless set"
    )
    port: int | None = setting(
        "TEMPEST_SMTP_PORT", default=None, help="the mail server's port: 587 unless set, or 465 with TEMPEST_SMTP_SSL"
    )
    username: str | None = setting("TEMPEST_SMTP_USERNAME", default=None, help="the user name to sign in with")
    password: str | None = setting(
        "TEMPEST_SMTP_PASSWORD", default=None, secret=True, help="the password to sign in with"
    )
    ssl: bool = setting("TEMPEST_SMTP_SSL", default=False, help="whether the connection is TLS from its first byte")
    tls: bool = setting(
        "TEMPEST_SMTP_TLS",
        default=True,
        help="whether STARTTLS is required: a mail server without it gets no mail; false sends in clear text",
    )
    auth: bool = setting("TEMPEST_SMTP_AUTH", default=True, help="whether to sign in, if there is a user name")
    ca_file: Path | None = setting(
        "TEMPEST_SMTP_CA_FILE",
        default=None,
        help="a file of PEM certificates to trust instead of the system's, for a mail server of one's own",
    )
    timeout: float = setting(
        "TEMPEST_SMTP_TIMEOUT", default=60.0, help="seconds to wait for an answer; five times as long for the last one"
    )

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65_536:
            raise ValueError("set TEMPEST_SMTP_PORT to a port, from 1 to 65535")
        if not _is_one_word(self.host) or ":" in self.host or "/" in self.host:
            raise ValueError("set TEMPEST_SMTP_HOST to a bare host name, and the port in TEMPEST_SMTP_PORT")
        local, at, domain = self.from_address.rpartition("@")
        if not (local and at and domain and _is_one_word(self.from_address)) or set(self.from_address) & set('<>,;()"'):
            raise ValueError("set TEMPEST_SMTP_FROM_ADDRESS to a mail address, and the name in TEMPEST_SMTP_FROM_NAME")
        if self.from_name is not None and not self.from_name.isprintable():
            raise ValueError("set TEMPEST_SMTP_FROM_NAME to a name without control characters")
        if self.username and self.auth and not self.password:
            raise ValueError("set TEMPEST_SMTP_PASSWORD beside TEMPEST_SMTP_USERNAME, or TEMPEST_SMTP_AUTH=false")
        if not 0 < self.timeout <= 600:
            raise ValueError("set TEMPEST_SMTP_TIMEOUT to seconds, up to 600")

    @property
    def port_in_use(self) -> int:
        """The port to connect to: the usual one of the kind of connection, unless another is set."""
        return self.port or (465 if self.ssl else 587)


def _is_one_word(text: str) -> bool:
    return text.isprintable() and not any(character.isspace() for character in text)
