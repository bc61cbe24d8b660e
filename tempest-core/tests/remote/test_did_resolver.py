import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import BadAnswer, DidDeactivated, DidNotFound, ForbiddenAddress, RemoteError, Unreachable
from tempest_pds.remote.plc_directory import PlcDirectory
from tempest_pds.remote.safe_fetch import SafeFetch

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
KEY = generate_k256().public.did_key


class Directory:
    """A PLC directory as far as its HTTP goes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.document: Any = build_did_document(ALICE, "alice.example.com", KEY, "https://pds.example.com")
        self.text: str | None = None
        self.status = 200

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if request.path == f"/{ALICE}":
            if self.text is not None:
                return web.Response(text=self.text, content_type="application/json")
            return web.json_response(self.document, status=self.status)
        return web.json_response({"message": "DID not registered"}, status=404)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
async def plc(serve: Serve, fetch: SafeFetch, directory: Directory) -> PlcDirectory:
    return PlcDirectory(fetch, await serve(directory.answer))


async def test_a_document_is_asked_for_once(plc: PlcDirectory, fetch: SafeFetch, directory: Directory) -> None:
    dids = DidResolver(fetch, plc)
    for _ in range(3):
        assert (await dids.resolve(ALICE)).signing_key == KEY
    assert len(directory.asked) == 1
    await dids.resolve(ALICE, max_age=0)
    dids.forget(ALICE)
    await dids.resolve(ALICE)
    assert len(directory.asked) == 3


class Source:
    """A directory that answers at once, or fails."""

    def __init__(self) -> None:
        self.key = KEY
        self.is_down = False
        self.asked = 0

    async def document(self, did: Did) -> dict[str, Any]:
        self.asked += 1
        if self.is_down:
            raise Unreachable("down")
        return build_did_document(did, "alice.example.com", self.key, "https://pds.example.com")


async def settle() -> None:
    """Let what goes on in the background come to its end."""
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    await asyncio.sleep(0)


async def test_a_directory_that_is_down_for_a_day_is_not_noticed(fetch: SafeFetch) -> None:
    now, source = 0.0, Source()
    dids = DidResolver(fetch, source, clock=lambda: now)
    await dids.resolve(ALICE)
    source.is_down = True
    for later in (3601.0, 86_399.0):
        now = later
        assert (await dids.resolve(ALICE)).signing_key == KEY
        await settle()
    assert source.asked == 3
    now = 86_401.0
    with pytest.raises(Unreachable):
        await dids.resolve(ALICE)


async def test_a_document_that_changed_is_noticed_within_the_stale_limit(fetch: SafeFetch) -> None:
    now, source = 0.0, Source()
    dids = DidResolver(fetch, source, clock=lambda: now)
    await dids.resolve(ALICE)
    source.key = new = generate_k256().public.did_key
    now = 3599.0
    await dids.resolve(ALICE)
    assert source.asked == 1
    now = 3601.0
    assert (await dids.resolve(ALICE)).signing_key == KEY
    await settle()
    assert (await dids.resolve(ALICE)).signing_key == new


async def test_what_the_directory_does_not_have_is_not_found(plc: PlcDirectory, fetch: SafeFetch) -> None:
    with pytest.raises(DidNotFound):
        await DidResolver(fetch, plc).resolve(Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"))


async def test_a_document_of_another_did_is_refused(plc: PlcDirectory, fetch: SafeFetch, directory: Directory) -> None:
    other = Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")
    foreign = build_did_document(other, "a.b", KEY, "https://pds.example.com")
    documents: list[Any] = [foreign, [], "x", {"id": "nonsense"}]
    for document in documents:
        directory.document = document
        with pytest.raises(BadAnswer):
            await DidResolver(fetch, plc).resolve(ALICE)


@pytest.mark.parametrize("depth", [129, 900, 50_000])
async def test_a_document_that_nobody_could_write_out_again_is_refused(
    plc: PlcDirectory, fetch: SafeFetch, directory: Directory, depth: int
) -> None:
    directory.text = f'{{"id":"{ALICE}","more":{"[" * depth}{"]" * depth}}}'
    with pytest.raises(BadAnswer):
        await DidResolver(fetch, plc).resolve(ALICE)


async def test_a_directory_that_fails_is_not_a_did_that_does_not_exist(
    plc: PlcDirectory, fetch: SafeFetch, directory: Directory
) -> None:
    directory.status = 500
    with pytest.raises(RemoteError) as caught:
        await DidResolver(fetch, plc).resolve(ALICE)
    assert not isinstance(caught.value, DidNotFound)


async def test_a_did_web_on_localhost_is_for_development_only(
    plc: PlcDirectory, serve: Serve, fetch: SafeFetch
) -> None:
    documents: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(documents.get(request.path), status=200 if request.path in documents else 404)

    port = (await serve(handler)).rpartition(":")[2]
    did = Did.parse(f"did:web:localhost%3A{port}")
    dids = DidResolver(fetch, plc, allow_private=True)
    with pytest.raises(DidNotFound):
        await dids.resolve(did)
    documents["/.well-known/did.json"] = build_did_document(did, "a.b", KEY, f"http://localhost:{port}")
    assert (await dids.resolve(did, max_age=0)).did == did
    with pytest.raises(DidNotFound):
        await DidResolver(fetch, plc).resolve(did)


@pytest.mark.parametrize(
    "text", ["did:web:example.com:user", "did:key:zQ3sh", "did:web:localhost", "did:web:127.0.0.1", "did:web:10.0.0.1"]
)
async def test_dids_of_no_use_on_the_network_are_not_asked_for(plc: PlcDirectory, text: str) -> None:
    guarded = SafeFetch()
    with pytest.raises((DidNotFound, ForbiddenAddress)):
        await DidResolver(guarded, plc).resolve(Did.parse(text))
    await guarded.close()


async def test_a_did_that_was_ended_is_told_from_one_that_never_was(
    plc: PlcDirectory, fetch: SafeFetch, directory: Directory
) -> None:
    for status, message in ((404, f"DID not available: {ALICE}"), (410, "gone")):
        directory.status, directory.document = status, {"message": message}
        with pytest.raises(DidDeactivated):
            await DidResolver(fetch, plc).resolve(ALICE)
    directory.status, directory.document = 404, {"message": f"DID not registered: {ALICE}"}
    with pytest.raises(DidNotFound) as caught:
        await DidResolver(fetch, plc).resolve(ALICE)
    assert not isinstance(caught.value, DidDeactivated)


@pytest.mark.parametrize("identifier", ["short", "a" * 25, "A" * 24, "0" * 24, "%2e%2e%2fexport%3fcount%3d12", "a:b"])
async def test_the_directory_is_not_asked_for_what_it_cannot_have(
    plc: PlcDirectory, fetch: SafeFetch, directory: Directory, identifier: str
) -> None:
    with pytest.raises(DidNotFound):
        await DidResolver(fetch, plc).resolve(Did.parse(f"did:plc:{identifier}"))
    assert directory.asked == []


async def test_documents_that_fill_the_memory_push_each_other_out(fetch: SafeFetch) -> None:
    class Libraries:
        """A directory whose documents are as large as they may be."""

        async def document(self, did: Did) -> dict[str, Any]:
            return {**build_did_document(did, "a.b", KEY, "https://pds.example.com"), "more": "x" * 120_000}

    dids = DidResolver(fetch, Libraries())
    letters = "abcdefghijklmnopqrstuvwxyz"
    all_dids = [Did.parse(f"did:plc:{first}{second * 23}") for first in letters[:5] for second in letters]
    for did in all_dids:
        await dids.resolve(did)
    kept = sum(dids.knows(did) for did in all_dids)
    assert 60 <= kept < len(all_dids)
    assert dids.knows(all_dids[-1])
