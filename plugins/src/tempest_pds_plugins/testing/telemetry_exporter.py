"""What every `TelemetryExporter` must do, as far as it shows from outside."""

import asyncio

import pytest

from tempest_pds_plugins.telemetry_exporter import ServiceIdentity, TelemetryExporter

SERVICE = ServiceIdentity(name="tempest", version="0.1.0", instance="pds.example.com")
SECONDS = 10.0


class TelemetryExporterContract:
    """Subclass with a fixture `telemetry_exporter`: one that is not started, with nobody at its other end."""

    pytestmark = pytest.mark.asyncio

    async def test_starts_flushes_and_stops_with_nobody_there(self, telemetry_exporter: TelemetryExporter) -> None:
        telemetry_exporter.start(SERVICE)
        async with asyncio.timeout(SECONDS):
            await telemetry_exporter.flush()
            await telemetry_exporter.stop()

    async def test_stop_may_be_repeated(self, telemetry_exporter: TelemetryExporter) -> None:
        telemetry_exporter.start(SERVICE)
        async with asyncio.timeout(SECONDS):
            await telemetry_exporter.stop()
            await telemetry_exporter.stop()

    async def test_stop_without_start(self, telemetry_exporter: TelemetryExporter) -> None:
        async with asyncio.timeout(SECONDS):
            await telemetry_exporter.stop()

    async def test_page_for_a_scraper_is_bytes_with_a_media_type(self, telemetry_exporter: TelemetryExporter) -> None:
        telemetry_exporter.start(SERVICE)
        page = telemetry_exporter.exposition()
        if page is not None:
            assert type(page.body) is bytes
            assert "/" in page.content_type
        await telemetry_exporter.stop()

    async def test_loop_runs_on_while_it_flushes(self, telemetry_exporter: TelemetryExporter) -> None:
        """A collector that does not answer must not hold the server up."""
        telemetry_exporter.start(SERVICE)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticker = asyncio.create_task(tick())
        began = asyncio.get_running_loop().time()
        await telemetry_exporter.flush()
        took = asyncio.get_running_loop().time() - began
        ticker.cancel()
        await telemetry_exporter.stop()
        # A fifth of the ticks that fit is lenient towards a busy machine; a blocked loop makes none.
        assert ticks >= took / 0.01 / 5 - 2
