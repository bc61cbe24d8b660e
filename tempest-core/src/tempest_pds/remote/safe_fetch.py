"""Requests to servers that a stranger named.

Terms and traps. A *guarded* request resolves the name itself, drops every address that is not public, and connects to
one of what is left: there is no second look-up that could answer differently (DNS rebinding). aiohttp does not ask the
resolver when the host is an IP literal, so the same check stands a second time in the socket factory, the last step
of every connect. Redirects are never followed: a redirect is a URL chosen by a stranger too. Answers are counted after
decompression, so a small bomb is cut off as early as a large plain one.

aiohttp takes 150 ms and 15 MB to import, and a server that talks to nobody never needs it: it is loaded by the first
request.
"""

import asyncio
import json
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tempest_pds.remote.addresses import is_public
from tempest_pds.remote.errors import AnswerTooLarge, BadAnswer, ForbiddenAddress, RemoteError, TimedOut, Unreachable

if TYPE_CHECKING:
    import aiohttp

DEFAULT_MAX_BYTES = 256 * 1024
DEFAULT_SECONDS = 5.0

LookUp = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
"""From a host and a port to the addresses and ports to try, in order; raises OSError when there are none."""


class _RefusedAddress(OSError):
    """Raised inside aiohttp's connect, which only understands OSError."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer. Header names are lower case."""

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

    def __init__(self, response: "aiohttp.ClientResponse") -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Give the body piece by piece, and close the connection whatever happens.

        Raises:
            AnswerTooLarge: more than `max_bytes` came.
            Unreachable: the connection broke.
            TimedOut: nothing came for too long.
        """
        seen = 0
        try:
            with _translated():
                async for chunk in self._response.content.iter_any():
                    seen += len(chunk)
                    if seen > max_bytes:
                        raise AnswerTooLarge(f"The answer is longer than {max_bytes} bytes")
                    if chunk:
                        yield chunk
        finally:
            self.close()

    async def read(self, max_bytes: int) -> bytes:
        """Read the whole body; errors as for `chunks`."""
        return b"".join([chunk async for chunk in self.chunks(max_bytes)])

    async def read_decompressed(self, max_bytes: int) -> bytes:
        """Read the whole body of an answer to `decompress=False`; gzip is undone, within the limit."""
        body = await self.read(max_bytes)
        if self.headers.get("content-encoding", "").lower() != "gzip":
            return body
        try:
            return zlib.decompressobj(wbits=31).decompress(body, max_bytes)
        except zlib.error as error:
            raise BadAnswer("The answer is not gzip, although it says so") from error

    def close(self) -> None:
        """Let go of the connection; it is kept for another request only when the body was read to its end."""
        self._response.close()


class SafeFetch:
    """A client for servers of strangers.

    Args:
        allow_private: let private addresses and plain http through: for development on localhost, and for tests.
        user_agent: how the server presents itself.
        look_up: asked in place of the machine's own resolver; what it gives is guarded all the same.
        tls: what certificates are checked with, in place of the machine's authorities.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        user_agent: str = "Tempest",
        look_up: LookUp | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._user_agent = user_agent
        self._look_up = look_up or look_up_addresses
        self._tls: ssl.SSLContext | bool = tls or True
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        seconds: float = DEFAULT_SECONDS,
        decompress: bool = True,
    ) -> Answer:
        """Send one request, and give the answer as soon as its headers are here.

        Args:
            url: taken as it stands, never quoted again.
            seconds: to connect, and again for each silence of the other side.
            decompress: False hands on the bytes as they came, whatever their Content-Encoding.

        Raises:
            ForbiddenAddress: the URL is not https, or leads to an address that is not public.
            Unreachable: no connection.
            TimedOut: too slow.
        """
        import yarl

        self._check_url(url)
        session = self._open_session()
        import aiohttp

        limits = aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds, sock_read=seconds)
        with _translated():
            response = await session.request(
                method,
                yarl.URL(url, encoded=True),
                headers=dict(headers or {}),
                data=body,
                allow_redirects=False,
                timeout=limits,
                auto_decompress=decompress,
                skip_auto_headers=("Content-Type",),
            )
        return Answer(response)

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        seconds: float = DEFAULT_SECONDS,
    ) -> Fetched:
        """Send one request and read its whole answer within so many seconds. Errors as for `send` and `chunks`."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self.send(method, url, headers=headers, body=body, seconds=seconds)
                return Fetched(answer.status, answer.headers, await answer.read(max_bytes))
        except TimeoutError as error:
            raise TimedOut(f"No answer from {urlsplit(url).hostname} within {seconds:g} s") from error

    async def close(self) -> None:
        """Close what is open. The client can be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _check_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
            raise ForbiddenAddress("Not a URL of a web server")
        if parts.scheme != "https" and not self._allow_private:
            raise ForbiddenAddress("Only https is spoken to other servers")

    def _open_session(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(
                ssl=self._tls,
                resolver=_guarded_resolver(self._allow_private, self._look_up),
                use_dns_cache=False,
                socket_factory=self._open_socket,
                limit=256,
                limit_per_host=64,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": self._user_agent},
            )
        return self._session

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if not self._allow_private and not is_public(str(target[0])):
            raise _RefusedAddress("not a public address")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened


async def look_up_addresses(host: str, port: int) -> Sequence[tuple[str, int]]:
    """Ask the machine's own resolver, its hosts file included; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(target[0]), port) for _, _, _, _, target in found]


def _guarded_resolver(allow_private: bool, look_up: LookUp) -> "aiohttp.abc.AbstractResolver":
    import aiohttp.abc

    class GuardedResolver(aiohttp.abc.AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[aiohttp.abc.ResolveResult]:
            addresses = [
                (address, target)
                for address, target in await look_up(host, port)
                if allow_private or is_public(address)
            ]
            if not addresses:
                raise _RefusedAddress("no public address")
            return [
                aiohttp.abc.ResolveResult(
                    hostname=host,
                    host=address,
                    port=target,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
                for address, target in addresses
            ]

        async def close(self) -> None:
            pass

    return GuardedResolver()


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
            if isinstance(cause, _RefusedAddress):
                raise ForbiddenAddress("The server has no public address") from error
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, TimeoutError):
            raise TimedOut("The server is too slow") from error
        if isinstance(error, aiohttp.ClientError | OSError | ValueError):
            raise Unreachable(f"The server could not be reached: {type(error).__name__}") from error
