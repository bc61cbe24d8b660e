"""Where a backup is read from: an archive in a file or a sink, encrypted or not, or a folder it was extracted into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from tempest_pds.services.backup import tar
from tempest_pds.services.backup.encryption import MAGIC, decrypted
from tempest_pds.services.backup.errors import BackupEncrypted, NotABackup
from tempest_pds.services.backup.manifest import MANIFEST
from tempest_pds.services.backup.tar import Member, StreamReader
from tempest_pds.services.finishing import in_thread
from tempest_pds_plugins import streams

if TYPE_CHECKING:
    from pyrage.x25519 import Identity


@asynccontextmanager
async def open_stream(
    chunks: AsyncIterator[bytes], identities: Sequence[Identity]
) -> AsyncIterator[AsyncIterator[Member]]:
    """Read the members of an archive from its bytes.

    Raises BackupEncrypted when it is encrypted and none of the identities is its key; NotABackup, BackupDamaged while
    the members are read.
    """
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= len(MAGIC):
            break
    whole = _after(head, chunks)
    plain = whole
    if head.startswith(MAGIC):
        if not identities:
            raise BackupEncrypted("the backup is encrypted: name the file of its key with --identity")
        plain = decrypted(whole, identities)
    members = tar.members(cast("IO[bytes]", StreamReader(plain)))
    try:
        yield members
    finally:
        await asyncio.shield(_close(members, plain, whole, chunks))


async def _after(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk


async def _close(members: AsyncIterator[Member], *chunks: AsyncIterator[bytes]) -> None:
    await members.aclose()  # type: ignore[attr-defined]
    for stream in chunks:
        await streams.close(stream)


async def file_chunks(path: Path) -> AsyncIterator[bytes]:
    """Stream a file; raise NotABackup when it cannot be read."""
    try:
        file = await in_thread(path.open, "rb")
    except OSError as error:
        raise NotABackup(f"cannot read {path}: {error.strerror}") from error
    with file:
        while chunk := await in_thread(file.read, tar.READ_SIZE):
            yield chunk


async def folder_members(folder: Path) -> AsyncIterator[Member]:
    """Read the members of an archive that was extracted into a folder; the manifest last, as in the archive."""
    for path in await in_thread(_files, folder):
        yield Member(path.relative_to(folder).as_posix(), path.stat().st_size, file_chunks(path))


def _files(folder: Path) -> list[Path]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise NotABackup(f"{folder} holds no backup: there is no {MANIFEST} in it")
    others = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path != manifest]
    return [*sorted(others), manifest]
