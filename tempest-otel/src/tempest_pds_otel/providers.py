"""The providers of the process: set by the exporter that starts first, joined by those that start later.

OpenTelemetry lets a process set each of them once. So they belong to no exporter: whoever stops takes away what is its
own, and leaves them in place.
"""

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from tempest_pds_otel.histograms import views
from tempest_pds_otel.settings import ResourceSettings
from tempest_pds_plugins import ServiceIdentity


def resource_of(service: ServiceIdentity, settings: ResourceSettings) -> Resource:
    """Describe the server: as core names it, unless the operator chose otherwise."""
    return Resource.create(
        {
            "service.name": service.name,
            "service.version": service.version,
            "service.instance.id": service.instance,
            **settings.overrides(),
        }
    )


def meter_provider(resource: Resource) -> MeterProvider:
    """Give the process's meter provider, set here if there is none; raise RuntimeError if it is another's."""
    provider = metrics.get_meter_provider()
    if not isinstance(provider, MeterProvider):
        provider = MeterProvider(resource=resource, views=views(), shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        if metrics.get_meter_provider() is not provider:
            raise RuntimeError("something else in this process has set a meter provider that cannot be joined")
    return provider


def tracer_provider(resource: Resource, sampler: Sampler) -> TracerProvider:
    """Give the process's tracer provider, set here if there is none; raise RuntimeError if it is another's."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
        if trace.get_tracer_provider() is not provider:
            raise RuntimeError("something else in this process has set a tracer provider that cannot be joined")
    return provider


def sampler_of(name: str, share: float) -> Sampler:
    """Make a sampler by the name that `OTEL_TRACES_SAMPLER` gives it; `share` is for those that take a ratio."""
    name = name.lower()
    if name == "traceidratio":
        return TraceIdRatioBased(share)
    if name == "parentbased_traceidratio":
        return ParentBasedTraceIdRatio(share)
    return {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "parentbased_always_on": DEFAULT_ON,
        "parentbased_always_off": DEFAULT_OFF,
    }[name]
