"""The page at `/metrics`: what a selected exporter lays out for Prometheus.

It tells how much is written here and by which methods: for the operator, and for whoever has the token of the page.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final, Protocol

from blacksheep import Content, Request, Response

from tempest_pds.http.access import ADMIN
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.context import Call, Services
from tempest_pds.http.errors import answer_to
from tempest_pds.http.exchange import Exchange, exchange_of
from tempest_pds.http.pages.service import Page
from tempest_pds.http.responses import error_response
from tempest_pds.protocol.errors import TempestError
from tempest_pds_plugins.telemetry_exporter import Exposition

_PATH: Final = "/metrics"
_NO_STORE: Final = (b"cache-control", b"no-store")


class Measurements(Protocol):
    """What lays out the measurements."""

    def exposition(self) -> Exposition | None:
        """Return the page for a scraper."""
        ...


class MetricsPage:
    """The measurements of one exporter, for those who may read them.

    Args:
        measurements: asked in a thread, as thousands of lines take a while to write.
        token: of TEMPEST_METRICS_TOKEN; without one, the administrator's alone is accepted.
    """

    def __init__(
        self, measurements: Measurements, *, services: Services, authenticator: Authenticator, token: str | None
    ) -> None:
        self._measurements = measurements
        self._services = services
        self._authenticator = authenticator
        self._token = None if token is None else token.encode()

    def routes(self) -> Mapping[str, Page]:
        """Give the handler by its path."""
        return {_PATH: self.metrics}

    async def metrics(self, request: Request) -> Response:
        """Give what an exporter lays out for Prometheus, to whoever has TEMPEST_METRICS_TOKEN, or the admin's token."""
        exchange = exchange_of(request)
        try:
            await self._authorise(exchange)
        except TempestError as error:
            return error_response(answer_to(error), [_NO_STORE])
        page = await asyncio.to_thread(self._measurements.exposition)
        assert page is not None, "the page is served only for an exporter that has one"
        return Response(200, [_NO_STORE], Content(page.content_type.encode("ascii"), page.body))

    async def _authorise(self, exchange: Exchange) -> None:
        scheme, _, given = exchange.headers.get(b"authorization", b"").partition(b" ")
        is_ours = self._token is not None and hmac.compare_digest(given, self._token)
        if not is_ours or scheme.lower() != b"bearer":
            await self._authenticator.authenticate(ADMIN, Call(self._services, exchange, _PATH))
