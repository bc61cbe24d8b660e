"""The page at `/metrics`: who may read it, and what reading it costs the others."""

import base64
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from edge_server import ADMIN_TOKEN, edge_server

from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds_plugins.telemetry_exporter import Exposition

TOKEN = "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"
BASIC = base64.b64encode(f"admin:{ADMIN_TOKEN}".encode()).decode()


class Measurements:
    """Notes in which threads its page was written."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def exposition(self) -> Exposition:
        self.threads.append(threading.current_thread())
        return Exposition("text/plain; version=0.0.4", b"things 1\n")


@pytest.fixture
def measurements() -> Measurements:
    return Measurements()


@pytest.fixture
async def client(measurements: Measurements) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        edge_server([], measurements=measurements, metrics_token=TOKEN) as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer {ADMIN_TOKEN}", f"Basic {BASIC}"],
    ids=["token", "lower case", "administrator", "Basic"],
)
async def test_whoever_has_a_token_reads_it(authorization: str, client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"Authorization": authorization})
    assert (answer.status_code, answer.text) == (200, "things 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "authorization", [None, "Bearer access", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer x.y.good"]
)
async def test_nobody_else_does_and_nothing_is_written_for_them(
    authorization: str | None, client: httpx.AsyncClient, measurements: Measurements
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert not measurements.threads


async def test_the_page_is_written_beside_the_loop(client: httpx.AsyncClient, measurements: Measurements) -> None:
    await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert threading.main_thread() not in measurements.threads


async def test_without_a_token_of_its_own_the_administrator_reads_it(measurements: Measurements) -> None:
    async with (
        edge_server([], measurements=measurements) as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 401
        assert (await client.get("/metrics", headers={"Authorization": "Bearer"})).status_code == 400
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})).status_code == 200


async def test_guesses_are_limited_and_the_token_is_not(measurements: Measurements) -> None:
    async with (
        edge_server([], limiter=RateLimiter(), measurements=measurements, metrics_token=TOKEN) as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        for number in range(40):
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer guess-{number}"})
        assert answer.status_code == 429
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200


async def test_without_measurements_there_is_no_page() -> None:
    async with edge_server([], metrics_token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 404
