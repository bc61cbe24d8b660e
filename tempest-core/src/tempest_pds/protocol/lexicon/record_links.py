"""The blobs that a record refers to.

https://atproto.com/specs/data-model#blob-type
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.lexicon.failure import Failure
from tempest_pds.protocol.lexicon.scalars import is_safe_integer

_Trail = tuple["_Trail", str | int] | tuple[()]


@dataclass(frozen=True, slots=True)
class BlobRef:
    """One reference to a blob, and where in the record it stands."""

    cid: CID
    mime_type: str
    size: int
    """In bytes; -1 when the reference does not say, as those of the old form do not."""
    path: str
    """`$.embed.images[0].image`"""
    is_legacy: bool = False
    """Whether it has the old form, `{"cid": …, "mimeType": …}`, which new records may not have."""


def blobs_in(value: object) -> list[BlobRef]:
    """Find the blob references in a value, however deep, in the order of its keys; what only resembles one is none."""
    return list(_walk(value))


def _walk(value: object) -> Iterator[BlobRef]:
    # A stack of our own: a foreign record may be nested as deep as the data model allows.
    stack: list[tuple[object, _Trail]] = [(value, ())]
    while stack:
        item, trail = stack.pop()
        if isinstance(item, dict):
            if "mimeType" in item and (blob := _typed(item, trail) or _legacy(item, trail)):
                yield blob
                continue
            stack += [(inner, (trail, key)) for key, inner in reversed(item.items()) if isinstance(inner, (dict, list))]
        elif isinstance(item, list):
            numbered = reversed(list(enumerate(item)))
            stack += [(inner, (trail, index)) for index, inner in numbered if isinstance(inner, (dict, list))]


def _typed(item: dict[str, Any], trail: _Trail) -> BlobRef | None:
    if item.get("$type") != "blob" or item.keys() != {"$type", "ref", "mimeType", "size"}:
        return None
    ref, mime_type, size = item["ref"], item["mimeType"], item["size"]
    if not isinstance(ref, CID) or not isinstance(mime_type, str) or "/" not in mime_type:
        return None
    if not is_safe_integer(size) or size < -1:
        return None
    return BlobRef(ref, mime_type, size, _path(trail))


def _legacy(item: dict[str, Any], trail: _Trail) -> BlobRef | None:
    if item.keys() != {"cid", "mimeType"}:
        return None
    text, mime_type = item["cid"], item["mimeType"]
    if not isinstance(text, str) or not isinstance(mime_type, str) or not mime_type:
        return None
    try:
        cid = CID.parse(text)
    except InvalidEncoding:
        return None
    return BlobRef(cid, mime_type, -1, _path(trail), is_legacy=True)


def _path(trail: _Trail) -> str:
    where = Failure("")
    while trail:
        trail, key = trail
        where.keys.append(key)
    return where.path()
