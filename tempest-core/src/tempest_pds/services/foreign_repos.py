"""A repository that somebody brings along as a CAR file: taken in, checked, and read again as rows of a repo file.

Nothing of it is believed before it has been seen. Whatever its size, memory holds a chunk of the file, some nodes of
the tree and a few hundred records at a time: the blocks lie in a spool on the disk.

A file may be what `getRepo` with `since` gives, the blocks that are newer than a revision: the others are then taken
from the repository that it is to replace, as by the reference. So a small file brings a large one up to date.

Who signed its commit is not asked, as the reference does not ask: the owner, who imports it, may write what he likes,
and the key may be that of a server before the last. The tree is signed anew here.

https://atproto.com/specs/repository
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.data_model.car import CarReader
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, TempestError
from tempest_pds.protocol.lexicon.record_links import blobs_in
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.repo_path import parse_repo_path
from tempest_pds.repo.block_source import BlockSource
from tempest_pds.repo.commit import Commit
from tempest_pds.repo.errors import MissingBlock
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree
from tempest_pds.repo.verify import verify_commit
from tempest_pds.repo.writes import RepoOp
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.record_index import build_row, decode_record
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.block_spool import BlockSpool

_ROW_ITEMS: Final = 256
_ROW_BYTES: Final = 256 * 1024
_PAUSE_EVERY: Final = 32
_PAUSE_SECONDS: Final = 0.0002


class ForeignRepo:
    """A repository in a spool.

    For a thread beside the event loop's; it lets go of the interpreter often enough for nobody to notice.
    """

    def __init__(self, spool: BlockSpool) -> None:
        self._spool = spool
        self._reader = CarReader()
        self._here: BlockSource | None = None

    def take(self, chunks: Iterable[bytes]) -> None:
        """Take the next bytes of the CAR file; raise InvalidRequest."""
        try:
            for chunk in chunks:
                self._reader.feed(chunk)
                self._spool.put(self._reader.blocks())
                roots = self._reader.roots
                if roots is not None and len(roots) != 1:
                    raise InvalidRequest(f"Invalid CAR file: expected one root, found {len(roots)}")
        except InvalidEncoding as error:
            raise InvalidRequest(f"Invalid CAR file: {error}") from error

    def check(self, did: Did, here: BlockSource, max_bytes: int | None = None) -> Commit:
        """Check all of it, once all has been taken: that it is a whole repository, and that account's.

        The blobs that it refers to are noted in the spool, which has all blocks afterwards. Raises InvalidRequest.

        Args:
            here: the repository that it is to replace.
            max_bytes: what the records may take, each counted once for each path that it is under.
        """
        size = 0
        self._here = here
        try:
            commit = verify_commit(self._spool, self._reader.finish()[0], did)
            if commit.data == EMPTY_ROOT and self.get(commit.data) is None:
                raise MissingBlock(commit.data)
            for cid, what in self._in_tree_order(commit):
                if isinstance(what, str):
                    size += self._check_record(what, cid)
                    # A small file can name one large record under any number of paths.
                    if max_bytes is not None and size > max_bytes:
                        raise InvalidRequest(f"Invalid repository: its records take more than {max_bytes} bytes")
        except InvalidRequest:
            raise
        except TempestError as error:
            raise InvalidRequest(f"Invalid repository: {error}") from error
        finally:
            self._here = None
        return commit

    def get(self, cid: CID, /) -> bytes | None:
        """Return a block that has been taken, or that is here already; None for any other."""
        block = self._spool.get(cid)
        if block is None and self._here is not None and (block := self._here.get(cid)) is not None:
            self._spool.put([(cid, block)])
        return block

    def _check_record(self, path: str, cid: CID) -> int:
        parse_repo_path(path)
        block = self.get(cid)
        if block is None:
            raise MissingBlock(cid)
        try:
            record = decode_record(block)
        except InvalidEncoding as error:
            raise InvalidEncoding(f"the record at {path}: {error}") from error
        if blobs := blobs_in(record):
            self._spool.note_blobs(blob.cid for blob in blobs)
        return len(block)

    def refers_to(self, blob: CID) -> bool:
        """Tell whether a record refers to a blob, once all has been checked."""
        return self._spool.refers_to(blob)

    def rows(self, head: ForeignHead) -> Iterator[CommitRow]:
        """Give the nodes and records as the parts of one commit; of a repository that was found in order."""
        nodes: dict[CID, bytes] = {}
        ops: list[RepoOp] = []
        blocks: dict[CID, bytes] = {}
        size = 0
        for cid, what in self._in_tree_order(head.imported):
            if isinstance(what, bytes):
                nodes[cid] = what
                size += len(what)
            else:
                block = self._spool.get(cid)
                assert block is not None, "the repository was found in order"
                ops.append(RepoOp("create", what, cid, None))
                blocks[cid] = block
                size += len(block)
            if len(ops) >= _ROW_ITEMS or size >= _ROW_BYTES:
                yield head.row(nodes, ops, blocks)
                nodes, ops, blocks, size = {}, [], {}, 0
        # The last part is there even when it is empty: it bears the commit.
        yield head.row(nodes, ops, blocks)

    def _in_tree_order(self, commit: Commit) -> Iterator[tuple[CID, bytes | str]]:
        for index, item in enumerate(Tree(self, commit.data).preorder()):
            if index % _PAUSE_EVERY == 0:
                time.sleep(_PAUSE_SECONDS)
            yield item


@dataclass(frozen=True, slots=True)
class ForeignHead:
    """The commit here over the tree of an imported one; `commit` and `block` are those of the new commit."""

    imported: Commit
    rev: str
    commit: CID
    block: bytes

    def row(self, nodes: dict[CID, bytes], ops: list[RepoOp], blocks: dict[CID, bytes]) -> CommitRow:
        """Shape a part of the repository for its file."""
        return build_row(
            rev=self.rev,
            commit=self.commit,
            commit_block=self.block,
            data=self.imported.data,
            new_nodes=nodes,
            removed_nodes=(),
            ops=ops,
            blocks=blocks,
            values={},
        )
