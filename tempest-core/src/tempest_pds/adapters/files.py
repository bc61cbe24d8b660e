"""Files that appear whole: streamed into a folder of unfinished ones, made durable, and renamed into place.

All that blocks runs in a thread, and about a megabyte at a time: a hop to a thread costs more than the write of a
network chunk.
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar
from uuid import uuid4

from tempest_pds_plugins.errors import StoreFull, StoreUnavailable

T = TypeVar("T")

WRITE_SIZE = 1024 * 1024
READ_SIZE = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ATTEMPTS = 100


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run what blocks in a thread, and turn what the operating system refuses into the contract's errors.

    `FileNotFoundError` passes through: what is missing is for the caller to say.
    """
    try:
        return await asyncio.to_thread(work, *arguments)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise (StoreFull if error.errno in _FULL else StoreUnavailable)(os.strerror(error.errno or 0)) from error


class WholeFiles:
    """Write and move files below `root`, by way of `unfinished`, a folder of the same file system.

    With `sync`, a file and its name have reached the disk, and not only the operating system, when a call returns.
    """

    def __init__(self, root: Path, unfinished: Path, *, sync: bool) -> None:
        self._root = root
        self._unfinished = unfinished
        self._sync = sync

    def prepare(self) -> None:
        """Make the folders, and clear what an earlier process left unfinished; another one may be writing still."""
        _make_private(self._root)
        _make_private(self._unfinished)
        for left in self._unfinished.iterdir():
            if not _is_being_written(left):
                left.unlink(missing_ok=True)

    async def write(self, path: Path, chunks: AsyncIterator[bytes]) -> os.stat_result:
        """Stream the chunks into the file: whole or, if they raise, not at all."""
        writing: _Writing | None = None
        pending: list[bytes] = []
        waiting = 0
        try:
            async for chunk in chunks:
                pending.append(chunk)
                waiting += len(chunk)
                if waiting >= WRITE_SIZE:
                    writing = writing or _Writing(self._unfinished / uuid4().hex)
                    await _finish(in_thread(writing.write, pending))
                    pending, waiting = [], 0
            writing = writing or _Writing(self._unfinished / uuid4().hex)
            # Shielded, since a thread cannot be stopped: whoever cancels must find the file there or not, never later.
            return await _finish(in_thread(self._complete, writing, pending, path))
        except BaseException:
            if writing is not None:
                await _finish(in_thread(writing.discard))
            raise

    def move(self, source: Path, target: Path) -> None:
        """Rename a file, and drop the directories that are empty without it. Raises `FileNotFoundError`."""
        self._rename(source, target)
        if source != target:
            self._prune(source.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, if there, and the directories that are empty without it.

        Not made durable: after a loss of power the file may be back, and nothing refers to it.
        """
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            self._prune(path.parent)

    def _complete(self, writing: "_Writing", pending: Sequence[bytes], path: Path) -> os.stat_result:
        writing.write(pending)
        stat = writing.settle(sync=self._sync)
        self._rename(writing.path, path)
        writing.close()
        return stat

    def _rename(self, source: Path, target: Path) -> None:
        named = {target.parent}
        for attempt in range(_ATTEMPTS):
            try:
                source.replace(target)
            except FileNotFoundError:
                # The source is missing, or the directory is: not made yet, or dropped again as an empty one.
                if attempt + 1 == _ATTEMPTS or not source.exists():
                    raise
                named |= self._make_directories(target.parent)
                continue
            if self._sync:
                for directory in named:
                    _sync_directory(directory)
            return

    def _make_directories(self, directory: Path) -> set[Path]:
        """Make a directory and those above it; return those that have a new name in them to make durable."""
        named = set()
        missing = directory
        while missing != self._root and not missing.exists():
            missing = missing.parent
            named.add(missing)
        with suppress(FileNotFoundError, FileExistsError):  # dropped again meanwhile: the rename tells, and is repeated
            _make_private(directory)
        return named

    def _prune(self, directory: Path) -> None:
        while directory != self._root:
            try:
                directory.rmdir()
            except OSError:
                return
            directory = directory.parent


def _make_private(directory: Path) -> None:
    """Make a directory for its owner alone, and those above it."""
    if not directory.is_dir():
        _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _is_being_written(path: Path) -> bool:
    """Tell whether a live process writes the file: the kernel drops its lock when it dies, however it dies."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class _Writing:
    """A file that is being written, and locked until it has its name, or is no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def write(self, chunks: Sequence[bytes]) -> None:
        if self._file is None:
            # Private from the start, whatever the umask: what is in it may be keys.
            self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]

    def settle(self, *, sync: bool) -> os.stat_result:
        assert self._file is not None
        if sync:
            os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()


class FileStream:
    """The bytes of an open file from its position on, at most `length` of them; closes itself at the end."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._left = length

    def __aiter__(self) -> "FileStream":
        return self

    async def __anext__(self) -> bytes:
        chunk = await in_thread(self._file.read, min(READ_SIZE, self._left)) if self._left else b""
        if not chunk:
            self._file.close()
            raise StopAsyncIteration
        self._left -= len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Let go of the file."""
        self._file.close()


def open_from(path: Path, start: int, end: int | None) -> FileStream:
    """Open a file for a range cut as a slice is. Raises `FileNotFoundError`."""
    file = path.open("rb", buffering=0)
    size = os.fstat(file.fileno()).st_size
    stop = size if end is None else min(end, size)
    file.seek(start)
    return FileStream(file, max(0, stop - start))


async def _finish(work: Coroutine[object, object, T]) -> T:
    """Await work that must not be left half done: a cancellation waits until it has ended, and then goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(Exception):
            await task
        raise


def _sync_directory(directory: Path) -> None:
    # A directory dropped meanwhile has nothing left to make durable.
    with suppress(FileNotFoundError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
