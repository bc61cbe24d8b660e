"""Turn the CIDs in a tree into nodes, once each is asked for."""

from __future__ import annotations

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.block_source import BlockSource
from tempest_pds.repo.errors import InvalidNode, MissingBlock
from tempest_pds.repo.mst.height import height
from tempest_pds.repo.mst.node import EMPTY_ROOT, Node, decode


class NodeLoader:
    """Reads nodes from a source, and checks that each may stand in the layer that it is read for.

    That the keys of one node fit between those of another is for walks to check, which see them in order.

    Attributes:
        source: where the blocks come from.
        cached: about how many nodes the newest tree that reads through this loader holds in memory.
    """

    __slots__ = ("cached", "source")

    def __init__(self, source: BlockSource) -> None:
        self.source = source
        self.cached = 0

    def load(self, raw: bytes, layer: int) -> Node:
        """Read the node that a parent of layer `layer + 1` names; raise MissingBlock, InvalidNode."""
        block = self._block(raw)
        keys, _, children = decode(block)
        if not keys and children[0] is None:
            raise InvalidNode("an empty node inside a tree")
        return _checked(layer, keys, children, block, raw)

    def load_top(self, raw: bytes) -> Node:
        """Read the top of a tree, which tells its layer itself; raise MissingBlock, InvalidNode."""
        block = self._block(raw)
        keys, _, children = decode(block)
        if not keys:
            if raw != EMPTY_ROOT.raw:
                raise InvalidNode("the top of a tree has a child and no keys")
            return Node(0, (), [None], block=block, raw=raw)
        return _checked(height(keys[0]), keys, children, block, raw)

    def child(self, node: Node, index: int) -> Node | None:
        """Return a child of a node, and keep it with the node; None when there is none."""
        child = node.children[index]
        if isinstance(child, bytes):
            child = node.children[index] = self.load(child, node.layer - 1)
            self.cached += 1
        return child

    def _block(self, raw: bytes) -> bytes:
        block = self.source.get(CID(raw))
        if block is None:
            raise MissingBlock(CID(raw))
        return block


def _checked(layer: int, keys: list[bytes], children: list[bytes | None], block: bytes, raw: bytes) -> Node:
    for key in keys:
        if height(key) != layer:
            raise InvalidNode("a key of a tree is not at its height")
    if layer == 0 and any(children):
        raise InvalidNode("a node below the lowest layer")
    if layer < 0:
        raise InvalidNode("a node below the lowest layer")
    return Node(layer, tuple(keys), list(children), block=block, raw=raw)
