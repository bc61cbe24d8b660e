"""A change of one path of a tree, and what a batch of them came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tempest_pds.protocol.data_model.cid import CID

if TYPE_CHECKING:
    from tempest_pds.repo.mst.tree import Tree


class LeafChange(Protocol):
    """What a tree asks of a change: a path, its record before and its record after, None where there is none."""

    @property
    def path(self) -> str:
        """The path, `collection/rkey`."""

    @property
    def cid(self) -> CID | None:
        """The record after the change."""

    @property
    def prev(self) -> CID | None:
        """The record before the change."""


class Change(NamedTuple):
    """The plainest `LeafChange`."""

    path: str
    cid: CID | None
    prev: CID | None = None


@dataclass(frozen=True, slots=True)
class TreeChange:
    """A tree after a batch of changes, and how its nodes differ from those before.

    Attributes:
        tree: the new tree.
        new_nodes: nodes that the old tree does not have.
        removed_nodes: nodes of the old tree that the new one does not have.
        proof_nodes: other nodes of the new tree that whoever knows only its root needs to undo the changes.
    """

    tree: Tree
    new_nodes: dict[CID, bytes]
    removed_nodes: set[CID]
    proof_nodes: dict[CID, bytes]
