"""`tempest mail test`: one mail, at once, and one line about what became of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.process import free_port
from tests.support.smtp_server import PASSWORD, Certificates, SmtpServer


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    with SmtpServer(starttls=Certificates(tmp_path_factory.mktemp("certificates")), sign_in=True) as relay:
        yield relay


def mail_test(folder: Path, address: str = "alice@example.org", **settings: str) -> tuple[int, str, list[str]]:
    """Run the command; return its exit code, its output and the lines on standard error."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "PORT"))}
    done = subprocess.run(
        [sys.executable, "-m", "tempest_pds.cli.main", "mail", "test", address],
        env={**inherited, "TEMPEST_DATA_DIR": str(folder / "data"), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_a_mail_that_was_taken(relay: SmtpServer, tmp_path: Path) -> None:
    """Without touching the data directory: a server may be running on it."""
    before = len(relay.received())
    code, output, errors = mail_test(tmp_path, **relay.settings())
    assert (code, output, errors) == (0, "sent: the mail server has taken a mail to alice@example.org\n", [])
    received = relay.wait_for(before + 1)[-1]
    assert (received.recipients, received.encrypted) == (("alice@example.org",), True)
    assert received.subject == "A test mail from localhost"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"TEMPEST_SMTP_PASSWORD": "hunter2-hunter2"}, "TEMPEST_SMTP_PASSWORD: 535"),
        ({"TEMPEST_SMTP_CA_FILE": ""}, "certificate that is not trusted"),
        ({"TEMPEST_SMTP_PORT": str(free_port())}, "cannot be reached"),
    ],
    ids=["password", "certificate", "port"],
)
def test_a_mail_that_was_not_taken(relay: SmtpServer, tmp_path: Path, changed: dict[str, str], wanted: str) -> None:
    code, output, errors = mail_test(tmp_path, **(relay.settings() | changed))
    assert (code, output, len(errors)) == (1, "", 1)
    assert errors[0].startswith("not sent: localhost:")
    assert wanted in errors[0]
    assert "hunter2" not in errors[0]
    assert PASSWORD not in errors[0]


@pytest.mark.parametrize(
    ("address", "settings", "wanted"),
    [
        ("alice@example.org", {}, "set TEMPEST_SMTP_ENABLED=true"),
        ("alice@example.org", {"TEMPEST_SMTP_ENABLED": "true"}, "set TEMPEST_SMTP_HOST"),
        (
            "nobody",
            {
                "TEMPEST_SMTP_ENABLED": "true",
                "TEMPEST_SMTP_HOST": "localhost",
                "TEMPEST_SMTP_FROM_ADDRESS": "pds@example.com",
            },
            "cannot be mailed to",
        ),
    ],
    ids=["no mailer", "no host", "no address"],
)
def test_a_mistake_of_the_operator_is_one_line(
    tmp_path: Path, address: str, settings: dict[str, str], wanted: str
) -> None:
    code, output, errors = mail_test(tmp_path, address, **settings)
    assert (code, output, len(errors)) == (2, "", 1)
    assert errors[0].startswith("tempest: ")
    assert wanted in errors[0]
