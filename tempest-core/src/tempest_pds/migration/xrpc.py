"""One server, asked over XRPC; whatever its size, what goes up or down passes through in pieces."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlencode

from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.patience import Patience
from tempest_pds.remote.causes import speaks_no_tls
from tempest_pds.remote.errors import BadAnswer, Unreachable
from tempest_pds.remote.safe_fetch import Answer, SafeFetch

_MAX_JSON: Final = 16 * 1024 * 1024
_MAX_REFUSAL: Final = 64 * 1024
_MAX_WORDS: Final = 500
_CHUNK: Final = 256 * 1024
_SECONDS: Final = 60.0
# A server reads, checks and stores a whole repository before it answers, and says nothing meanwhile.
_SECONDS_FOR_FILES: Final = 1800.0

Params = Mapping[str, str | int]
Headers = Mapping[str, str]


class Server:
    """A PDS, and the way to ask it.

    Args:
        name: what messages call it: "the source" or "the target".
        url: its origin.
    """

    def __init__(self, fetch: SafeFetch, url: str, name: str, patience: Patience) -> None:
        self.url = url
        self.name = name
        self._fetch = fetch
        self._patience = patience

    async def query(self, nsid: str, params: Params | None = None, headers: Headers | None = None) -> dict[str, Any]:
        """Ask a query. Raises CallRefused, ServerAway."""

        async def attempt() -> dict[str, Any]:
            return await self._json(nsid, await self._send("GET", nsid, params, headers or {}))

        return await self._patience.run(self.name, attempt)

    async def procedure(
        self,
        nsid: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the lexicons' word
        headers: Headers | None = None,
        *,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Call a procedure; see `Patience.run` for `repeatable`. Raises CallRefused, ServerAway."""
        body = None if input is None else json.dumps(input).encode()
        more = {} if body is None else {"Content-Type": "application/json"}

        async def attempt() -> dict[str, Any]:
            return await self._json(nsid, await self._send("POST", nsid, None, {**(headers or {}), **more}, body))

        return await self._patience.run(self.name, attempt, repeatable=repeatable)

    async def download(
        self,
        nsid: str,
        params: Params,
        path: Path,
        headers: Headers | None = None,
        *,
        on_chunk: Callable[[bytes], None] = lambda chunk: None,
        on_start: Callable[[], None] = lambda: None,
        max_bytes: int = 1 << 50,
    ) -> Mapping[str, str]:
        """Write the answer to a query to a file, and give the answer's headers, their names in lower case.

        Args:
            on_chunk: shown each piece.
            on_start: told when the file begins, which it does again when an attempt breaks off.

        Raises CallRefused, ServerAway.
        """

        async def attempt() -> Mapping[str, str]:
            answer = await self._send("GET", nsid, params, headers or {}, seconds=_SECONDS_FOR_FILES)
            on_start()
            with private_file(path) as file:
                async for chunk in answer.chunks(max_bytes):
                    file.write(chunk)
                    on_chunk(chunk)
            return answer.headers

        return await self._patience.run(self.name, attempt)

    async def upload(
        self,
        nsid: str,
        path: Path,
        content_type: str,
        headers: Headers | None = None,
        *,
        on_chunk: Callable[[int], None] = lambda sent: None,
    ) -> dict[str, Any]:
        """Send a file as the input of a procedure; `on_chunk` is told how many bytes went out. Raises as the others."""
        size = path.stat().st_size
        more = {"Content-Type": content_type, "Content-Length": str(size)}

        async def attempt() -> dict[str, Any]:
            body = _read(path, on_chunk)
            answer = await self._send("POST", nsid, None, {**(headers or {}), **more}, body, _SECONDS_FOR_FILES)
            return await self._json(nsid, answer)

        return await self._patience.run(self.name, attempt)

    async def version(self) -> str | None:
        """Give what the server says of its software, None where it says nothing."""
        try:
            answer = await self._fetch.fetch("GET", f"{self.url}/xrpc/_health", seconds=10)
            version = answer.json().get("version") if answer.status == 200 else None
        except (BadAnswer, AttributeError):
            return None
        return version if isinstance(version, str) else None

    async def _send(
        self,
        method: str,
        nsid: str,
        params: Params | None,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] | None = None,
        seconds: float = _SECONDS,
    ) -> Answer:
        query = f"?{urlencode(params)}" if params else ""
        try:
            answer = await self._fetch.send(
                method, f"{self.url}/xrpc/{nsid}{query}", headers=headers, body=body, seconds=seconds
            )
        except Unreachable as error:
            if not speaks_no_tls(error):
                raise
            plain = self.url.replace("https://", "http://", 1)
            raise MigrationError(f"is {self.name} at {plain}? What listens at {self.url} does not speak TLS") from error
        if answer.status == 200:
            return answer
        if 300 <= answer.status < 400:
            answer.close()
            raise MigrationError(
                f"{self.url} sends its callers on to {answer.headers.get('location', 'nowhere')}: "
                f"give the address of {self.name} itself"
            )
        raise _refusal(self.name, nsid, answer, await answer.read(_MAX_REFUSAL))

    async def _json(self, nsid: str, answer: Answer) -> dict[str, Any]:
        body = await answer.read(_MAX_JSON)
        try:
            parsed = json.loads(body) if body else {}
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ServerAway(f"{self.name} answers {nsid} with something else than JSON: is {self.url} a PDS?")
        return parsed


def _refusal(server: str, nsid: str, answer: Answer, body: bytes) -> CallRefused:
    try:
        parsed = json.loads(body)
        told = parsed if isinstance(parsed, dict) else {}
    except ValueError:
        told = {}
    error, message = told.get("error"), told.get("message")
    return CallRefused(
        server,
        nsid,
        answer.status,
        _words(error),
        # It becomes part of a line that goes on, or ends with a full stop of its own.
        _words(message).strip().rstrip("."),
        _retry_after(answer) if answer.status in (429, 503) else None,
    )


def _words(told: object) -> str:
    """Take what a server said for a line that goes to a terminal."""
    text = told[:_MAX_WORDS] if isinstance(told, str) else ""
    return "".join(character if character.isprintable() else " " for character in text)


def _retry_after(answer: Answer) -> float | None:
    wish = answer.headers.get("retry-after", "").strip()
    if wish.isdecimal():
        return float(wish)
    now = datetime.now(UTC)
    if wish:
        try:
            return (parsedate_to_datetime(wish) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    reset = answer.headers.get("ratelimit-reset", "").strip()
    if answer.status == 429 and reset.isdecimal():
        return float(reset) - now.timestamp()
    return None


def private_file(path: Path) -> BinaryIO:
    """Open a file to write to, which only its owner can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


async def _read(path: Path, on_chunk: Callable[[int], None]) -> AsyncIterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            sent += len(chunk)
            on_chunk(sent)
