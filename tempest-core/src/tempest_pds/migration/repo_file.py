"""A repository in a CAR file: all of it checked, counted, and compared with another one.

The blocks lie in a spool on the disk, so memory stays flat whatever the size of the repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tempest_pds.migration.errors import MigrationError
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.car import CarReader
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, TempestError
from tempest_pds.protocol.lexicon.record_links import blobs_in
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.commit import Commit
from tempest_pds.repo.errors import MissingBlock
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.verify import verify_commit
from tempest_pds.stores.block_spool import BlockSpool

_CHUNK: Final = 256 * 1024
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class LargeBlob:
    """A reference to a blob above a limit."""

    cid: str
    path: str
    size: int


@dataclass(slots=True)
class Contents:
    """What a repository holds.

    Attributes:
        root: the CID of its commit.
        collections: the number of records in each.
        blob_bytes: as far as the references say; a blob that two records show counts twice.
        large_blobs: the first references to blobs above the limit that was given.
        unreadable: the first paths of records that are not valid, as some servers have let them in.
    """

    commit: Commit
    root: CID
    size: int
    collections: Counter[str] = field(default_factory=Counter)
    blob_refs: int = 0
    blob_bytes: int = 0
    large_blobs: list[LargeBlob] = field(default_factory=list)
    large_blob_count: int = 0
    unreadable: list[str] = field(default_factory=list)
    unreadable_count: int = 0

    @property
    def records(self) -> int:
        """The number of records."""
        return self.collections.total()


@dataclass(slots=True)
class RecordDifferences:
    """How two repositories differ. The first few paths of each kind are named, all are counted."""

    same: int = 0
    missing: int = 0
    changed: int = 0
    added: int = 0
    named: list[str] = field(default_factory=list)

    def note(self, what: str, path: str) -> None:
        """Name a path, unless enough are named."""
        if len(self.named) < _NAMED:
            self.named.append(f"{what} {path}")


class RepoFile:
    """The repository in a CAR file, its blocks in reach; see `open_repo_file`."""

    def __init__(self, path: Path, spool: BlockSpool, root: CID, did: Did) -> None:
        self._path = path
        self._spool = spool
        self._root = root
        self.commit: Commit = verify_commit(spool, root, did)

    def check(self, blob_limit: int | None = None) -> Contents:
        """Check that all of it is here, count, and note the blobs that it refers to; raise MigrationError."""
        contents = Contents(self.commit, self._root, self._path.stat().st_size)
        with _explained(self._path):
            if self._spool.get(self.commit.data) is None:
                raise MissingBlock(self.commit.data)
            for path, cid in self.walk():
                block = self._spool.get(cid)
                if block is None:
                    raise MissingBlock(cid)
                contents.collections[path.partition("/")[0]] += 1
                self._count_blobs(contents, path, block, blob_limit)
        return contents

    def _count_blobs(self, contents: Contents, path: str, block: bytes, limit: int | None) -> None:
        try:
            blobs = blobs_in(dag_cbor.decode(block))
        except InvalidEncoding:
            contents.unreadable_count += 1
            if len(contents.unreadable) < _NAMED:
                contents.unreadable.append(path)
            return
        if not blobs:
            return
        self._spool.note_blobs(blob.cid for blob in blobs)
        for blob in blobs:
            contents.blob_refs += 1
            contents.blob_bytes += max(blob.size, 0)
            if limit is not None and blob.size > limit:
                contents.large_blob_count += 1
                if len(contents.large_blobs) < _NAMED:
                    contents.large_blobs.append(LargeBlob(str(blob.cid), path, blob.size))

    def refers_to(self, blob: CID) -> bool:
        """Tell whether a record refers to a blob, once all has been checked."""
        return self._spool.refers_to(blob)

    def walk(self) -> Iterator[tuple[str, CID]]:
        """Give the paths and records, in order."""
        return Tree(self._spool, self.commit.data).walk()


@contextmanager
def open_repo_file(path: Path, did: Did) -> Iterator[RepoFile]:
    """Read a CAR file into a spool beside it, which goes when the block ends; raise MigrationError."""
    spool = BlockSpool(path.with_name(path.name + ".blocks"))
    # What a command that was killed left there.
    spool.close()
    spool.open()
    try:
        with _explained(path):
            opened = RepoFile(path, spool, _take(path, spool), did)
        yield opened
    finally:
        spool.close()


def _take(path: Path, spool: BlockSpool) -> CID:
    reader = CarReader()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            reader.feed(chunk)
            spool.put(reader.blocks())
    roots = reader.finish()
    if len(roots) != 1:
        raise MigrationError(f"it has {len(roots)} roots in place of one")
    return roots[0]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MigrationError(f"{path} cannot be read: {error.strerror or error}") from error
    except TempestError as error:
        raise MigrationError(f"the repository in {path} is not whole, or not valid: {error}") from error


def compare(source: Iterator[tuple[str, CID]], target: Iterator[tuple[str, CID]]) -> RecordDifferences:
    """Compare two repositories record by record."""
    found = RecordDifferences()
    left, right = next(source, None), next(target, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            found.missing += 1
            found.note("missing", left[0])
            left = next(source, None)
        elif left is None or right[0] < left[0]:
            found.added += 1
            found.note("added", right[0])
            right = next(target, None)
        else:
            if left[1] == right[1]:
                found.same += 1
            else:
                found.changed += 1
                found.note("changed", left[0])
            left, right = next(source, None), next(target, None)
    return found
