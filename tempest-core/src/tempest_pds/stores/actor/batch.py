"""Folding a run of commits into the rows that are left of them.

Pipelined writes reach a repo file several commits at a time, and the nodes near the root are replaced by each of them.
So only what the last commit still holds is kept: later changes win, and a node that was never on disk is not deleted.
"""

from __future__ import annotations

from collections.abc import Sequence

from tempest_pds.stores.actor.commit_row import CommitRow


class NodeChanges:
    """What some commits of one repo change in its tree, against the nodes on the disk.

    Never changed once made, so that a reader who holds it holds one state. `nodes` are (cid, rev, block) by binary CID.
    """

    __slots__ = ("_rewritten", "nodes", "removed")

    def __init__(self) -> None:
        self.nodes: dict[bytes, tuple[bytes, str, bytes]] = {}
        self.removed: set[bytes] = set()
        self._rewritten: set[bytes] = set()

    def followed_by(self, commits: Sequence[CommitRow]) -> NodeChanges:
        """Return these changes with those of later commits, oldest first, put on top."""
        after = NodeChanges()
        nodes = after.nodes = self.nodes.copy()
        removed = after.removed = self.removed.copy()
        # Nodes that were to be deleted and came back: on the disk and in `nodes`. Gone again, they are to be deleted.
        rewritten = after._rewritten = self._rewritten.copy()
        for commit in commits:
            for cid in commit.removed_nodes:
                raw = cid.raw
                if nodes.pop(raw, None) is None or raw in rewritten:
                    removed.add(raw)
            rev = commit.rev
            for cid, block in commit.new_nodes.items():
                raw = cid.raw
                nodes[raw] = (raw, rev, block)
                if raw in removed:
                    removed.discard(raw)
                    rewritten.add(raw)
        return after


NO_NODE_CHANGES = NodeChanges()


class RecordChanges:
    """The net change of some commits to the records of one repo, oldest first; deletes come before upserts."""

    __slots__ = ("backlinks", "blobs", "deletes", "upserts")

    def __init__(self, commits: Sequence[CommitRow]) -> None:
        self.upserts: dict[str, tuple[str, bytes, str, bytes]] = {}
        self.deletes: dict[str, None] = {}
        self.blobs: dict[str, set[bytes]] = {}
        self.backlinks: dict[str, str] = {}
        for commit in commits:
            self._fold(commit)

    def _fold(self, commit: CommitRow) -> None:
        rev = commit.rev
        for path in commit.deletes:
            self.upserts.pop(path, None)
            self.deletes[path] = None
            self.blobs.pop(path, None)
            self.backlinks.pop(path, None)
        for path, cid, value in commit.upserts:
            self.upserts[path] = (path, cid.raw, rev, value)
            self.blobs.pop(path, None)
            self.backlinks.pop(path, None)
        for path, cid in commit.blobs:
            self.blobs.setdefault(path, set()).add(cid.raw)
        for path, subject in commit.backlinks:
            self.backlinks[path] = subject
