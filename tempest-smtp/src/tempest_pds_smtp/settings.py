"""What the SMTP mailer reads from the environment."""

from dataclasses import dataclass

from tempest_pds_plugins import setting


@dataclass(frozen=True)
class SmtpSettings:
    """A mail server, how to sign in to it, and who the mails are from."""

    host: str = setting("TEMPEST_SMTP_HOST", help="the mail server's host name")
    from_address: str = setting("TEMPEST_SMTP_FROM_ADDRESS", help="the sender's address")
    from_name: str = setting("TEMPEST_SMTP_FROM_NAME", default="Tempest", help="the sender's name")
    port: int = setting("TEMPEST_SMTP_PORT", default=587, help="the mail server's port")
    username: str | None = setting("TEMPEST_SMTP_USERNAME", default=None, help="the user name to sign in with")
    password: str | None = setting(
        "TEMPEST_SMTP_PASSWORD", default=None, secret=True, help="the password to sign in with"
    )
    ssl: bool = setting("TEMPEST_SMTP_SSL", default=False, help="whether the connection is TLS from its first byte")
    tls: bool = setting("TEMPEST_SMTP_TLS", default=True, help="whether STARTTLS is required")
    auth: bool = setting("TEMPEST_SMTP_AUTH", default=True, help="whether to sign in, if there is a user name")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65_536:
            raise ValueError("set TEMPEST_SMTP_PORT to a port, from 1 to 65535")
        if "@" not in self.from_address or any(character.isspace() for character in self.from_address):
            raise ValueError("set TEMPEST_SMTP_FROM_ADDRESS to a mail address")
        if self.username and self.auth and not self.password:
            raise ValueError("set TEMPEST_SMTP_PASSWORD beside TEMPEST_SMTP_USERNAME, or TEMPEST_SMTP_AUTH=false")
