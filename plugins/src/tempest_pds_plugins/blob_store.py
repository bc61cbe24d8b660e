"""BlobStore: a keyed store of byte strings, each from nothing to gigabytes.

Core owns the keys and their meaning: temporary, public and quarantined blobs are prefixes to it, and nothing to the
store. Core hashes, sniffs, caps and counts; the store keeps bytes. What an adapter must hold:

* **A put is whole or not at all.** While a stream arrives the key shows what it showed before; if the stream raises,
  or the task is cancelled, it goes on showing that, and the exception passes through unchanged. When `put` has
  returned, the bytes survive the death of the process.
* **Memory is flat.** Neither way does a blob pass through memory as one piece; an upload is read no faster than it is
  written.
* **Any number of calls at once**, on one event loop. Of two puts to one key one wins, whole.
* **The event loop is never blocked** for longer than a file system's metadata takes: what waits, waits in a thread or a
  socket.

`tempest_pds_plugins.testing.BlobStoreContract` holds an adapter to each of these, and `plugins/example` is one in full.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a store knows of a blob: its key, its size in bytes, and when it was put, in seconds since 1970."""

    key: str
    size: int
    modified_at: float


class BlobStore(ABC):
    """Keep byte strings under keys.

    Every method may raise `StoreUnavailable`, and `InvalidKey` for a key that `check_key` refuses.
    """

    async def open(self) -> None:  # noqa: B027 - most stores have nothing to open
        """Make ready, once, before any other call: connect, clear what an earlier process left half done."""

    async def close(self) -> None:  # noqa: B027 - nor to close
        """Let go of everything. May be called twice, and without `open`."""

    @abstractmethod
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        """Store the stream under the key, in place of what was there. Chunks may be of any size, even empty."""

    @abstractmethod
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Open a blob and stream its bytes from `start` up to and without `end`, as a slice would give them.

        A range that reaches past the end is cut there; an empty one streams nothing. No chunk is empty. Raises
        `BlobNotFound` here, before the first chunk. Who stops early calls `streams.close`. A blob that is deleted or
        replaced meanwhile either streams on as it was or fails; it never mixes.
        """

    @abstractmethod
    async def stat(self, key: str) -> BlobStat:
        """Return what is known of a blob. Raises `BlobNotFound`."""

    @abstractmethod
    async def move(self, source: str, target: str) -> None:
        """Give a blob another key, in place of what is there. The bytes are under one of the two keys at every moment.

        Raises `BlobNotFound` for an unknown source. A blob moved onto itself stays.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove a blob. An unknown key is no error."""

    @abstractmethod
    def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        """Stream what is known of every blob whose key starts with `prefix`, in key order.

        The prefix is any leading part of a key, not only whole segments. Blobs put or deleted meanwhile may or may
        not show.
        """
