"""Servers that keep us waiting, flood us, or lie: refused in bounded time, and with bounded memory."""

import asyncio
import json
import socket
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from tests.support.rude_servers import (
    FLOODS,
    LIES,
    OK,
    TEMPERS,
    Script,
    compressed,
    compressions,
    floods,
    reads_nothing,
    rude_server,
    says,
    says_nothing,
)

from tempest_pds.remote import safe_fetch
from tempest_pds.remote.errors import AnswerTooLarge, BadAnswer, RemoteError, TimedOut, Unreachable
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.remote.slots import Slots

# For servers that would keep us waiting as long as they may; all others must be refused long before `PATIENT`.
SECONDS = 0.3
PATIENT = 15.0
MAX_BYTES = 100_000
COMPRESSIONS = compressions()

Ask = Callable[[SafeFetch, str, float], Awaitable[bytes]]


async def at_once(fetch: SafeFetch, url: str, seconds: float = PATIENT) -> bytes:
    return (await fetch.fetch("GET", url, max_bytes=MAX_BYTES, seconds=seconds)).body


async def piece_by_piece(fetch: SafeFetch, url: str, seconds: float) -> bytes:
    """As an answer is passed on."""
    answer = await fetch.send("GET", url, seconds=seconds)
    return b"".join([chunk async for chunk in answer.chunks(MAX_BYTES)])


async def refused(fetch: SafeFetch, script: Script, ask: Ask, seconds: float = PATIENT) -> RemoteError:
    """Return how a server's answer was refused; its connection must be gone by then."""
    async with asyncio.timeout(20), rude_server(script) as server:
        with pytest.raises(RemoteError) as caught:
            await ask(fetch, server.url, seconds)
        await server.forsaken()
    return caught.value


@pytest.mark.parametrize("ask", [at_once, piece_by_piece])
@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_is_cut_off(fetch: SafeFetch, kind: str, ask: Ask) -> None:
    error = await refused(fetch, FLOODS[kind], ask)
    # A flood must not be able to last until the time is up: it costs while it lasts.
    assert isinstance(error, Unreachable | AnswerTooLarge | BadAnswer)


@pytest.mark.parametrize("ask", [at_once, piece_by_piece])
async def test_who_takes_his_time_is_given_up_on(fetch: SafeFetch, ask: Ask) -> None:
    errors = await asyncio.gather(*(refused(fetch, script, ask, SECONDS) for script in TEMPERS.values()))
    kinds = {kind: type(error) for kind, error in zip(TEMPERS, errors, strict=True)}
    assert kinds == dict.fromkeys(TEMPERS, TimedOut)


@pytest.mark.parametrize("ask", [at_once, piece_by_piece])
@pytest.mark.parametrize("kind", LIES)
async def test_a_lie_is_no_answer(fetch: SafeFetch, kind: str, ask: Ask) -> None:
    assert isinstance(await refused(fetch, LIES[kind], ask), Unreachable)


@pytest.mark.parametrize("kind", COMPRESSIONS)
async def test_what_is_compressed_is_undone_within_the_limit_or_not_at_all(fetch: SafeFetch, kind: str) -> None:
    error = await refused(fetch, COMPRESSIONS[kind], at_once)
    assert isinstance(error, AnswerTooLarge if kind.startswith("a bomb of") else AnswerTooLarge | BadAnswer)


@pytest.mark.parametrize(("encoding", "wbits"), [(b"gzip", 31), (b"GZIP", 31), (b"x-gzip", 31), (b"deflate", 15)])
async def test_an_answer_that_is_compressed_unasked_is_undone(fetch: SafeFetch, encoding: bytes, wbits: int) -> None:
    compressor = zlib.compressobj(wbits=wbits)
    body = compressor.compress(b"x" * MAX_BYTES) + compressor.flush()
    async with rude_server(says(compressed(encoding, body))) as server:
        assert await at_once(fetch, server.url) == b"x" * MAX_BYTES


async def test_a_host_that_never_takes_the_connection_is_given_up_on(fetch: SafeFetch) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        async with asyncio.timeout(20):
            with pytest.raises(TimedOut):
                await at_once(fetch, "http://{}:{}/".format(*listener.getsockname()), SECONDS)


async def test_a_host_that_never_shakes_hands_is_given_up_on(fetch: SafeFetch) -> None:
    async with asyncio.timeout(20), rude_server(says_nothing) as server:
        with pytest.raises(TimedOut):
            await at_once(fetch, server.url.replace("http", "https"), SECONDS)
        await server.forsaken()


async def test_a_host_with_many_silent_addresses_takes_no_longer_than_one() -> None:
    async def look_up(host: str, port: int) -> list[tuple[str, int]]:
        return [(f"127.0.0.{number}", server.port) for number in range(2, 60)] + [("127.0.0.1", server.port)]

    fetch = SafeFetch(allow_private=True, look_up=look_up)
    async with asyncio.timeout(20), rude_server(says_nothing) as server:
        with pytest.raises(TimedOut):
            await at_once(fetch, "https://many.example.com/", SECONDS)
        await fetch.close()


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)


@pytest.mark.parametrize("script", [reads_nothing, says_nothing])
async def test_a_body_that_nobody_takes_is_not_sent_for_ever(fetch: SafeFetch, script: Script) -> None:
    async with asyncio.timeout(20), rude_server(script) as server:
        with pytest.raises(TimedOut):
            await fetch.send("POST", server.url, body=endless() if script is reads_nothing else b"x", seconds=SECONDS)


async def test_a_body_that_is_taken_too_slowly_is_given_up_on(
    fetch: SafeFetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1000):
            await reader.read(65536)
            await asyncio.sleep(0.02)

    monkeypatch.setattr(safe_fetch, "MIN_SEND_RATE", 100_000_000)
    async with asyncio.timeout(20), rude_server(sips) as server:
        with pytest.raises(TimedOut):
            await fetch.send("POST", server.url, body=endless(), seconds=SECONDS)


async def test_a_slow_client_may_send_for_longer_than_an_answer_may_take(fetch: SafeFetch) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.25)
            yield bytes(10_000)

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK + b"Content-Length: 5\r\n\r\n%05d" % (len(heard) // 10_000))

    async with rude_server(hears) as server:
        answer = await fetch.send("POST", server.url, body=slow(), seconds=1)
        assert await answer.read(100) == b"00005"


async def test_a_reader_who_takes_his_time_is_not_taken_for_a_slow_server(fetch: SafeFetch) -> None:
    async with rude_server(says(OK + b"Content-Length: 300000\r\n\r\n", bytes(300_000))) as server:
        answer = await fetch.send("GET", server.url, seconds=1)
        read = 0
        async for chunk in answer.chunks(300_000):
            if not read:
                await asyncio.sleep(1.1)
            read += len(chunk)
    assert read == 300_000


async def test_an_answer_is_no_answer_to_the_next_request(fetch: SafeFetch) -> None:
    """A second answer may come with the first, or while nothing is asked."""
    answer = OK + b"Content-Length: 5\r\n\r\nfirst"
    async with rude_server(says(answer + answer.replace(b"first", b"later"))) as server:
        for _ in range(2):
            assert await at_once(fetch, server.url) == b"first"
        assert server.connections == 2

    told, tell = asyncio.Event(), asyncio.Event()

    async def tells_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await tell.wait()
        writer.write(answer.replace(b"first", b"later"))
        await writer.drain()
        told.set()

    # Sooner than an idle connection would be closed anyway.
    async with asyncio.timeout(10), rude_server(tells_later) as server:
        assert await at_once(fetch, server.url) == b"first"
        tell.set()
        await told.wait()
        await server.forsaken()
        assert await at_once(fetch, server.url) == b"first"


async def test_a_connection_kept_for_one_name_never_serves_another() -> None:
    async def look_up(host: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.1", server.port)]

    fetch = SafeFetch(allow_private=True, look_up=look_up)

    async def names(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            host = head.split(b"Host: ")[1].split(b"\r\n")[0]
            writer.write(OK + b"Content-Length: %d\r\n\r\n%b" % (len(host), host))

    async with rude_server(names) as server:
        for host in ("a.example.com", "b.example.com", "a.example.com", "a.example.com:81"):
            assert await at_once(fetch, f"http://{host}/") == host.encode()
        assert server.connections == 3
        await fetch.close()


async def test_an_answer_that_is_forgotten_gives_its_slot_back() -> None:
    fetch = SafeFetch(allow_private=True, slots=Slots(1, 1, seconds=5))
    async with rude_server(says(OK + b"Content-Length: 5\r\n\r\nshort", end=True)) as server:
        kept = []
        for how in ("read", "closed", "closed unread", "forgotten"):
            answer = await fetch.send("GET", server.url, seconds=PATIENT)
            if how != "forgotten":
                kept.append(answer)
            if how == "read":
                await answer.read(100)
            elif how == "closed":
                answer.close()
            elif how == "closed unread":
                await answer.chunks(100).aclose()  # type: ignore[attr-defined]
            del answer
            await asyncio.sleep(0)
        assert await at_once(fetch, server.url) == b"short"
    await fetch.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_all_of_them_together_cost_little_memory() -> None:
    """In a process of its own, which asks each in both ways, and says how much it grew."""
    answers = floods(b"", OK + b"Content-Length: 0\r\n\r\n")
    scripts = FLOODS | LIES | COMPRESSIONS | {"answers": answers}
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        polite = await stack.enter_async_context(rude_server(says(OK + b"Content-Length: 5\r\n\r\nshort")))
        rude = [await stack.enter_async_context(rude_server(script)) for script in scripts.values()]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("measured_client.py")),
            polite.url,
            *(server.url for server in rude),
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await child.communicate()
        assert child.returncode == 0
    measured = json.loads(told)
    assert measured["asked"] == 2 * len(rude)
    assert measured["grown_kilobytes"] < 16_000
