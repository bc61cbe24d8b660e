"""A PLC directory that is down, slow, broken or forgetful of its manners: what its client makes of each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import Operation, did_for_genesis, genesis, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import (
    AnswerTooLarge,
    BadAnswer,
    DidNotFound,
    OperationRefused,
    RemoteError,
    TimedOut,
    Unreachable,
)
from tempest_pds.remote.plc_directory import PlcDirectory
from tempest_pds.remote.safe_fetch import SafeFetch

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
KEY = generate_k256()
FIRST = genesis(
    handle="alice.test",
    signing_key=KEY.public.did_key,
    pds_url="https://pds.test",
    rotation_keys=[KEY.public.did_key],
    signer=KEY,
)
DID = did_for_genesis(FIRST)
SECOND = update(FIRST, KEY, handle="bob.test")


class Directory:
    """Keeps the last operation that it was sent; `on_post` and `on_get` are answered instead, if set."""

    def __init__(self) -> None:
        self.last: Operation | None = None
        self.takes = True
        self.on_post: web.Response | None = None
        self.on_get: web.Response | None = None
        self.hangs = False
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.method)
        if request.method == "POST":
            if self.takes:
                self.last = await request.json()
            if self.hangs:
                await asyncio.Event().wait()
            return self.on_post or web.Response(text="OK")
        if self.on_get is not None:
            return self.on_get
        if self.last is None:
            return web.json_response({"message": "DID not registered"}, status=404)
        return web.json_response(self.last)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
async def plc(serve: Serve, fetch: SafeFetch, directory: Directory) -> PlcDirectory:
    return PlcDirectory(fetch, await serve(directory.answer), seconds=0.4)


def refusal(status: int, body: Any = None) -> web.Response:
    return web.json_response({"message": "no"} if body is None else body, status=status)


async def test_an_operation_that_is_taken_is_in_force(plc: PlcDirectory, directory: Directory) -> None:
    await plc.submit(DID, FIRST)
    assert await plc.last_operation(DID) == FIRST
    assert directory.asked == ["POST", "GET"]


@pytest.mark.parametrize("status", [400, 409, 413])
async def test_a_refusal_is_told_in_the_words_of_the_directory(
    plc: PlcDirectory, directory: Directory, status: int
) -> None:
    directory.last, directory.takes = FIRST, False
    directory.on_post = refusal(status, {"message": "Invalid signature on op"})
    with pytest.raises(OperationRefused, match="Invalid signature on op"):
        await plc.submit(DID, SECOND)


@pytest.mark.parametrize("body", [[], {"message": 7}, {"error": "x"}])
async def test_a_refusal_without_words_is_a_refusal(plc: PlcDirectory, directory: Directory, body: Any) -> None:
    directory.takes = False
    directory.on_post = refusal(400, body)
    with pytest.raises(OperationRefused, match="status 400"):
        await plc.submit(DID, FIRST)


@pytest.mark.parametrize("status", [302, 408, 429, 500, 503])
async def test_what_is_no_verdict_is_no_refusal(plc: PlcDirectory, directory: Directory, status: int) -> None:
    directory.takes = False
    directory.on_post = refusal(status)
    with pytest.raises(BadAnswer, match=str(status)):
        await plc.submit(DID, FIRST)


@pytest.mark.parametrize("status", [400, 409, 500, 502])
async def test_an_operation_that_is_in_force_in_spite_of_the_answer_was_taken(
    plc: PlcDirectory, directory: Directory, status: int
) -> None:
    """The answer to an earlier attempt was lost, or a proxy gave up in the middle of this one."""
    directory.on_post = refusal(status)
    await plc.submit(DID, FIRST)


async def test_an_operation_whose_answer_never_comes_was_taken_when_it_is_in_force(
    plc: PlcDirectory, directory: Directory
) -> None:
    directory.hangs = True
    await plc.submit(DID, FIRST)
    directory.takes = False
    with pytest.raises(TimedOut, match="PLC directory"):
        await plc.submit(DID, SECOND)


async def test_a_directory_that_is_down_is_unreachable(fetch: SafeFetch) -> None:
    plc = PlcDirectory(fetch, "http://127.0.0.1:1")
    for asked in (plc.submit(DID, FIRST), plc.last_operation(DID), plc.document(DID)):
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 could not be reached .*TEMPEST_PLC_URL"):
            await asked


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "7", '{"type": "plc_operation"}', '{"type": "nonsense"}', '{"id": "did:plc:x"}']
)
async def test_rubbish_is_no_operation(plc: PlcDirectory, directory: Directory, body: str) -> None:
    directory.on_get = web.Response(text=body)
    with pytest.raises(BadAnswer):
        await plc.last_operation(DID)


async def test_an_endless_answer_is_cut_off(plc: PlcDirectory, directory: Directory) -> None:
    directory.on_get = web.Response(body=b" " * 300_000)
    with pytest.raises(AnswerTooLarge):
        await plc.last_operation(DID)


async def test_a_did_that_is_not_there_is_told_from_a_failure(plc: PlcDirectory, directory: Directory) -> None:
    with pytest.raises(DidNotFound):
        await plc.last_operation(DID)
    directory.on_get = refusal(500)
    with pytest.raises(RemoteError) as failed:
        await plc.last_operation(DID)
    assert not isinstance(failed.value, DidNotFound)


async def test_the_old_form_of_an_operation_is_one(plc: PlcDirectory, directory: Directory) -> None:
    old = {
        "type": "create",
        "signingKey": KEY.public.did_key,
        "recoveryKey": KEY.public.did_key,
        "handle": "alice.test",
        "service": "https://pds.test",
        "prev": None,
        "sig": "AA",
    }
    directory.last = old
    assert await plc.last_operation(DID) == old


async def test_a_did_is_one_segment_of_the_address_whatever_it_is_made_of(serve: Serve, fetch: SafeFetch) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return web.json_response({})

    paths: list[str] = []
    await PlcDirectory(fetch, await serve(answer)).document(Did.parse("did:plc:x%2F..%2F..%2Fadmin"))
    assert paths == ["/did:plc:x%252F..%252F..%252Fadmin"]


@pytest.mark.parametrize(
    "answer", [{}, 7, [{}], ["x"], [{"operation": FIRST, "cid": "x", "createdAt": "", "nullified": 0}]]
)
async def test_what_is_no_log_is_told_from_one(plc: PlcDirectory, directory: Directory, answer: Any) -> None:
    directory.on_get = web.json_response(answer)
    with pytest.raises(BadAnswer):
        await plc.log(DID)
