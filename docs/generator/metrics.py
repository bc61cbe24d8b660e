"""`docs/metrics.md`, from the instruments that `telemetry` declares."""

from tempest_pds.telemetry import INSTRUMENTS, Instrument

_UNITS = {"s": "seconds", "By": "bytes"}
_HEAD = """# Metrics

What the server measures, through the OpenTelemetry API. This page is generated from the declarations in
`tempest_pds/telemetry.py`.

Measurements go nowhere until an exporter is selected by `TEMPEST_TELEMETRY`; see [operating](operating.md#metrics).
Names are those of OpenTelemetry. Prometheus spells them with underscores and adds the unit and, for counters,
`_total`: `xrpc_request_count_total`, `xrpc_request_duration_seconds`. `deploy/grafana/` has a dashboard of them, and
`deploy/prometheus/` alert rules. No attribute ever holds a DID, a handle or
anything else that a caller can choose, so the number of series is bounded.

| Name | Kind | Unit | What it measures | Attributes |
|---|---|---|---|---|
"""
_TRACES = """
## Traces

With an exporter that takes traces, each request is a span of its own, named after the method, with the attributes of
`xrpc.request.count`. An exception is noted by its type alone, for its text may hold what is private.
"""


def metrics_page() -> str:
    """Write the page."""
    return _HEAD + "".join(_row(instrument) for instrument in INSTRUMENTS) + _TRACES


def _row(instrument: Instrument) -> str:
    unit = _UNITS.get(instrument.unit) or f"{instrument.unit.strip('{}')}s"
    attributes = "<br>".join(f"`{name}`: {meaning}" for name, meaning in instrument.attributes.items()) or "none"
    return f"| `{instrument.name}` | {instrument.kind} | {unit} | {instrument.description} | {attributes} |\n"
