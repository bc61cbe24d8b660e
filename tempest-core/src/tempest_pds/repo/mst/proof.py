"""The nodes of a tree that prove something about a path to whoever trusts the root.

*Inclusion and exclusion*: the nodes from the top down to the key, or down to the gap where it would be.

*Covering proof*: those, and the nodes on both sides down to the nearest key on the left and on the right. Undoing a
change needs them: taking a path out joins the subtrees beside it, putting one in parts the subtree around it, and
either may move what the top is. They are what the reference's `getCoveringProof` gathers
(https://atproto.com/specs/sync).
"""

from __future__ import annotations

from bisect import bisect_left

from tempest_pds.repo.mst.loader import NodeLoader
from tempest_pds.repo.mst.node import Node


def path_nodes(loader: NodeLoader, top: Node, key: bytes) -> tuple[list[Node], int | None]:
    """Return the nodes from the top to where a key is or would be, and its index in the last one if it is there."""
    nodes = []
    node: Node | None = top
    while node is not None:
        nodes.append(node)
        index = bisect_left(node.keys, key)
        if index < len(node.keys) and node.keys[index] == key:
            return nodes, index
        node = loader.child(node, index)
    return nodes, None


def cover(loader: NodeLoader, top: Node, key: bytes, proof: dict[bytes, bytes]) -> None:
    """Add the covering proof of a path to `proof`, blocks by raw CID."""
    nodes, index = path_nodes(loader, top, key)
    for node in nodes:
        proof[node.raw] = node.block
    if index is None:
        return
    left = loader.child(nodes[-1], index)
    while left is not None:
        proof[left.raw] = left.block
        left = loader.child(left, len(left.keys))
    right = loader.child(nodes[-1], index + 1)
    while right is not None:
        proof[right.raw] = right.block
        right = loader.child(right, 0)
