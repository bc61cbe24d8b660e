"""A tar file as a stream of chunks, written and read with flat memory.

The format is POSIX.1-2001 (pax), which every `tar` reads: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
A member may come twice, as with any tar file: the later one counts.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Final

from tempest_pds.services.backup.errors import NotABackup
from tempest_pds.services.finishing import in_thread

READ_SIZE: Final = 1024 * 1024
END: Final = bytes(2 * tarfile.BLOCKSIZE)
_BROKEN: Final = "this is no whole backup: the archive is broken, or ends too early"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its name, its size in bytes, and its bytes, to be read before the next member is."""

    name: str
    size: int
    chunks: AsyncIterator[bytes]


def header(name: str, size: int, modified_at: float) -> bytes:
    """Write what stands in front of a member's bytes; mode 600, for all of it is private."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(modified_at)
    return info.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """Write what stands behind a member's bytes."""
    return bytes(-size % tarfile.BLOCKSIZE)


async def members(file: IO[bytes]) -> AsyncIterator[Member]:
    """Read an archive from a file that need not be seekable; raise NotABackup for what is none, or ends too early."""
    try:
        archive = await in_thread(tarfile.open, fileobj=file, mode="r|", bufsize=READ_SIZE)
        while (info := await in_thread(archive.next)) is not None:
            # Nothing is kept of what was read: an archive may have millions of members.
            archive.members = []  # type: ignore[attr-defined]
            if not info.isfile():
                raise NotABackup(f"this is no backup of Tempest: {info.name[:80]!r} in it is not a file")
            content = archive.extractfile(info)
            assert content is not None, "a file has content"
            yield Member(info.name, info.size, _content(content, info.size))
    except (tarfile.TarError, EOFError) as error:
        raise NotABackup(_BROKEN) from error


async def _content(content: IO[bytes], size: int) -> AsyncIterator[bytes]:
    left = size
    while left:
        try:
            chunk = await in_thread(content.read, min(READ_SIZE, left))
        except tarfile.TarError as error:
            raise NotABackup(_BROKEN) from error
        if not chunk:
            raise NotABackup(_BROKEN)
        left -= len(chunk)
        yield chunk


class StreamReader:
    """An async stream as a file, for code that reads in a thread; the event loop goes on meanwhile.

    Attributes:
        failure: what the stream raised, for code that turns it into an error of its own.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        """Take over a stream; to be made on the event loop that runs it."""
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._left = b""
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, fewer only at the end; called in a thread other than the event loop's."""
        parts: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted:
            if not self._left:
                chunk = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
                if chunk is None:
                    break
                self._left = chunk
            part, self._left = self._left[:wanted], self._left[wanted:]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    async def _next(self) -> bytes | None:
        try:
            async for chunk in self._chunks:
                if chunk:
                    return chunk
        except BaseException as error:
            self.failure = error
            raise
        return None
