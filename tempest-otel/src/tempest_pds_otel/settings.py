"""What the exporters read from the environment: OpenTelemetry's own names, as any manual gives them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from tempest_pds_plugins import setting

SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class ResourceSettings:
    """How the server calls itself in what it exports."""

    service_name: str | None = setting(
        "OTEL_SERVICE_NAME", default=None, help="the service.name of what is exported, instead of tempest-pds"
    )
    attributes: str | None = setting(
        "OTEL_RESOURCE_ATTRIBUTES",
        default=None,
        help="more attributes of the server, or others than its own, as name=value with commas",
    )

    def __post_init__(self) -> None:
        _pairs("OTEL_RESOURCE_ATTRIBUTES", self.attributes)

    def overrides(self) -> Mapping[str, str]:
        """Give the attributes that the operator chose."""
        chosen = _pairs("OTEL_RESOURCE_ATTRIBUTES", self.attributes)
        return chosen if self.service_name is None else {**chosen, "service.name": self.service_name}


@dataclass(frozen=True)
class OtlpSettings:
    """Where the collector listens, and what it gets."""

    endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", default="http://localhost:4318", help="the URL of the collector"
    )
    traces_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default=None, help="the whole URL for traces, where it is another"
    )
    metrics_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", default=None, help="the whole URL for metrics, where it is another"
    )
    headers: str | None = setting(
        "OTEL_EXPORTER_OTLP_HEADERS", default=None, secret=True, help="headers to send along, as name=value with commas"
    )
    traces_headers: str | None = setting(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS", default=None, secret=True, help="the headers for traces, instead"
    )
    metrics_headers: str | None = setting(
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS", default=None, secret=True, help="the headers for metrics, instead"
    )
    traces: str = setting("OTEL_TRACES_EXPORTER", default="otlp", help="none to send no traces")
    metrics: str = setting("OTEL_METRICS_EXPORTER", default="otlp", help="none to send no metrics")
    sampler: str = setting(
        "OTEL_TRACES_SAMPLER",
        default="parentbased_always_on",
        help="which requests are traced; traceidratio takes the share of OTEL_TRACES_SAMPLER_ARG",
    )
    sampled: float = setting(
        "OTEL_TRACES_SAMPLER_ARG", default=1.0, help="the share of requests that traceidratio traces, from 0 to 1"
    )
    interval: float = setting(
        "TEMPEST_OTEL_INTERVAL", default=60.0, help="seconds between two reports of the measurements"
    )

    def __post_init__(self) -> None:
        for name, url in (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.traces_endpoint),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", self.metrics_endpoint),
        ):
            if url is not None:
                _check_url(name, url)
        for signal in ("traces", "metrics"):
            self.headers_of(signal)
            if getattr(self, signal) not in {"otlp", "none"}:
                raise ValueError(f"set OTEL_{signal.upper()}_EXPORTER to otlp or none")
        if self.sampler.lower() not in SAMPLERS:
            raise ValueError(f"set OTEL_TRACES_SAMPLER to one of {', '.join(SAMPLERS)}")
        if not 0 <= self.sampled <= 1:
            raise ValueError("set OTEL_TRACES_SAMPLER_ARG to a number from 0 to 1")
        if not 0 < self.interval <= 86_400:
            raise ValueError("set TEMPEST_OTEL_INTERVAL to a number of seconds above 0")

    def url_of(self, signal: str) -> str:
        """Give the URL that takes a signal, `traces` or `metrics`."""
        own: str | None = getattr(self, f"{signal}_endpoint")
        if own is not None:
            return own
        base = urlsplit(self.endpoint)
        return base._replace(path=f"{base.path.rstrip('/')}/v1/{signal}").geturl()

    def headers_of(self, signal: str) -> Mapping[str, str]:
        """Give the headers that go with a signal."""
        own: str | None = getattr(self, f"{signal}_headers")
        name = "OTEL_EXPORTER_OTLP_HEADERS" if own is None else f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS"
        headers = _pairs(name, self.headers if own is None else own)
        if not all(_TOKEN.fullmatch(key) and _PRINTABLE.fullmatch(value) for key, value in headers.items()):
            # Told here: whoever finds it later quotes the value, which is a secret.
            raise ValueError(f"set {name} to headers as HTTP knows them: letters, digits and marks of ASCII")
        return headers

    def secrets(self) -> frozenset[str]:
        """Give what must stand in no log."""
        values = {value for signal in ("traces", "metrics") for value in self.headers_of(signal).values()}
        words = {word for value in values for word in value.split()}
        queries = {urlsplit(self.url_of(signal)).query for signal in ("traces", "metrics")}
        return frozenset(text for text in values | words | queries if len(text) >= 4)


def _pairs(name: str, text: str | None) -> dict[str, str]:
    """Parse name=value with commas, percent-encoded; spaces around do not count."""
    pairs = {}
    for item in filter(None, (item.strip() for item in (text or "").split(","))):
        key, equals, value = item.partition("=")
        if not key.strip() or not equals:
            raise ValueError(f"set {name} to name=value, with commas between several")
        pairs[unquote(key).strip()] = unquote(value.strip())
    return pairs


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"set {name} to a URL of http or https")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"take the user and password out of {name}; OTEL_EXPORTER_OTLP_HEADERS carries credentials")
