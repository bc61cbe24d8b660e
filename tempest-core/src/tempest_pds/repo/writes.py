"""What a batch of writes asks of a repository, and what it comes to.

A batch is a sequence: it may create a path and delete it again. A commit event has at most one operation for each path,
with the record before and after the whole batch, so that it can be undone; that is the *net* operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import RecordExists, RecordMissing

Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Create:
    """Add a record: its path, its block and the CID of that."""

    path: str
    value: bytes
    cid: CID


@dataclass(frozen=True, slots=True)
class Update:
    """Replace a record: its path, its new block and the CID of that."""

    path: str
    value: bytes
    cid: CID


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a record out."""

    path: str


Write = Create | Update | Delete


@dataclass(frozen=True, slots=True)
class RepoOp:
    """An operation of a commit event: the record of a path after it (`cid`) and before it (`prev`), if there is one."""

    action: Action
    path: str
    cid: CID | None
    prev: CID | None


def net_operations(
    writes: Iterable[Write], current: Callable[[str], CID | None]
) -> tuple[list[RepoOp], dict[CID, bytes]]:
    """Follow a batch through; return its net operations, in the order of first mention, and the blocks of new records.

    Args:
        writes: the batch, in order.
        current: tells the record of a path before the batch.

    Raises:
        RecordExists: a path is created that is there by then.
        RecordMissing: a path is updated or deleted that is not there by then.
    """
    before: dict[str, CID | None] = {}
    after: dict[str, CID | None] = {}
    blocks: dict[CID, bytes] = {}
    for write in writes:
        path = write.path
        if path not in before:
            before[path] = after[path] = current(path)
        present = after[path] is not None
        if isinstance(write, Create):
            if present:
                raise RecordExists(path)
        elif not present:
            raise RecordMissing(path)
        if isinstance(write, Delete):
            after[path] = None
        else:
            after[path] = write.cid
            blocks[write.cid] = write.value
    ops: list[RepoOp] = []
    records: dict[CID, bytes] = {}
    for path, prev in before.items():
        cid = after[path]
        if cid == prev:
            continue
        if cid is None:
            ops.append(RepoOp("delete", path, None, prev))
        else:
            ops.append(RepoOp("create" if prev is None else "update", path, cid, prev))
            records[cid] = blocks[cid]
    return ops, records
