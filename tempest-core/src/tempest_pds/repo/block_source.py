"""Where the blocks of a repository are read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import MissingBlock

__all__ = ["BlockSource", "MemoryBlockSource", "MissingBlock"]


class BlockSource(Protocol):
    """Anything that finds a block by its CID.

    What it returns is taken to hash to the CID: a source that holds a stranger's blocks checks that as it takes them.
    """

    def get(self, cid: CID, /) -> bytes | None:
        """Return the block, or None when it is not here."""


class MemoryBlockSource:
    """Blocks in a dict, as a CAR that was read whole gives them."""

    __slots__ = ("blocks",)

    def __init__(self, blocks: Mapping[CID, bytes] | None = None) -> None:
        self.blocks: dict[CID, bytes] = dict(blocks or {})

    def get(self, cid: CID, /) -> bytes | None:
        """Return the block, or None when it is not here."""
        return self.blocks.get(cid)
