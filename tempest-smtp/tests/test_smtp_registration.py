"""The registration of tempest-pds-smtp: light, honest, and clear about its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tempest_pds_plugins import Adapter, AdapterNotCarried, InvalidSettings, Mailer, PluginContext
from tempest_pds_plugins.settings import declared, read
from tempest_pds_smtp.plugin import register_mailers
from tempest_pds_smtp.settings import SmtpSettings

COMPLETE = {
    "TEMPEST_SMTP_HOST": "mail.example.com",
    "TEMPEST_SMTP_FROM_ADDRESS": "pds@example.com",
    "TEMPEST_SMTP_USERNAME": "pds",
    "TEMPEST_SMTP_PASSWORD": "s3cr3t",
}


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for two small modules."""
    probe = "import tempest_pds_smtp.plugin as p, sys; p.register_mailers(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("aiosmtplib",):
        assert heavy not in loaded


@pytest.mark.parametrize("adapter", register_mailers(), ids=lambda adapter: adapter.name)
def test_selecting_it_refuses_in_one_line(adapter: Adapter[Mailer], tmp_path: Path) -> None:
    with pytest.raises(AdapterNotCarried) as caught:
        adapter.create(COMPLETE, PluginContext(data_dir=tmp_path))
    assert "this version of tempest-pds-smtp" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_read() -> None:
    settings = read(SmtpSettings, COMPLETE)
    assert (settings.host, settings.port, settings.tls, settings.ssl) == ("mail.example.com", 587, True, False)


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
        ("TEMPEST_SMTP_FROM_ADDRESS", "nobody"),
        ("TEMPEST_SMTP_PASSWORD", ""),
        ("TEMPEST_SMTP_SSL", "perhaps"),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        read(SmtpSettings, {**COMPLETE, name: value})
