"""Routes below /xrpc/_admin/: who may call them, how they refuse, and how long work answers."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any

import httpx
import pytest
from edge_server import ADMIN_TOKEN, CONTROL_TOKEN, edge_server

from tempest_pds.cli.operator import CallRefused, Operator
from tempest_pds.cli.running_server import RunningServer
from tempest_pds.http.admin_routes import AdminCall, AdminRoute, admin_route
from tempest_pds.http.answers import Answer
from tempest_pds.http.long_tasks import LongTasks
from tempest_pds.http.rate_limits import GLOBAL, RateLimiter
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.progress import Progress
from tempest_pds.stores.control_file import Control

BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"admin:{ADMIN_TOKEN}".encode()).decode()}


@admin_route("GET", "/xrpc/_admin/facts")
async def facts(call: AdminCall) -> Answer:
    return {"share": 0.5, **call.params}


@admin_route("POST", "/xrpc/_admin/change")
async def change(call: AdminCall) -> Answer:
    if call.flag("refuse"):
        raise InvalidRequest("no such account")
    return {"name": call.required("name")}


async def ask(
    method: str, path: str, headers: dict[str, str] | None = None, routes: Any = (facts, change), **more: Any
) -> httpx.Response:
    async with edge_server([], admin_routes=routes) as server, httpx.AsyncClient(base_url=server.url) as http:
        return await http.request(method, path, headers=headers, **more)


@pytest.mark.parametrize("headers", [BEARER, BASIC])
async def test_the_administrator_is_answered(headers: dict[str, str]) -> None:
    answer = await ask("GET", "/xrpc/_admin/facts?name=alice", headers)
    assert answer.status_code == 200
    assert answer.json() == {"share": 0.5, "name": "alice"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (None, 401),
        ({"Authorization": "Bearer access"}, 401),
        ({"Authorization": "Bearer a.b.c"}, 401),
        ({"Authorization": "Bearer x.e30.good"}, 401),
        ({"Authorization": "Basic " + base64.b64encode(b"alice:" + ADMIN_TOKEN.encode()).decode()}, 401),
        ({"Authorization": "DPoP x"}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/xrpc/_admin/facts", "/xrpc/_admin/nothing"])
async def test_anybody_else_is_refused_and_learns_not_what_exists(
    headers: dict[str, str] | None, status: int, path: str
) -> None:
    answer = await ask("GET", path, headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}


async def test_guessing_is_limited_and_locks_no_command_of_this_machine_out() -> None:
    limiter = RateLimiter(enabled=True)
    async with (
        edge_server([], admin_routes=[facts], limiter=limiter) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        statuses = [
            (await http.get("/xrpc/_admin/facts", headers={"Authorization": f"Bearer guess{number}"})).status_code
            for number in range(31)
        ]
        control = {"Authorization": "Basic " + base64.b64encode(f"admin:{CONTROL_TOKEN}".encode()).decode()}
        assert (await http.get("/xrpc/_admin/facts", headers=BEARER)).status_code == 429
        # Strangers who come through a proxy have the same address as the operator's commands.
        assert (await http.get("/xrpc/_admin/facts", headers=control)).status_code == 200
    assert statuses == [401] * 30 + [429]


async def test_no_limit_by_address_keeps_a_command_of_this_machine_out() -> None:
    """Behind a proxy that is not trusted, strangers have used up what the operator's own address may ask."""
    limiter = RateLimiter(enabled=True, control_token=CONTROL_TOKEN)
    limiter.consume(GLOBAL, "127.0.0.1", GLOBAL.points + 1)
    async with edge_server([], admin_routes=[facts], limiter=limiter) as server, httpx.AsyncClient() as http:
        assert (await http.get(f"{server.url}/xrpc/_admin/facts", headers=BEARER)).status_code == 429
        running = Operator(RunningServer(Control(server.url, CONTROL_TOKEN, 1)), offline=False)
        assert await asyncio.to_thread(running.call, "/xrpc/_admin/facts", params={"a": "b"}) == {
            "share": 0.5,
            "a": "b",
        }
        impostor = Operator(RunningServer(Control(server.url, "a guess", 1)), offline=False)
        with pytest.raises(CallRefused, match="Rate Limit Exceeded"):
            await asyncio.to_thread(impostor.call, "/xrpc/_admin/facts")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/xrpc/_admin/nothing", None, 404, "NotFound"),
        ("POST", "/xrpc/_admin/facts", {}, 405, "InvalidRequest"),
        ("GET", "/xrpc/_admin/change", None, 405, "InvalidRequest"),
        ("POST", "/xrpc/_admin/change", {}, 400, "InvalidRequest"),
        ("POST", "/xrpc/_admin/change", [], 400, "InvalidRequest"),
        ("POST", "/xrpc/_admin/change", {"refuse": True}, 400, "InvalidRequest"),
        ("GET", "/XRPC/_admin/facts", None, 400, "InvalidRequest"),
        ("GET", "/xrpc/%5fadmin/facts", None, 400, "InvalidRequest"),
    ],
)
async def test_a_refusal_is_an_error_of_the_protocol(
    method: str, path: str, body: Any, status: int, error: str
) -> None:
    answer = await ask(method, path, BEARER, json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_an_input_is_given_to_the_function() -> None:
    answer = await ask("POST", "/xrpc/_admin/change", BEARER, json={"name": "alice"})
    assert answer.json() == {"name": "alice"}


def long_route(work: Any) -> AdminRoute:
    @admin_route("POST", "/xrpc/_admin/long")
    async def long(call: AdminCall) -> Answer:
        return call.long_task(work)

    return long


async def lines_of(work: Any) -> list[dict[str, Any]]:
    answer = await ask("POST", "/xrpc/_admin/long", BEARER, routes=[long_route(work)])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jsonl; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_long_task_streams_its_progress_from_any_thread_and_ends_with_its_result() -> None:
    async def work(progress: Progress) -> dict[str, Any]:
        await asyncio.to_thread(progress, "blobs", 1, 2)
        await asyncio.sleep(0.05)
        return {"found": 2}

    told = await lines_of(work)
    assert told == [{"progress": {"what": "blobs", "done": 1, "total": 2}}, {"result": {"found": 2}}]


async def test_progress_without_end_is_told_now_and_then() -> None:
    async def work(progress: Progress) -> dict[str, Any]:
        for number in range(10_000):
            progress("blobs", number, None)
            if not number % 1_000:
                await asyncio.sleep(0)
        return {}

    assert len(await lines_of(work)) < 10


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidRequest("no such repository"), {"error": "InvalidRequest", "message": "no such repository"}),
        (OSError("/secret/path"), {"error": "InternalServerError", "message": "Internal Server Error"}),
    ],
)
async def test_a_long_task_that_fails_ends_with_an_error(error: Exception, line: dict[str, str]) -> None:
    async def work(progress: Progress) -> dict[str, Any]:
        raise error

    assert await lines_of(work) == [line]


class Endless:
    """Work that goes on until it is stopped, in a thread as most work is."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    async def __call__(self, progress: Progress) -> dict[str, Any]:
        return await asyncio.to_thread(self._run, progress)

    def _run(self, progress: Progress) -> dict[str, Any]:
        number = 0
        try:
            while not self.ended.wait(0.01):
                number += 1
                progress("steps", number, None)
        finally:
            self.ended.set()
        return {}


async def test_work_ends_when_its_client_goes_away() -> None:
    work = Endless()
    async with (
        edge_server([], admin_routes=[long_route(work)]) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        async with http.stream("POST", "/xrpc/_admin/long", headers=BEARER) as answer:
            await anext(answer.aiter_lines())
        assert await asyncio.to_thread(work.ended.wait, 5)


async def test_work_ends_when_the_server_stops() -> None:
    work = Endless()
    tasks = LongTasks()
    async with (
        edge_server([], admin_routes=[long_route(work)], long_tasks=tasks) as server,
        httpx.AsyncClient(base_url=server.url) as http,
        http.stream("POST", "/xrpc/_admin/long", headers=BEARER) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        await tasks.close()
        assert work.ended.is_set()
        assert json.loads([line async for line in lines][-1])["error"] == "WorkStopped"
