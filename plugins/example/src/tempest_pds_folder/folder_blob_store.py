"""Blobs as files in one folder: each key, escaped, is a file's name."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from tempest_pds_plugins import BlobNotFound, BlobStat, BlobStore, check_key

CHUNK = 256 * 1024


class FolderBlobStore(BlobStore):
    """Fit for some thousands of blobs: every listing reads the whole folder."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._arriving = folder / "arriving"

    async def open(self) -> None:
        for folder in (self._blobs, self._arriving):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        path, arriving = self._path(key), self._arriving / uuid4().hex
        try:
            with arriving.open("xb") as file:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(file.flush)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            arriving.replace(path)
        finally:
            arriving.unlink(missing_ok=True)
        return await self.stat(key)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError:
            raise BlobNotFound(key) from None
        return _read(file, start, end)

    async def stat(self, key: str) -> BlobStat:
        try:
            stat = self._path(key).stat()
        except FileNotFoundError:
            raise BlobNotFound(key) from None
        return BlobStat(key, stat.st_size, stat.st_mtime)

    async def move(self, source: str, target: str) -> None:
        await self.stat(source)
        path = self._path(target)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        self._path(source).replace(path)

    async def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        paths = await asyncio.to_thread(lambda: [*self._blobs.rglob("*=")])
        for key in sorted(_key(str(path.relative_to(self._blobs))) for path in paths):
            if key.startswith(prefix):
                with suppress(BlobNotFound):  # deleted meanwhile
                    yield await self.stat(key)

    def _path(self, key: str) -> Path:
        # Capitals are escaped for file systems that do not tell them from small letters; "=" marks where a name ends,
        # and pieces of 200 keep within what a file system takes as one name.
        name = re.sub("[^a-z0-9.-]", lambda mark: f"_{ord(mark[0]):02x}", check_key(key)) + "="
        return self._blobs / "/".join(re.findall(".{1,200}", name))


def _key(path: str) -> str:
    name = path.replace("/", "").removesuffix("=")
    return re.sub("_(..)", lambda code: chr(int(code[1], 16)), name)


async def _read(file: IO[bytes], start: int, end: int | None) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        left = sys.maxsize if end is None else max(0, end - start)
        while chunk := await asyncio.to_thread(file.read, min(CHUNK, left)):
            left -= len(chunk)
            yield chunk
