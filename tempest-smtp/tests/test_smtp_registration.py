"""The registration of tempest-pds-smtp: light, and clear about its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tempest_pds_plugins import Adapter, InvalidSettings, Mailer, PluginContext
from tempest_pds_plugins.settings import declared, read
from tempest_pds_smtp.plugin import register_mailers
from tempest_pds_smtp.settings import SmtpSettings

COMPLETE = {
    "TEMPEST_SMTP_HOST": "mail.example.com",
    "TEMPEST_SMTP_FROM_ADDRESS": "pds@example.com",
    "TEMPEST_SMTP_USERNAME": "pds",
    "TEMPEST_SMTP_PASSWORD": "s3cr3t",
}


@pytest.fixture
def adapter() -> Adapter[Mailer]:
    [adapter] = register_mailers()
    return adapter


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for two small modules."""
    probe = "import tempest_pds_smtp.plugin as p, sys; p.register_mailers(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("aiosmtplib", "idna", "ssl"):
        assert heavy not in loaded


def test_it_is_made_from_its_settings_without_touching_anything(adapter: Adapter[Mailer], tmp_path: Path) -> None:
    environment = {**COMPLETE, "TEMPEST_SMTP_CA_FILE": str(tmp_path / "absent.pem")}
    assert isinstance(adapter.create(environment, PluginContext(data_dir=tmp_path)), Mailer)


async def test_certificates_that_cannot_be_read_are_told_when_it_is_opened(
    adapter: Adapter[Mailer], tmp_path: Path
) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    for name in ("absent.pem", "wrong.pem"):
        environment = {**COMPLETE, "TEMPEST_SMTP_CA_FILE": str(tmp_path / name)}
        mailer = adapter.create(environment, PluginContext(data_dir=tmp_path))
        with pytest.raises(InvalidSettings, match="TEMPEST_SMTP_CA_FILE"):
            await mailer.open()


async def test_it_opens_without_its_mail_server(adapter: Adapter[Mailer], tmp_path: Path) -> None:
    environment = {**COMPLETE, "TEMPEST_SMTP_HOST": "mail.invalid"}
    await adapter.create(environment, PluginContext(data_dir=tmp_path)).open()


def test_settings_are_read() -> None:
    settings = read(SmtpSettings, COMPLETE)
    assert (settings.host, settings.tls, settings.ssl) == ("mail.example.com", True, False)


@pytest.mark.parametrize(
    ("settings", "port"),
    [({}, 587), ({"TEMPEST_SMTP_SSL": "true"}, 465), ({"TEMPEST_SMTP_SSL": "true", "TEMPEST_SMTP_PORT": "25"}, 25)],
)
def test_the_port_is_the_usual_one_unless_it_is_set(settings: dict[str, str], port: int) -> None:
    assert read(SmtpSettings, COMPLETE | settings).port_in_use == port


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(SmtpSettings, {})
    for name in ("TEMPEST_SMTP_HOST", "TEMPEST_SMTP_FROM_ADDRESS"):
        assert name in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "s3cr3t" not in repr(read(SmtpSettings, COMPLETE))
    assert [setting.name for setting in declared(SmtpSettings) if setting.secret] == ["TEMPEST_SMTP_PASSWORD"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEMPEST_SMTP_PORT", "0"),
        ("TEMPEST_SMTP_PORT", "many"),
        ("TEMPEST_SMTP_HOST", "smtp://mail.example.com"),
        ("TEMPEST_SMTP_HOST", "mail.example.com:587"),
        ("TEMPEST_SMTP_FROM_ADDRESS", "nobody"),
        ("TEMPEST_SMTP_FROM_ADDRESS", "Tempest <pds@example.com>"),
        ("TEMPEST_SMTP_FROM_ADDRESS", "pds@example.com,other@example.com"),
        ("TEMPEST_SMTP_FROM_NAME", "Tempest\r\nBcc: all@example.com"),
        ("TEMPEST_SMTP_PASSWORD", ""),
        ("TEMPEST_SMTP_SSL", "perhaps"),
        ("TEMPEST_SMTP_TIMEOUT", "0"),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        read(SmtpSettings, {**COMPLETE, name: value})
