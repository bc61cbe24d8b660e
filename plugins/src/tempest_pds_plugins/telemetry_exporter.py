"""TelemetryExporter: takes the measurements and traces of the process to where an operator looks at them.

Core records through `opentelemetry-api` alone, which does nothing until somebody sets a provider. An exporter is that
somebody: `start` sets the process's providers. Several may be selected; they are started in the order of the setting,
so that one that finds a provider of its own kind in place adds itself to it (`MeterProvider.add_metric_reader`,
`TracerProvider.add_span_processor`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """Who measures: OpenTelemetry's `service.name`, `service.version` and `service.instance.id`."""

    name: str
    version: str
    instance: str


@dataclass(frozen=True, slots=True)
class Exposition:
    """A page of measurements for whoever comes to read them: the body, and its media type with parameters."""

    content_type: str
    body: bytes


class TelemetryExporter(ABC):
    """Export what core measures."""

    @abstractmethod
    def start(self, service: ServiceIdentity) -> None:
        """Set the process's providers, or join those in place.

        Called once, before the first request; waits for no network.
        """

    @abstractmethod
    async def flush(self) -> None:
        """Send what has been gathered, within a few seconds.

        A collector that does not answer is logged, and raises nothing.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Flush and let go. May be called twice, and without `start`."""

    def exposition(self) -> Exposition | None:
        """Return the page for a scraper, or None for an exporter that pushes.

        Called after `start`, from any thread, and by several at once.
        """
        return None
