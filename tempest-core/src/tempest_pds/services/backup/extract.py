"""From the members of an archive to the files of a data directory and the blobs of a store, checked by their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.services.backup.archive import BLOBS, SCHEMAS
from tempest_pds.services.backup.errors import BackupDamaged, BackupTooNew, NotABackup
from tempest_pds.services.backup.manifest import MANIFEST, ArchivedFile, Manifest
from tempest_pds.services.backup.tar import Member
from tempest_pds.services.finishing import in_thread
from tempest_pds.services.progress import Progress
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import BlobNotFound, InvalidKey

_MAX_MANIFEST: Final = 512 * 1024 * 1024


@dataclass(slots=True)
class Extracted:
    """What came out of an archive: its manifest, how many blobs, and one line for each blob that is damaged."""

    manifest: Manifest
    blobs: int = 0
    problems: list[str] = field(default_factory=list)


async def extract(members: AsyncIterator[Member], root: Path, blob_store: BlobStore, progress: Progress) -> Extracted:
    """Write the files below `root` and the blobs into the store, and check all of it against the manifest.

    Raises NotABackup, BackupDamaged, BackupTooNew. What was written by then is worth nothing.
    """
    found: dict[str, ArchivedFile] = {}
    extracted: Extracted | None = None
    blobs, problems = 0, list[str]()
    async for member in members:
        if extracted is not None:
            raise NotABackup("this is no backup of Tempest: something comes after its manifest")
        if member.name == MANIFEST:
            extracted = Extracted(Manifest.decode(await _small(member)))
        elif member.name.startswith(BLOBS):
            damage = await _blob(member, blob_store)
            if damage is None:
                blobs += 1
            else:
                problems.append(damage)
            progress("blobs", blobs, None)
        else:
            # A member that comes again takes the place of the one before.
            found[member.name] = await _file(member, root)
            progress("files", len(found), None)
    if extracted is None:
        raise NotABackup("this is no whole backup: it ends without its manifest")
    manifest = extracted.manifest
    _check_schemas(manifest)
    for listed in manifest.files:
        if found.pop(listed.path, None) != listed:
            raise BackupDamaged(f"{listed.path} in the backup is missing, or not what the manifest says")
    for name in found:
        (root / name).unlink()
    if blobs + len(problems) < manifest.blobs:
        raise BackupDamaged(f"the backup has {blobs} blobs, and {manifest.blobs} by its manifest")
    known = {missing.rpartition("/")[2] for missing in manifest.missing_blobs}
    extracted.blobs = blobs
    extracted.problems = [line for line in problems if line.split()[1] not in known]
    return extracted


def _check_schemas(manifest: Manifest) -> None:
    for kind, head in manifest.schemas.items():
        if head > SCHEMAS.get(kind, ""):
            raise BackupTooNew(
                f"the backup was made by a newer Tempest than this one, {manifest.software}: restore it with that, or "
                "with a later one"
            )


async def _small(member: Member) -> bytes:
    if member.size > _MAX_MANIFEST:
        raise NotABackup("this is no backup of Tempest: its manifest is too large")
    return b"".join([chunk async for chunk in member.chunks])


async def _file(member: Member, root: Path) -> ArchivedFile:
    path = root / _safe(member.name)
    file = await in_thread(_create, path)
    digest = hashlib.sha256()
    with file:
        async for chunk in member.chunks:
            await in_thread(_write, file, digest, chunk)
    return ArchivedFile(member.name, member.size, digest.hexdigest())


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or path.as_posix() != name or name == ".":
        raise NotABackup(f"this is no backup of Tempest: {name[:80]!r} in it is no path of a data directory")
    return path


def _create(path: Path) -> IO[bytes]:
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path.open("wb", buffering=0)


def _write(file: IO[bytes], digest: hashlib._Hash, chunk: bytes) -> None:
    digest.update(chunk)
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


async def _blob(member: Member, store: BlobStore) -> str | None:
    """Put a blob into the store, unless it is there; return what is wrong with it."""
    key = member.name.removeprefix(BLOBS)
    try:
        cid = CID.parse(key.rpartition("/")[2])
        is_there = (await store.stat(key)).size == member.size
    except (InvalidEncoding, InvalidKey) as error:
        raise NotABackup(f"this is no backup of Tempest: {member.name[:200]!r} in it is no blob") from error
    except BlobNotFound:
        is_there = False
    content = _hashed(member.chunks, cid)
    try:
        if is_there:
            # Not sent again, for it may lie far away; what the archive has is checked all the same.
            async for _ in content:
                pass
        else:
            await store.put(key, content)
    except _WrongHash:
        return f"blob {cid} of {key.split('/')[1]} is damaged: its bytes are not those of its CID"
    return None


class _WrongHash(Exception):
    pass


async def _hashed(chunks: AsyncIterator[bytes], cid: CID) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if CID.for_raw_digest(digest.digest()) != cid:
        raise _WrongHash
