"""A mail server, and mailers that send to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.smtp_server import Certificates, SmtpServer

from tempest_pds_plugins.settings import read
from tempest_pds_smtp.settings import SmtpSettings
from tempest_pds_smtp.smtp_mailer import SmtpMailer

MakeMailer = Callable[..., SmtpMailer]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def clear_server() -> Iterator[SmtpServer]:
    """A mail server without any encryption."""
    with SmtpServer() as server:
        yield server


@pytest.fixture
def server(certificates: Certificates) -> Iterator[SmtpServer]:
    """A mail server as they are: STARTTLS, and mail from those who sign in only."""
    with SmtpServer(starttls=certificates, sign_in=True) as server:
        yield server


@pytest.fixture
def make_mailer(certificates: Certificates) -> MakeMailer:
    """Make a mailer for a server, not opened: `make_mailer(server, TEMPEST_SMTP_TLS="false")`."""

    def make(server: SmtpServer | int, ca_file: Path | None = certificates.ca_file, **settings: Any) -> SmtpMailer:
        environment = {
            "TEMPEST_SMTP_HOST": "localhost",
            "TEMPEST_SMTP_PORT": str(server if isinstance(server, int) else server.port),
            "TEMPEST_SMTP_FROM_NAME": "Tempest",
            "TEMPEST_SMTP_FROM_ADDRESS": "pds@example.com",
            "TEMPEST_SMTP_TIMEOUT": "20",
            "TEMPEST_SMTP_CA_FILE": "" if ca_file is None else str(ca_file),
            **settings,
        }
        return SmtpMailer(read(SmtpSettings, environment), "pds.example.com")

    return make
