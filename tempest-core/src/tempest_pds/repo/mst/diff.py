"""Compare two trees: which records and nodes one has and the other has not, reading only where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import InvalidNode
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.loader import NodeLoader
from tempest_pds.repo.mst.node import Node
from tempest_pds.repo.mst.tree import Tree


@dataclass(frozen=True, slots=True)
class TreeDiff:
    """What leads from one tree to another.

    Attributes:
        changes: one for each path that differs, in order.
        new_nodes: nodes of the new tree that the old one does not have.
        removed_nodes: nodes of the old tree that the new one does not have.
    """

    changes: list[Change]
    new_nodes: dict[CID, bytes]
    removed_nodes: set[CID]


def diff(old: Tree, new: Tree) -> TreeDiff:
    """Find what leads from one tree to another; equal subtrees at the same place are not opened.

    Raises MissingBlock, InvalidNode.
    """
    before, after = _Cursor(old), _Cursor(new)
    changes = list(_changes(before, after))
    return TreeDiff(
        changes,
        {CID(raw): block for raw, block in after.opened.items() if raw not in before.opened},
        {CID(raw) for raw in before.opened if raw not in after.opened},
    )


def _changes(before: _Cursor, after: _Cursor) -> Iterator[Change]:
    while True:
        # Open subtrees, the higher first, until both sides stand at a record; skip what is the same on both.
        while before.child is not None or after.child is not None:
            if before.child is not None and after.child is not None and before.child == after.child:
                before.skip()
                after.skip()
            elif after.child is None or (before.child is not None and before.layer >= after.layer):
                before.open()
            else:
                after.open()
        if before.key is None and after.key is None:
            return
        if after.key is None or (before.key is not None and before.key < after.key):
            assert before.key is not None
            yield Change(before.key.decode("ascii"), None, CID(before.value))
            before.skip()
        elif before.key is None or after.key < before.key:
            yield Change(after.key.decode("ascii"), CID(after.value), None)
            after.skip()
        else:
            if before.value != after.value:
                yield Change(after.key.decode("ascii"), CID(after.value), CID(before.value))
            before.skip()
            after.skip()


class _Cursor:
    """A place in a tree: before a subtree (`child`) to be opened or skipped, at a record (`key`), or at the end."""

    __slots__ = ("_last", "_loader", "_node", "_stack", "child", "key", "layer", "opened", "value")

    def __init__(self, tree: Tree) -> None:
        self._loader: NodeLoader = tree.loader
        self._last = b""
        self.opened: dict[bytes, bytes] = {}
        self._stack: list[tuple[int, list[Node | bytes | tuple[bytes, bytes] | None]]] = []
        top = tree.top
        if top.keys:
            self._stack.append((top.layer, [top]))
        else:
            self.opened[top.raw] = top.block
        self.skip()

    def skip(self) -> None:
        """Go on to the next subtree or record."""
        self.child: bytes | None = None
        self.key: bytes | None = None
        self.value = b""
        while self._stack:
            layer, items = self._stack[-1]
            if not items:
                self._stack.pop()
                continue
            item = items.pop()
            if item is None:
                continue
            self.layer = layer
            if isinstance(item, tuple):
                self.key, self.value = item
                # A stranger's tree may name one subtree many times over; it ends here, before that costs anything.
                if self.key <= self._last:
                    raise InvalidNode("the keys of a tree do not rise")
                self._last = self.key
            else:
                self._node = item
                self.child = item if isinstance(item, bytes) else item.raw
            return

    def open(self) -> None:
        """Go on to what the subtree begins with."""
        node = self._loader.load(self._node, self.layer) if isinstance(self._node, bytes) else self._node
        self.opened[node.raw] = node.block
        items: list[Node | bytes | tuple[bytes, bytes] | None] = []
        values = node.read_values()
        for index in range(len(values) - 1, -1, -1):
            items += (node.children[index + 1], (node.keys[index], values[index]))
        items.append(node.children[0])
        self._stack.append((node.layer - 1, items))
        self.skip()
