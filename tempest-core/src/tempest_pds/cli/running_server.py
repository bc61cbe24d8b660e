"""The server that runs on a data directory, asked over loopback."""

from __future__ import annotations

import http.client
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from tempest_pds.cli.transport import Reply, ServerUnreachable
from tempest_pds.stores.control_file import Control

_CHUNK: Final = 65_536
_SECONDS_TO_GREET: Final = 5.0


class RunningServer:
    """The server that runs on the data directory, over loopback."""

    def __init__(self, control: Control) -> None:
        self._address = urlsplit(control.url)
        self.token = control.token

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Reply:
        """Send a request over a connection of its own."""
        # No timeout: it is the server that bounds what it does, and a long task may be silent for long.
        return self._ask(method, target, headers, body, None)

    def greet(self) -> Reply:
        """Ask who answers; raise ServerUnreachable if nobody does in time."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self._ask("GET", "/xrpc/_admin/control", headers, (), _SECONDS_TO_GREET)

    def close(self) -> None:
        """Nothing stays open."""

    def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes], timeout: float | None
    ) -> Reply:
        connection = http.client.HTTPConnection(
            self._address.hostname or "127.0.0.1", self._address.port, timeout=timeout
        )
        try:
            chunked = method == "POST" and "Content-Length" not in headers
            more = {"Transfer-Encoding": "chunked"} if chunked else {}
            # Strangers may have this machine's address, and have used up what one address may ask.
            more["X-RateLimit-Bypass"] = self.token
            # A server that refuses need not read to the end: what it says comes before that it hung up.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method,
                    target,
                    iter(body) if method == "POST" else None,
                    {**headers, **more},
                    encode_chunked=chunked,
                )
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServerUnreachable(f"the server does not answer: {error}") from error
        return Reply(response.status, _chunks(connection, response))


def _chunks(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Generator[bytes, None, None]:
    try:
        while chunk := response.read1(_CHUNK):
            yield chunk
        if response.length:
            raise ServerUnreachable("the server's answer broke off")
    except (OSError, http.client.HTTPException) as error:
        raise ServerUnreachable("the server's answer broke off") from error
    finally:
        connection.close()
