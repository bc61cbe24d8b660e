"""Check a repository of our own from top to bottom: what was written once, and might not be there any more.

What holds of a sound repository, and is looked for here:

* the commit is the account's, hashes to its CID, and is signed with the account's key;
* the tree is complete, every node hashes to its CID and is in canonical form, and there is no node beside it;
* the records in the index are those of the tree, no more, no fewer, and each hashes to its CID and decodes;
* what the index says of blobs and subjects is what the records say.

Whether the bytes of blobs are there is for `blob_scrub` to check: it asks the blob store. A blob that a record refers
to and that was never uploaded is no damage, but the state of an account that is moving here; it is counted.

For a thread beside the event loop's; it lets go of the interpreter often enough for nobody to notice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import ProtocolError, TempestError
from tempest_pds.protocol.lexicon.record_links import blobs_in
from tempest_pds.protocol.syntax.repo_path import parse_repo_path
from tempest_pds.repo.commit import Commit, decode
from tempest_pds.repo.errors import InvalidRepo
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree
from tempest_pds.services.progress import Progress, silent
from tempest_pds.services.record_index import backlink, decode_record
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.inspection import Inspection, RecordLine, RepoFileDamaged
from tempest_pds.stores.actor.store import ActorStore

T = TypeVar("T")

MAX_PROBLEMS: Final = 50
"""So many are told of one repository; of the rest, their number."""
_PAUSE_EVERY: Final = 32
_PAUSE_SECONDS: Final = 0.0002


@dataclass(frozen=True, slots=True)
class RepositoryReport:
    """What a verification came to; a sound repository has no problems.

    Attributes:
        commit: the CID of the newest commit, None when there is none.
        records: in the index.
        nodes: of the tree.
        blobs: that records refer to, each counted once.
        blobs_never_uploaded: how many of those this server does not know.
        problems: each a line for the operator.
    """

    did: str
    commit: str | None
    rev: str | None
    records: int
    nodes: int
    blobs: int
    blobs_never_uploaded: int
    problems: list[str]


def verify_repository(
    store: ActorStore, did: str, signing_key_did_key: str, progress: Progress = silent
) -> RepositoryReport:
    """Check all of a repository, as it is at this moment; writes go on meanwhile.

    Args:
        store: its file.
        did: whose it has to be.
        signing_key_did_key: whose signature the commit has to bear, as `did:key:…`.
        progress: told of records.
    """
    found = _Findings()
    root = store.root()
    try:
        with Inspection(store) as inspection:
            found.problems += [f"SQLite: {line}" for line in inspection.quick_check()]
            root = inspection.root()
            if root is None:
                found.add("there is no commit")
            else:
                _check_commit(root, did, signing_key_did_key, found)
                _check_records(inspection, _check_tree(inspection, root, found), found, progress)
                _check_blobs(inspection, found)
    except (ProtocolError, RepoFileDamaged) as error:
        found.add(str(error))
    return RepositoryReport(
        did=did,
        commit=None if root is None else str(root.commit),
        rev=None if root is None else root.rev,
        records=found.records,
        nodes=found.nodes,
        blobs=found.blobs,
        blobs_never_uploaded=found.blobs_never_uploaded,
        problems=found.told(),
    )


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    untold: int = 0
    records: int = 0
    nodes: int = 0
    blobs: int = 0
    blobs_never_uploaded: int = 0

    def add(self, problem: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.untold += 1

    def told(self) -> list[str]:
        return [*self.problems, f"and {self.untold:,} more"] if self.untold else self.problems


class _CheckedSource:
    """The nodes of a file, each held to its CID."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection

    def get(self, cid: CID) -> bytes | None:
        block = self._inspection.get(cid)
        if block is not None and not cid.verifies(block):
            raise InvalidRepo(f"the bytes of node {cid} are not those that its CID stands for")
        return block


def _check_commit(root: Root, did: str, did_key: str, found: _Findings) -> None:
    if not root.commit.verifies(root.commit_block):
        found.add(f"the bytes of commit {root.commit} are not those that its CID stands for")
    try:
        commit: Commit = decode(root.commit_block)
    except TempestError as error:
        found.add(f"the commit: {error}")
        return
    if commit.did != did or root.did != did:
        found.add(f"the commit is of {commit.did}, not of {did}")
    if commit.rev != root.rev or commit.data != root.data:
        found.add("the commit has another revision or tree than the file says")
    if not commit.verify(parse_did_key(did_key)):
        found.add("the commit is not signed with the account's key")


def _check_tree(inspection: Inspection, root: Root, found: _Findings) -> bool:
    """Check every node, and tell whether all of the tree can be read."""
    stored = 0
    for raw, block in _unhurried(inspection.nodes()):
        stored += 1
        if not CID(raw).verifies(block):
            found.add(f"the bytes of node {CID(raw)} are not those that its CID stands for")
    source = _CheckedSource(inspection)
    try:
        for _ in _unhurried(Tree(source, root.data).nodes()):
            found.nodes += 1
    except TempestError as error:
        found.add(f"the tree: {error}")
        return False
    # The top of an empty tree need not be in the file.
    if root.data == EMPTY_ROOT and source.get(root.data) is None:
        found.nodes = 0
    if stored > found.nodes:
        found.add(f"{stored - found.nodes:,} nodes are in the file that the tree does not name")
    return True


def _check_records(inspection: Inspection, whole: bool, found: _Findings, progress: Progress) -> None:
    """Go through tree and index side by side; without a whole tree, through the index alone."""
    root = inspection.root()
    assert root is not None, "looked at before"
    in_tree = iter(Tree(inspection, root.data).walk()) if whole else iter(())
    uses = _Grouped(inspection.blob_uses())
    backlinks = _Grouped(inspection.backlinks())
    total = inspection.record_count()
    leaf = next(in_tree, None)
    for record in _unhurried(inspection.records()):
        path = record.path
        while leaf is not None and leaf[0] < path:
            found.add(f"the index lacks {leaf[0]}")
            leaf = next(in_tree, None)
        if leaf is not None and leaf[0] == path:
            if leaf[1].raw != record.cid:
                found.add(f"{path} in the index is not the record of the tree")
            leaf = next(in_tree, None)
        elif whole:
            found.add(f"{path} is in the index, but not in the tree")
        _check_record(record, uses.of(path), backlinks.of(path), found)
        found.records += 1
        progress("records", found.records, total)
    while leaf is not None:
        found.add(f"the index lacks {leaf[0]}")
        leaf = next(in_tree, None)
    for path in (*uses.rest(), *backlinks.rest()):
        found.add(f"the index notes what {path} refers to, but has no such record")


def _check_record(record: RecordLine, uses: set[object], subjects: set[object], found: _Findings) -> None:
    path = record.path
    if not CID(record.cid).verifies(record.value):
        found.add(f"the bytes of {path} are not those that its CID stands for")
        return
    try:
        collection, _ = parse_repo_path(path)
        value = decode_record(record.value)
    except ProtocolError as error:
        found.add(f"{path}: {error}")
        return
    if uses != {blob.cid.raw for blob in blobs_in(value)}:
        found.add(f"the index has other blobs of {path} than the record")
    subject = backlink(collection, value)
    if subjects != (set() if subject is None else {subject}):
        found.add(f"the index has another subject of {path} than the record")


def _check_blobs(inspection: Inspection, found: _Findings) -> None:
    for cid in _unhurried(inspection.used_blobs()):
        found.blobs += 1
        if not inspection.has_blob(cid):
            found.blobs_never_uploaded += 1


class _Grouped:
    """Pairs that come in the order of their first halves, taken group by group."""

    def __init__(self, pairs: Iterator[tuple[str, object]]) -> None:
        self._pairs = pairs
        self._next = next(pairs, None)
        self._skipped: list[str] = []

    def of(self, path: str) -> set[object]:
        """Take the second halves of one path; paths are asked for in their order."""
        found: set[object] = set()
        while self._next is not None and self._next[0] <= path:
            if self._next[0] == path:
                found.add(self._next[1])
            elif len(self._skipped) < MAX_PROBLEMS:
                self._skipped.append(self._next[0])
            self._next = next(self._pairs, None)
        return found

    def rest(self) -> list[str]:
        """Take the paths that nobody asked for, as far as they are told."""
        while self._next is not None:
            if len(self._skipped) < MAX_PROBLEMS:
                self._skipped.append(self._next[0])
            self._next = next(self._pairs, None)
        return self._skipped


def _unhurried(items: Iterator[T]) -> Iterator[T]:
    for index, item in enumerate(items):
        if index % _PAUSE_EVERY == 0:
            time.sleep(_PAUSE_SECONDS)
        yield item
