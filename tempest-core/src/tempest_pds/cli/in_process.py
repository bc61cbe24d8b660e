"""The application itself, in the command's own process: for when no server runs on the data directory."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace

from tempest_pds.app import Tempest, build_app
from tempest_pds.cli.transport import Reply, ServerUnreachable
from tempest_pds.http.exchange import Message, Scope
from tempest_pds.settings import Settings


class InThisProcess:
    """The application itself, opened on the data directory, which is this process's own until `close`.

    It listens nowhere, tells no crawler, sends no mail, exports no telemetry, limits no rates, and is no start of a
    server to plugins.
    Raises what opening the server raises: DataDirectoryInUse above all.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        settings = replace(settings, crawlers=(), rate_limits_enabled=False, backup_interval_hours=0)
        environ = {name: value for name, value in environ.items() if name != "TEMPEST_TELEMETRY"}
        self._app = build_app(settings, environ)
        self.token = self._app.control_token
        self._runner = asyncio.Runner()
        self._under_way: set[_Exchange] = set()
        try:
            self._runner.run(self._app.start(serving=False))
        except BaseException:
            self._runner.close()
            raise

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Reply:
        """Send a request through the application; the loop runs while the answer is read."""
        path, _, query = target.partition("?")
        more = {} if method == "GET" or "Content-Length" in headers else {"Transfer-Encoding": "chunked"}
        sent = {**headers, **more, "Host": "localhost"}
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
        }
        exchange = _Exchange(self._app, scope, iter(body))
        self._under_way.add(exchange)
        status = self._runner.run(exchange.begin())
        return Reply(status, self._answer(exchange))

    def close(self) -> None:
        """Close all that was opened, and let go of the directory."""
        try:
            # Answers that nobody has read to their end, or the application would wait for a reader.
            for exchange in tuple(self._under_way):
                self._end(exchange)
            self._runner.run(self._app.stop())
        finally:
            self._runner.close()

    def _answer(self, exchange: _Exchange) -> Generator[bytes, None, None]:
        try:
            while (chunk := self._runner.run(exchange.next_chunk())) is not None:
                if chunk:
                    yield chunk
        finally:
            self._end(exchange)

    def _end(self, exchange: _Exchange) -> None:
        if exchange in self._under_way:
            self._under_way.remove(exchange)
            self._runner.run(exchange.end())


class _Exchange:
    """One request through an ASGI application, and its answer as it comes."""

    def __init__(self, app: Tempest, scope: Scope, body: Iterator[bytes]) -> None:
        self._app = app
        self._scope = scope
        self._body = body
        self._sent = False
        self._complete = False
        self._gone = asyncio.Event()
        # Of one place: the application waits for whoever reads, as it would for a socket.
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> int:
        self._task = asyncio.create_task(self._run())
        first = await self._messages.get()
        if first is None:
            await self._task
            raise ServerUnreachable("the answer broke off")
        status: int = first["status"]
        return status

    async def next_chunk(self) -> bytes | None:
        if self._complete:
            return None
        message = await self._messages.get()
        if message is None:
            assert self._task is not None, "begun before it is read"
            await self._task
            raise ServerUnreachable("the answer broke off")
        self._complete = not message.get("more_body")
        chunk: bytes = message.get("body", b"")
        return chunk

    async def end(self) -> None:
        """Go away: the application hears of it as it does of a client that closes its connection."""
        self._gone.set()
        while self._task is not None and not self._task.done():
            while not self._messages.empty():
                self._messages.get_nowait()
            await asyncio.wait((self._task,), timeout=0.05)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            if not self._gone.is_set():
                await self._messages.put(None)

    async def _receive(self) -> Message:
        if self._sent:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        chunk = next(self._body, None)
        self._sent = chunk is None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _send(self, message: Message) -> None:
        if not self._gone.is_set():
            await self._messages.put(message)
