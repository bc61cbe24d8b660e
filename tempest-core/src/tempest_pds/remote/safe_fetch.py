"""Requests to servers that a stranger named.

Whatever a stranger can choose is bounded. *Where* a request goes: https, to a public address, by a URL read strictly
(`web_url`), and pinned between look-up and connect (`guarded_sessions`). *How many* are on their way: `slots`. *How
long*: connecting, sending and the head of the answer have a deadline together, and the body a pace, so that a server
that drips is as bounded as a silent one. *How much*: bodies are counted, after decompression where it is undone here,
and decompressed in steps, so that a small bomb is cut off as early as a large plain one.

A redirect is a URL chosen by a stranger too: none is followed, unless the caller says how many, and each is checked
like the first.
"""

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tempest_pds.remote.errors import AnswerTooLarge, BadAnswer, ForbiddenAddress, RemoteError, TimedOut, Unreachable
from tempest_pds.remote.guarded_sessions import GuardedSessions, LookUp, RefusedAddress, look_up_addresses
from tempest_pds.remote.name_servers import NameServers
from tempest_pds.remote.slots import Slots
from tempest_pds.remote.web_url import WebUrl

if TYPE_CHECKING:
    import aiohttp

DEFAULT_MAX_BYTES: Final = 256 * 1024
DEFAULT_SECONDS: Final = 5.0
MIN_READ_RATE: Final = 32 * 1024
"""Bytes a second that a body must come with, a pause apart."""
MIN_SEND_RATE: Final = 4 * 1024
"""Bytes a second that a body must be taken with: a phone that uploads through here is slower than a server."""

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer, its encoding undone. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body.

        Raises:
            BadAnswer: it is not JSON, or nested beyond all use.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadAnswer("The answer is not JSON") from error


class Answer:
    """An answer whose body is still to come. Close it, or read it to its end. Header names are lower case."""

    def __init__(self, response: "aiohttp.ClientResponse", give_back: Callable[[], None], seconds: float) -> None:
        self._response = response
        self._give_back = give_back
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def chunks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """Give the body piece by piece, as it comes, and close the answer at its end, when it fails, and by `aclose`.

        Raises:
            AnswerTooLarge: more than `max_bytes` came.
            Unreachable: the connection broke.
            TimedOut: it came too slowly; the time that the reader takes does not count.
        """
        return _Chunks(self, self._response.content, max_bytes, self._seconds)

    async def read(self, max_bytes: int) -> bytes:
        """Read the whole body; errors as for `chunks`."""
        try:
            return b"".join([chunk async for chunk in self.chunks(max_bytes)])
        finally:
            self.close()

    async def read_decompressed(self, max_bytes: int) -> bytes:
        """Read the whole body, its encoding undone; neither form may be longer than `max_bytes`.

        Raises:
            BadAnswer: it is not encoded as it says, or in a way that was not asked for.
        """
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("identity", ""):
            return await self.read(max_bytes)
        if encoding not in _WINDOW_BITS:
            self.close()
            raise BadAnswer("The answer is compressed in a way that was not asked for")
        decompressor = zlib.decompressobj(_WINDOW_BITS[encoding])
        read = bytearray()
        try:
            async for chunk in self.chunks(max_bytes):
                # One more than there may be: zlib takes no 0 for a limit, and what does not fit must show.
                read += decompressor.decompress(chunk, max_bytes - len(read) + 1)
                if len(read) > max_bytes:
                    raise AnswerTooLarge(f"The answer is longer than {max_bytes} bytes")
        except zlib.error as error:
            raise BadAnswer(f"The answer is not {encoding}, although it says so") from error
        finally:
            self.close()
        if not decompressor.eof or decompressor.unused_data:
            raise BadAnswer("The answer does not end where its compressed body does")
        return bytes(read)

    def close(self) -> None:
        """Let go of the connection; it is kept for another request only when the body was read to its end."""
        self._response.close()
        self._give_back()

    def __del__(self) -> None:
        # Whoever forgot it must not shut others out for good. The garbage collector may run in any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give_back)


class _Pace:
    """How long the next piece of a body may take: `seconds`, less what those before it took beyond their due."""

    def __init__(self, seconds: float, rate: float) -> None:
        self._seconds = seconds
        self._rate = rate
        self.left = seconds

    def spend(self, seconds: float, size: int) -> None:
        """Count a piece. Haste earns nothing: who sent a lot at first may not pause the longer."""
        self.left = min(self.left - seconds + size / self._rate, self._seconds)


class _Chunks(AsyncIterator[bytes]):
    """A body. No generator: closing one that was never started does not reach its `finally`."""

    def __init__(self, answer: Answer, content: "aiohttp.StreamReader", max_bytes: int, patience: float) -> None:
        self._answer = answer
        self._content = content
        self._max_bytes = max_bytes
        self._seen = 0
        self._pace = _Pace(patience, MIN_READ_RATE)

    async def __anext__(self) -> bytes:
        try:
            with _translated():
                chunk = await self._read()
        except BaseException:
            self._answer.close()
            raise
        if not chunk:
            self._answer.close()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._answer.close()

    async def _read(self) -> bytes:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(self._pace.left):
            chunk = await self._content.readany()
        self._pace.spend(loop.time() - began, len(chunk))
        self._seen += len(chunk)
        if self._seen > self._max_bytes:
            raise AnswerTooLarge(f"The answer is longer than {self._max_bytes} bytes")
        return chunk


class SafeFetch:
    """A client for servers of strangers.

    Args:
        allow_private: let private addresses and plain http through: for servers that the operator named, for
            development on localhost, and for tests.
        user_agent: how the server presents itself.
        look_up: asked in place of name servers (of the machine's own resolver where private addresses are let through);
            what it gives is guarded all the same.
        tls: what certificates are checked with, in place of the machine's authorities.
        slots: how many requests may be on their way.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        user_agent: str = "Tempest",
        look_up: LookUp | None = None,
        tls: ssl.SSLContext | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._slots = slots or Slots(64, 64)
        if look_up is None:
            look_up = look_up_addresses if allow_private else NameServers().addresses
        self._sessions = GuardedSessions(allow_private=allow_private, user_agent=user_agent, look_up=look_up, tls=tls)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        seconds: float = DEFAULT_SECONDS,
        caller: str | None = None,
    ) -> Answer:
        """Send one request, and give the answer as soon as its head is here, whose body comes as the server sent it.

        Args:
            url: its path and query are taken as they stand, never quoted again.
            seconds: to the head of the answer, from when the last of `body` was sent; and for a pause within a body.
                Bodies that go slower than `MIN_SEND_RATE` and `MIN_READ_RATE` use it up.
            caller: the account whose share of the slots this takes.

        Raises:
            ForbiddenAddress: the URL is not https, or leads to an address that is not public.
            Busy: too many requests are on their way.
            Unreachable: no connection, or no HTTP.
            TimedOut: too slow.
        """
        address = WebUrl.parse(url)
        if not self._allow_private:
            address.require_public()
        give_back = await self._slots.take(address.site, caller)
        try:
            response = await self._request(method, address, dict(headers or {}), body, seconds)
        except BaseException:
            give_back()
            raise
        answer = Answer(response, give_back, seconds)
        if answer.status < 200:
            answer.close()
            raise Unreachable("The server changes to a protocol that nobody asked for")
        return answer

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        seconds: float = DEFAULT_SECONDS,
        redirects: int = 0,
    ) -> Fetched:
        """Send one request and read its whole answer within so many seconds. Errors as for `send` and `chunks`.

        Args:
            redirects: followed at most, for a GET that carries nothing secret; the answer is the one behind them.
        """
        asked = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = await self.send(method, url, headers=asked, body=body, seconds=seconds)
                    location = answer.headers.get("location")
                    if not redirects or answer.status not in _REDIRECTS or location is None:
                        return Fetched(answer.status, answer.headers, await answer.read_decompressed(max_bytes))
                    answer.close()
                    redirects -= 1
                    url = str(WebUrl.parse(url).joined(location))
        except TimeoutError as error:
            raise TimedOut(f"No answer from {WebUrl.parse(url).host} within {seconds:g} s") from error

    async def close(self) -> None:
        """Close what is open. The client can be used again."""
        await self._sessions.close()

    async def _request(
        self,
        method: str,
        address: WebUrl,
        headers: dict[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        seconds: float,
    ) -> "aiohttp.ClientResponse":
        import aiohttp
        import yarl

        with _translated():
            async with asyncio.timeout(seconds) as deadline:
                return await self._sessions.session_for(address.host).request(
                    method,
                    yarl.URL(str(address), encoded=True),
                    headers=headers,
                    data=body if body is None or isinstance(body, bytes) else _paced(body, deadline, seconds),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(),
                    skip_auto_headers=("Content-Type", "Accept-Encoding"),
                )


async def _paced(body: AsyncIterator[bytes], deadline: asyncio.Timeout, seconds: float) -> AsyncIterator[bytes]:
    """Pass a body on, putting off the deadline with each piece that was taken in time."""
    loop = asyncio.get_running_loop()
    pace = _Pace(seconds, MIN_SEND_RATE)
    began = loop.time()
    async for piece in body:
        yield piece
        now = loop.time()
        pace.spend(now - began, len(piece))
        began = now
        _put_off(deadline, now + pace.left)
    _put_off(deadline, loop.time() + seconds)


def _put_off(deadline: asyncio.Timeout, until: float) -> None:
    try:
        deadline.reschedule(until)
    except RuntimeError:
        # The answer came before the body was sent, and its own time runs now.
        return


class _translated:  # noqa: N801 - used as a statement: `with _translated():`
    """Turn what aiohttp raises into our errors."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, RemoteError | asyncio.CancelledError | GeneratorExit):
            return
        import aiohttp

        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, RefusedAddress):
                raise ForbiddenAddress("The server has no public address") from error
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, TimeoutError):
            raise TimedOut("The server is too slow") from error
        if isinstance(error, aiohttp.ClientError | OSError | ValueError):
            raise Unreachable(f"The server could not be reached: {type(error).__name__}") from error
