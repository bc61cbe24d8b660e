"""The registration of tempest-pds-otel: light, honest, and clear about its settings."""

import subprocess
import sys

import pytest

from tempest_pds_otel.plugin import register_telemetry_exporters
from tempest_pds_otel.settings import OtlpSettings, ResourceSettings
from tempest_pds_plugins import InvalidSettings
from tempest_pds_plugins.settings import declared, read

COMPLETE = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com/base/",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr3t, x-scope = a%20b",
}


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for two small modules."""
    probe = "import tempest_pds_otel.plugin as p, sys; p.register_telemetry_exporters(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("opentelemetry", "prometheus_client", "requests"):
        assert heavy not in loaded


def test_it_offers_two_exporters() -> None:
    assert [adapter.name for adapter in register_telemetry_exporters()] == ["otlp", "prometheus"]


def test_each_signal_has_its_path_below_the_endpoint() -> None:
    settings = read(OtlpSettings, COMPLETE)
    assert settings.url_of("traces") == "https://otel.example.com/base/v1/traces"
    assert settings.url_of("metrics") == "https://otel.example.com/base/v1/metrics"


def test_a_query_stays_behind_the_path() -> None:
    settings = read(OtlpSettings, {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com/in?key=a"})
    assert settings.url_of("traces") == "https://otel.example.com/in/v1/traces?key=a"


def test_a_signal_may_have_an_endpoint_and_headers_of_its_own() -> None:
    own = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces.example.com/in",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b",
    }
    settings = read(OtlpSettings, COMPLETE | own)
    assert settings.url_of("traces") == "https://traces.example.com/in"
    assert settings.headers_of("traces") == {"a": "b"}
    assert settings.headers_of("metrics") == {"api-key": "s3cr3t", "x-scope": "a b"}


def test_the_operator_s_attributes_are_read() -> None:
    environment = {
        "OTEL_SERVICE_NAME": "home",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=a%2Cb,service.name=x",
    }
    chosen = read(ResourceSettings, environment).overrides()
    assert chosen == {"deployment.environment": "a,b", "service.name": "home"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cr3t@otel.example.com"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://otel.example.com"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cr3t"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cr3t%0Ab"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a b=s3cr3t"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("TEMPEST_OTEL_INTERVAL", "0"),
        ("TEMPEST_OTEL_INTERVAL", "nan"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(OtlpSettings, {name: value})
    assert name in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_wrong_attributes_are_named() -> None:
    with pytest.raises(InvalidSettings, match="OTEL_RESOURCE_ATTRIBUTES"):
        read(ResourceSettings, {"OTEL_RESOURCE_ATTRIBUTES": "production"})


def test_no_secret_is_shown() -> None:
    assert "s3cr3t" not in repr(read(OtlpSettings, COMPLETE))
    assert {setting.name for setting in declared(OtlpSettings) if setting.secret} == {
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    }
