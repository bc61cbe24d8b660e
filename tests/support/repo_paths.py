"""Paths of repositories that make trees of an interesting shape from few records."""

from tests.support.plain_tree import leading_zero_pairs

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID

_COLLECTIONS = ("app.bsky.feed.like", "app.bsky.feed.post", "com.example.x")


def paths_of_all_heights(per_height: int, highest: int = 6) -> list[str]:
    """Return as many paths of each height, where real ones are of height 0 three times in four."""
    found: dict[int, list[str]] = {height: [] for height in range(highest + 1)}
    missing = per_height * len(found)
    number = 0
    while missing:
        path = f"{_COLLECTIONS[number % 3]}/3k{number * 7919 % 100_003:06d}"
        paths = found.get(leading_zero_pairs(path))
        if paths is not None and len(paths) < per_height:
            paths.append(path)
            missing -= 1
        number += 1
    return sorted(path for paths in found.values() for path in paths)


def record(number: int, name: str = "") -> tuple[CID, bytes]:
    """Return the CID and block of a small record."""
    block = dag_cbor.encode({"$type": "com.example.x", "name": name, "number": number})
    return CID.for_dag_cbor(block), block
