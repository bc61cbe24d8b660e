"""A batch of changes to a tree: it makes new nodes on the paths that change, and shares all others.

An edit starts from sealed nodes and leaves them as they are. What it makes is unsealed until `seal` encodes and hashes
each new node once, children first, however many changes went through it. A node of which only children changed is not
encoded again: the 36 bytes of each changed CID are overwritten in a copy of its block.
"""

from __future__ import annotations

from bisect import bisect_left

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import MissingBlock, RecordDiffers, RecordExists, RecordMissing
from tempest_pds.repo.mst.height import height
from tempest_pds.repo.mst.loader import NodeLoader
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT, Node, encode, replace_child

_Child = Node | bytes | None


class Edit:
    """One batch of changes on the way from one tree to the next; used once.

    Attributes:
        top: the top as it stands, unsealed; None for a tree without records.
        touched: raw CIDs of the nodes of the old tree that are no longer part of the new one as they are.
    """

    __slots__ = ("_loader", "top", "touched")

    def __init__(self, loader: NodeLoader, top: Node) -> None:
        self._loader = loader
        self.touched: set[bytes] = set()
        self.top: Node | None = top
        if not top.keys:
            self.touched.add(top.raw)
            self.top = None

    def insert(self, key: bytes, value: bytes) -> None:
        """Add a path; raise RecordExists."""
        layer = height(key)
        top = self.top
        if top is None:
            self.top = Node(layer, (key,), [None, None], values=[value])
        elif layer <= top.layer:
            self.top = self._insert(top, layer, key, value)
        else:
            left, right = self._split(top, key)
            left = _raise_to(left, top.layer, layer - 1)
            right = _raise_to(right, top.layer, layer - 1)
            self.top = Node(layer, (key,), [left, right], values=[value])

    def update(self, key: bytes, value: bytes, previous: bytes | None) -> None:
        """Point a path to another record; raise RecordMissing, or RecordDiffers if it has not `previous`."""
        top = self.top
        if top is None:
            raise RecordMissing(key.decode("ascii"))
        self.top = self._update(top, key, value, previous)

    def remove(self, key: bytes, previous: bytes | None) -> None:
        """Take a path out; raise RecordMissing, or RecordDiffers if it has not `previous`."""
        top = self.top
        if top is None:
            raise RecordMissing(key.decode("ascii"))
        self.top = self._remove(top, key, previous)

    def seal(self) -> tuple[Node | bytes, dict[bytes, bytes]]:
        """Finish: return the top, and the blocks of all nodes that were made, by raw CID.

        The top is a raw CID when it is a node of the old tree whose block is not in the source, as in a partial tree.
        """
        made: dict[bytes, bytes] = {}
        top = self._without_bridges_above()
        if top is None:
            made[EMPTY_ROOT.raw] = EMPTY_BLOCK
            return Node(0, (), [None], block=EMPTY_BLOCK, raw=EMPTY_ROOT.raw), made
        if isinstance(top, Node) and not top.raw:
            _seal(top, made)
        return top, made

    def _without_bridges_above(self) -> _Child:
        top = self.top
        while top is not None and not top.keys:
            self._touch(top)
            try:
                child = self._loader.child(top, 0)
            except MissingBlock:
                # A partial tree need not hold what is below; were it another bridge, its root CID would tell.
                return top.children[0]
            top = child
        return top

    def _touch(self, node: Node) -> None:
        if node.raw:
            self.touched.add(node.raw)

    def _own(self, node: Node) -> Node:
        """Return a node of this edit with the same content, whose keys and values may be changed."""
        if node.raw:
            self.touched.add(node.raw)
            return Node(node.layer, node.keys, node.children.copy(), values=node.read_values())
        if node.base is not None:
            node.values = node.read_values()
            node.base = None
        return node

    def _with_child(self, node: Node, index: int, child: _Child) -> Node:
        """Return a node of this edit with another child."""
        if child is None or node.children[index] is None:
            node = self._own(node)
        elif node.raw:
            self.touched.add(node.raw)
            node = Node(node.layer, node.keys, node.children.copy(), base=node)
        node.children[index] = child
        return node

    def _insert(self, node: Node, layer: int, key: bytes, value: bytes) -> Node:
        keys = node.keys
        index = bisect_left(keys, key)
        if index < len(keys) and keys[index] == key:
            raise RecordExists(key.decode("ascii"))
        child = self._loader.child(node, index)
        if node.layer > layer:
            if child is None:
                bottom = Node(layer, (key,), [None, None], values=[value])
                return self._with_child(node, index, _raise_to(bottom, layer, node.layer - 1))
            return self._with_child(node, index, self._insert(child, layer, key, value))
        left, right = (None, None) if child is None else self._split(child, key)
        owned = self._own(node)
        assert owned.values is not None
        owned.keys = (*keys[:index], key, *keys[index:])
        owned.values.insert(index, value)
        owned.children[index : index + 1] = (left, right)
        return owned

    def _split(self, node: Node, key: bytes) -> tuple[Node | None, Node | None]:
        """Part a subtree into what sorts before a key and what sorts after it; a side without keys is None."""
        keys = node.keys
        index = bisect_left(keys, key)
        child = self._loader.child(node, index)
        before, after = (None, None) if child is None else self._split(child, key)
        # A side that gets everything is the node itself, unchanged.
        if index == len(keys) and after is None:
            return node, None
        if index == 0 and before is None:
            return None, node
        self._touch(node)
        values = node.read_values()
        children = node.children
        left = Node(node.layer, keys[:index], [*children[:index], before], values=values[:index])
        right = Node(node.layer, keys[index:], [after, *children[index + 1 :]], values=values[index:])
        return left, right

    def _update(self, node: Node, key: bytes, value: bytes, previous: bytes | None) -> Node:
        index, found = _find(node, key)
        if not found:
            child = self._loader.child(node, index)
            if child is None:
                raise RecordMissing(key.decode("ascii"))
            return self._with_child(node, index, self._update(child, key, value, previous))
        owned = self._own(node)
        assert owned.values is not None
        if previous is not None and owned.values[index] != previous:
            raise RecordDiffers(key.decode("ascii"))
        owned.values[index] = value
        return owned

    def _remove(self, node: Node, key: bytes, previous: bytes | None) -> Node | None:
        index, found = _find(node, key)
        if not found:
            child = self._loader.child(node, index)
            if child is None:
                raise RecordMissing(key.decode("ascii"))
            rest = self._remove(child, key, previous)
            if rest is None and not node.keys:
                self._touch(node)
                return None
            return self._with_child(node, index, rest)
        owned = self._own(node)
        assert owned.values is not None
        if previous is not None and owned.values[index] != previous:
            raise RecordDiffers(key.decode("ascii"))
        children = owned.children
        joined = self._join(children[index], children[index + 1], node.layer - 1)
        owned.keys = node.keys[:index] + node.keys[index + 1 :]
        del owned.values[index]
        children[index : index + 2] = (joined,)
        return None if not owned.keys and joined is None else owned

    def _join(self, left: _Child, right: _Child, layer: int) -> _Child:
        """Make one subtree of two neighbours that have no key between them any more."""
        if left is None:
            return right
        if right is None:
            return left
        before = self._loader.load(left, layer) if isinstance(left, bytes) else left
        after = self._loader.load(right, layer) if isinstance(right, bytes) else right
        self._touch(before)
        self._touch(after)
        middle = self._join(before.children[-1], after.children[0], layer - 1)
        return Node(
            layer,
            before.keys + after.keys,
            [*before.children[:-1], middle, *after.children[1:]],
            values=before.read_values() + after.read_values(),
        )


def _find(node: Node, key: bytes) -> tuple[int, bool]:
    keys = node.keys
    index = bisect_left(keys, key)
    return index, index < len(keys) and keys[index] == key


def _raise_to(node: Node | None, layer: int, target: int) -> Node | None:
    """Bridge the layers between a node and the one that its parent expects."""
    if node is not None:
        while layer < target:
            layer += 1
            node = Node(layer, (), [node], values=[])
    return node


def _seal(node: Node, made: dict[bytes, bytes]) -> bytes:
    """Encode a node of this edit, and those below it first; return its raw CID."""
    base = node.base
    if base is None:
        raws = [
            None if child is None else child if isinstance(child, bytes) else child.raw or _seal(child, made)
            for child in node.children
        ]
        assert node.values is not None
        block = encode(node.keys, node.values, raws)
        node.values = None
    else:
        block = base.block
        for index, (old, new) in enumerate(zip(base.children, node.children, strict=True)):
            if new is old or new is None or old is None:
                continue
            old_raw = old if isinstance(old, bytes) else old.raw
            new_raw = new if isinstance(new, bytes) else new.raw or _seal(new, made)
            if new_raw != old_raw:
                block = replace_child(block, index, old_raw, new_raw)
        node.base = None
    node.block = block
    node.raw = raw = CID.for_dag_cbor(block).raw
    made[raw] = block
    return raw
