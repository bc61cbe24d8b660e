"""The registration of tempest-pds-otel: light, honest, and clear about its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tempest_pds_otel.plugin import register_telemetry_exporters
from tempest_pds_otel.settings import OtlpSettings
from tempest_pds_plugins import Adapter, AdapterNotCarried, InvalidSettings, PluginContext, TelemetryExporter
from tempest_pds_plugins.settings import declared, read

COMPLETE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com", "OTEL_EXPORTER_OTLP_HEADERS": "key=s3cr3t"}


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for two small modules."""
    probe = "import tempest_pds_otel.plugin as p, sys; p.register_telemetry_exporters(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client"):
        assert heavy not in loaded


@pytest.mark.parametrize("adapter", register_telemetry_exporters(), ids=lambda adapter: adapter.name)
def test_selecting_it_refuses_in_one_line(adapter: Adapter[TelemetryExporter], tmp_path: Path) -> None:
    with pytest.raises(AdapterNotCarried) as caught:
        adapter.create(COMPLETE, PluginContext(data_dir=tmp_path))
    assert "this version of tempest-pds-otel" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_read() -> None:
    settings = read(OtlpSettings, COMPLETE)
    assert (settings.endpoint, settings.interval) == ("https://otel.example.com", 60.0)


def test_wrong_setting_is_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(OtlpSettings, {"TEMPEST_OTEL_INTERVAL": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://x"})
    for name in ("TEMPEST_OTEL_INTERVAL",):
        assert name in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "s3cr3t" not in repr(read(OtlpSettings, COMPLETE))
    assert [setting.name for setting in declared(OtlpSettings) if setting.secret] == ["OTEL_EXPORTER_OTLP_HEADERS"]
