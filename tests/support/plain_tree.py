"""A Merkle search tree as the specification tells it, built from scratch by recursion: an oracle, not Tempest's."""

import hashlib
from collections.abc import Mapping

import cbor2

from tempest_pds.protocol.data_model.cid import CID


def leading_zero_pairs(path: str) -> int:
    bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(path.encode()).digest())
    return (len(bits) - len(bits.lstrip("0"))) // 2


def build(records: Mapping[str, CID]) -> tuple[CID, dict[CID, bytes]]:
    """Return the root and all nodes of the tree of *records*."""
    nodes: dict[CID, bytes] = {}
    top = max(map(leading_zero_pairs, records), default=0)
    root = _node(sorted(records.items()), top, nodes)
    if root is None:
        root = _add({"l": None, "e": []}, nodes)
    return root, nodes


def _node(items: list[tuple[str, CID]], layer: int, nodes: dict[CID, bytes]) -> CID | None:
    if not items:
        return None
    groups: list[list[tuple[str, CID]]] = [[]]
    own: list[tuple[str, CID]] = []
    for path, value in items:
        if leading_zero_pairs(path) == layer:
            own.append((path, value))
            groups.append([])
        else:
            groups[-1].append((path, value))
    children = [_node(group, layer - 1, nodes) for group in groups]
    entries = []
    previous = ""
    for (path, value), child in zip(own, children[1:], strict=True):
        shared = 0
        while shared < min(len(previous), len(path)) and previous[shared] == path[shared]:
            shared += 1
        entries.append({"p": shared, "k": path[shared:].encode(), "v": _link(value), "t": _link(child)})
        previous = path
    return _add({"l": _link(children[0]), "e": entries}, nodes)


def _link(cid: CID | None) -> cbor2.CBORTag | None:
    return None if cid is None else cbor2.CBORTag(42, b"\0" + cid.raw)


def _add(node: object, nodes: dict[CID, bytes]) -> CID:
    block = cbor2.dumps(node, canonical=True)
    cid = CID.for_dag_cbor(block)
    nodes[cid] = block
    return cid
