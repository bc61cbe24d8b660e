"""An upload on its way in: hashed and counted as it comes, and kept until its name is known.

A blob's key is its hash, known only at the end. Small ones wait in memory; from a megabyte on they wait in a file that
is thrown away, for a store may be far off, and would have to copy what it was first given under another key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from tempest_pds.services.finishing import in_thread
from tempest_pds.services.mime_types import HEAD_BYTES

IN_MEMORY: Final = 1024 * 1024
_READ_SIZE: Final = 1024 * 1024


class UploadSpool:
    """Takes one stream, and gives it again as often as it is asked to.

    Attributes:
        size: in bytes.
        head: the first bytes, by which the type is told.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._pending: list[bytes] = []
        self._waiting = 0
        self._hash = sha256()
        self.size = 0
        self.head = b""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what came."""
        return self._hash.digest()

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """Read a stream to its end; what it raises comes out here."""
        async for chunk in chunks:
            self.size += len(chunk)
            if len(self.head) < HEAD_BYTES:
                self.head += chunk[: HEAD_BYTES - len(self.head)]
            self._pending.append(chunk)
            self._waiting += len(chunk)
            if self._waiting >= IN_MEMORY:
                # Hashing gives other threads their turn, so it is done where the writing is.
                await in_thread(self._spill)
        if self._file is not None and self._pending:
            await in_thread(self._spill)
        elif self._pending:
            self._hash.update(b"".join(self._pending))

    def _spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed by close()
        data = b"".join(self._pending)
        self._pending, self._waiting = [], 0
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes again, from the first."""
        if self._file is None:
            for chunk in self._pending:
                yield chunk
            return
        position = 0
        while chunk := await asyncio.to_thread(self._read, position):
            position += len(chunk)
            yield chunk

    def _read(self, position: int) -> bytes:
        assert self._file is not None
        self._file.seek(position)
        return self._file.read(_READ_SIZE)

    def close(self) -> None:
        """Throw everything away."""
        self._pending = []
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> UploadSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
