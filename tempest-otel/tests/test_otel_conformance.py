"""Both exporters conform, alone, with nobody at the other end."""

from pathlib import Path

import pytest

from tempest_pds_otel.plugin import create_otlp, create_prometheus
from tempest_pds_plugins import PluginContext, TelemetryExporter
from tempest_pds_plugins.testing import TelemetryExporterContract


class TestOtlpExporter(TelemetryExporterContract):
    @pytest.fixture
    def telemetry_exporter(self, tmp_path: Path) -> TelemetryExporter:
        # Nobody listens on port 1.
        return create_otlp({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, PluginContext(data_dir=tmp_path))


class TestPrometheusExporter(TelemetryExporterContract):
    @pytest.fixture
    def telemetry_exporter(self, tmp_path: Path) -> TelemetryExporter:
        return create_prometheus({}, PluginContext(data_dir=tmp_path))
