"""What a firehose consumer knows of a repository: built from commit frames alone."""

import base64
from dataclasses import dataclass, field
from typing import Any

import cbor2
from tests.support.frames import Frame


def cid_text(link: Any) -> str:
    """Return the text of a CID from its CBOR tag (base32, lower case, as CIDv1 is written)."""

    return "b" + base64.b32encode(link.value[1:]).decode().lower().rstrip("=")


def read_car(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the root and the blocks by CID (binary) of a CAR v1 whose CIDs are all 36 bytes, as in repositories."""
    header_size, at = _varint(data, 0)
    header = cbor2.loads(data[at : at + header_size])
    at += header_size
    blocks = {}
    while at < len(data):
        size, at = _varint(data, at)
        blocks[data[at : at + 36]] = data[at + 36 : at + size]
        at += size
    return header["roots"][0].value[1:], blocks


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


@dataclass
class RepoMirror:
    """One repository as its events tell it. `follow` asserts that each commit continues the one before."""

    contents: dict[str, str] = field(default_factory=dict)
    revs: list[str] = field(default_factory=list)
    data: bytes | None = None

    def follow(self, frame: Frame) -> None:
        body = frame.body
        if self.revs:
            assert body["since"] == self.revs[-1], f"{body['repo']}: a commit is missing before {body['rev']}"
            assert body["rev"] > self.revs[-1]
            assert body["prevData"].value[1:] == self.data
        root, blocks = read_car(body["blocks"])
        assert root == body["commit"].value[1:]
        commit = cbor2.loads(blocks[root])
        assert (commit["did"], commit["rev"]) == (body["repo"], body["rev"])
        self.revs.append(body["rev"])
        self.data = commit["data"].value[1:]
        for op in body["ops"]:
            if op["action"] == "create":
                assert op["path"] not in self.contents
            else:
                assert cid_text(op["prev"]) == self.contents[op["path"]]
            if op["action"] == "delete":
                del self.contents[op["path"]]
            else:
                assert op["cid"].value[1:] in blocks
                self.contents[op["path"]] = cid_text(op["cid"])
