"""Folding a run of commits into the rows that are left of them.

Pipelined writes reach a repo file several commits at a time. The nodes near the root are replaced by each of them, so
only what the last commit still holds is written: later changes win, and a node that was never on disk is not deleted.
"""

from __future__ import annotations

from collections.abc import Sequence

from tempest_pds.stores.actor.commit_row import CommitRow


class Batch:
    """The net change of some commits of one repo, in the order they were made; deletes come before upserts."""

    __slots__ = ("backlinks", "blobs", "deletes", "nodes", "removed", "rewritten", "upserts")

    def __init__(self, commits: Sequence[CommitRow]) -> None:
        self.nodes: dict[bytes, tuple[bytes, str, bytes]] = {}
        self.removed: set[bytes] = set()
        self.upserts: dict[str, tuple[str, bytes, str, bytes]] = {}
        self.deletes: dict[str, None] = {}
        self.blobs: dict[str, set[bytes]] = {}
        self.backlinks: dict[str, str] = {}
        self.rewritten: set[bytes] = set()
        for commit in commits:
            self._fold(commit)

    def _fold(self, commit: CommitRow) -> None:
        rev = commit.rev
        nodes, removed, rewritten = self.nodes, self.removed, self.rewritten
        for cid in commit.removed_nodes:
            raw = cid.raw
            if nodes.pop(raw, None) is None or raw in rewritten:
                removed.add(raw)
        for cid, block in commit.new_nodes.items():
            raw = cid.raw
            nodes[raw] = (raw, rev, block)
            if raw in removed:
                removed.discard(raw)
                rewritten.add(raw)
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
