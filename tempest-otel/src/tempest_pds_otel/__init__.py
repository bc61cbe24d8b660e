"""Tempest's telemetry exporters: OTLP and Prometheus."""
