"""What a command asks a server through, whichever it is."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tempest_pds.protocol.errors import TempestError


class ServerUnreachable(TempestError):
    """The server went away before it had answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is still to be read: `chunks` raises ServerUnreachable where it breaks off."""

    status: int
    chunks: Generator[bytes, None, None]


class Transport(Protocol):
    """Asks one server, one request after the other.

    Attributes:
        token: which the server takes for the administrator's.
    """

    token: str

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Reply:
        """Send a request; its length stands in the headers, or it is sent in chunks."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
