"""BackupSink: where finished backup archives go, and come back from for a restore.

An archive is large, written once and never changed. As in a blob store, a put is whole or not at all, and memory is
flat.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackupStat:
    """What a sink knows of a backup: its name, its size in bytes, and when it was put, in seconds since 1970."""

    name: str
    size: int
    modified_at: float


class BackupSink(ABC):
    """Keep archives under names.

    Every method may raise `StoreUnavailable`, and `InvalidKey` for a name that `check_name` refuses.
    """

    async def open(self) -> None:  # noqa: B027 - most sinks have nothing to open
        """Make ready, once, before any other call."""

    async def close(self) -> None:  # noqa: B027 - nor to close
        """Let go of everything. May be called twice, and without `open`."""

    @abstractmethod
    def location(self, name: str) -> str:
        """Return where a backup of this name is kept, for a person to read: a path, a URL without credentials."""

    @abstractmethod
    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        """Store the stream under the name, in place of what was there; whole, or not at all."""

    @abstractmethod
    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Open a backup and stream its bytes. Raises `BackupNotFound` here, before the first chunk."""

    @abstractmethod
    async def stat(self, name: str) -> BackupStat:
        """Return what is known of a backup. Raises `BackupNotFound`."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Remove a backup. An unknown name is no error."""

    @abstractmethod
    def list(self) -> AsyncIterator[BackupStat]:
        """Stream what is known of every backup, in the order of their names."""
