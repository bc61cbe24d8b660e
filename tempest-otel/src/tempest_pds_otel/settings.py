"""What the OTLP exporter reads from the environment: OpenTelemetry's own names, as any manual gives them."""

from dataclasses import dataclass

from tempest_pds_plugins import setting


@dataclass(frozen=True)
class OtlpSettings:
    """Where the collector listens."""

    endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", default="http://localhost:4318", help="the URL of the collector"
    )
    headers: str | None = setting(
        "OTEL_EXPORTER_OTLP_HEADERS", default=None, secret=True, help="headers to send along, as name=value with commas"
    )
    interval: float = setting(
        "TEMPEST_OTEL_INTERVAL", default=60.0, help="seconds between two reports of the measurements"
    )

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("set OTEL_EXPORTER_OTLP_ENDPOINT to a URL of http or https")
        if not self.interval > 0:
            raise ValueError("set TEMPEST_OTEL_INTERVAL to a number of seconds above 0")
