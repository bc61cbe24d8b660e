"""A tree as a value: it never changes, and a change gives another one that shares nearly all nodes with it.

Nodes are read from the source when they are first needed, and stay with the tree. So a tree in use is warm, and the
next tree inherits what is known of the last. A walk over everything leaves nothing behind; `shrink` bounds the rest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.block_source import BlockSource
from tempest_pds.repo.errors import InvalidNode, InvalidRepoPath, MissingBlock, RecordDiffers
from tempest_pds.repo.mst.change import LeafChange, TreeChange
from tempest_pds.repo.mst.edit import Edit
from tempest_pds.repo.mst.loader import NodeLoader
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT, Node, is_valid_key
from tempest_pds.repo.mst.proof import cover, path_nodes

__all__ = ["EMPTY_ROOT", "Tree"]


class Tree:
    """An immutable Merkle search tree over a source of blocks.

    Every method that reads may raise MissingBlock when the source lacks a node, and InvalidNode when a node is not what
    may stand at its place; a tree is checked as far as it is read.

    Args:
        source: where nodes come from that are not in memory.
        root: the CID of the top, or None for the empty tree.
    """

    __slots__ = ("_loader", "_top")

    def __init__(self, source: BlockSource, root: CID | None = None) -> None:
        self._loader = NodeLoader(source)
        self._top: Node | bytes
        if root is None or root == EMPTY_ROOT:
            self._top = Node(0, (), [None], block=EMPTY_BLOCK, raw=EMPTY_ROOT.raw)
        else:
            self._top = root.raw

    @classmethod
    def _derived(cls, loader: NodeLoader, top: Node | bytes) -> Tree:
        tree = cls.__new__(cls)
        tree._loader = loader
        tree._top = top
        return tree

    @property
    def root(self) -> CID:
        """The CID of the top, which stands for the whole content."""
        top = self._top
        return CID(top if isinstance(top, bytes) else top.raw)

    @property
    def top(self) -> Node:
        """The top node, for the walks and comparisons of this package."""
        top = self._top
        if isinstance(top, bytes):
            top = self._top = self._loader.load_top(top)
            self._loader.cached += 1
        return top

    @property
    def loader(self) -> NodeLoader:
        """What the tree reads its nodes with, for the walks and comparisons of this package."""
        return self._loader

    def get(self, path: str) -> CID | None:
        """Return the record at a path, or None."""
        key = path.encode()
        loader = self._loader
        node: Node | None = self.top
        while node is not None:
            keys = node.keys
            index = bisect_left(keys, key)
            if index < len(keys) and keys[index] == key:
                return CID(node.read_value(index))
            node = loader.child(node, index)
        return None

    def apply(self, changes: Iterable[LeafChange], *, prove: bool = True) -> TreeChange:
        """Make a batch of changes, in order, all or none.

        A change with no `prev` creates, one with no `cid` deletes, one with both updates. The cost is that of the nodes
        on the paths of the changes, whatever the size of the tree.

        Args:
            changes: at most one for each path.
            prove: gather the covering proof of the changed paths, too.

        Raises:
            InvalidRepoPath: the tree cannot hold such a path.
            RecordExists: a path to create is there.
            RecordMissing: a path to update or delete is not there.
            RecordDiffers: it is there, but its record is not `prev`.
        """
        loader = self._loader
        edit = Edit(loader, self.top)
        keys = []
        for change in changes:
            path, cid, prev = change.path, change.cid, change.prev
            key = path.encode()
            keys.append(key)
            if cid is None:
                if prev is None:
                    raise RecordDiffers(path)
                edit.remove(key, prev.raw)
            elif prev is None:
                if not is_valid_key(key):
                    raise InvalidRepoPath(path)
                edit.insert(key, cid.raw)
            else:
                edit.update(key, cid.raw, prev.raw)
        top, made = edit.seal()
        touched = edit.touched
        new = {CID(raw): block for raw, block in made.items() if raw not in touched}
        removed = {CID(raw) for raw in touched if raw not in made}
        loader.cached += len(made) - len(touched)
        tree = Tree._derived(loader, top)
        proof: dict[bytes, bytes] = {}
        if prove:
            top = tree.top
            proof[top.raw] = top.block
            for key in keys:
                cover(loader, top, key, proof)
        others = {CID(raw): block for raw, block in proof.items() if raw not in made or raw in touched}
        return TreeChange(tree, new, removed, others)

    def proof(self, path: str) -> dict[CID, bytes]:
        """Return the nodes that prove what is at a path, or that nothing is."""
        nodes, _ = path_nodes(self._loader, self.top, path.encode())
        return {node.cid: node.block for node in nodes}

    def covering_proof(self, paths: Iterable[str]) -> dict[CID, bytes]:
        """Return the nodes that prove what is at each path and what its neighbours are."""
        proof: dict[bytes, bytes] = {}
        for path in paths:
            cover(self._loader, self.top, path.encode(), proof)
        return {CID(raw): block for raw, block in proof.items()}

    def walk(self, after: str | None = None) -> Iterator[tuple[str, CID]]:
        """Yield paths and records in order, from the first path above `after`; keeps nothing in memory."""
        return self._in_order(b"" if after is None else after.encode() + b"\0", partial=False)

    def walk_known(self) -> Iterator[tuple[str, CID]]:
        """Yield paths and records in order, as far as the source has the nodes: all that a partial tree tells."""
        return self._in_order(b"", partial=True)

    def _in_order(self, start: bytes, *, partial: bool) -> Iterator[tuple[str, CID]]:
        last = b""
        for key, value in self._walk(self.top, start, partial):
            # A stranger's tree may name one subtree many times over; it ends here, before that costs anything.
            if key <= last:
                raise InvalidNode("the keys of a tree do not rise")
            last = key
            yield key.decode("ascii"), CID(value)

    def _walk(self, node: Node, start: bytes, partial: bool) -> Iterator[tuple[bytes, bytes]]:
        first = bisect_left(node.keys, start)
        values = node.read_values()
        for index in range(first, len(node.children)):
            child = self._visit(node, index, partial)
            if child is not None:
                yield from self._walk(child, start, partial)
            if index < len(values):
                yield node.keys[index], values[index]

    def nodes(self) -> Iterator[tuple[CID, bytes]]:
        """Yield every node, a parent before its children, left before right; keeps nothing in memory."""
        for cid, what in self.preorder():
            if isinstance(what, bytes):
                yield cid, what

    def preorder(self) -> Iterator[tuple[CID, bytes | str]]:
        """Yield nodes with their blocks, and records with their paths, in the order of a streamed export.

        A node comes before what it names, and its children and records come in the order of the paths: a reader that
        follows never has to look back. Keeps nothing in memory.
        """
        last = ""
        for cid, what in self._preorder(self.top):
            if isinstance(what, str):
                if what <= last:
                    raise InvalidNode("the keys of a tree do not rise")
                last = what
            yield cid, what

    def _preorder(self, node: Node) -> Iterator[tuple[CID, bytes | str]]:
        yield CID(node.raw), node.block
        values = node.read_values()
        for index in range(len(node.children)):
            child = self._visit(node, index)
            if child is not None:
                yield from self._preorder(child)
            if index < len(values):
                yield CID(values[index]), node.keys[index].decode("ascii")

    def _visit(self, node: Node, index: int, partial: bool = False) -> Node | None:
        child = node.children[index]
        if not isinstance(child, bytes):
            return child
        try:
            return self._loader.load(child, node.layer - 1)
        except MissingBlock:
            if partial:
                return None
            raise

    @property
    def cached_nodes(self) -> int:
        """About how many nodes are in memory; one takes about 1.3 KB with its keys."""
        return self._loader.cached

    def shrink(self, max_nodes: int) -> None:
        """Drop nodes from memory, the deepest first, until at most `max_nodes` are left; cheap when fewer are there.

        Only for when the source has every node of the tree: what is dropped is read again when it is needed.
        """
        if self._loader.cached <= max_nodes:
            return
        top = self._top
        if isinstance(top, bytes):
            self._loader.cached = 0
            return
        kept = 1
        queue = deque([top])
        while queue:
            node = queue.popleft()
            for index, child in enumerate(node.children):
                if isinstance(child, Node):
                    if kept < max_nodes:
                        kept += 1
                        queue.append(child)
                    else:
                        node.children[index] = child.raw
        self._loader.cached = kept
