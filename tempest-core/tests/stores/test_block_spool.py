"""The place where the blocks of an import wait."""

from __future__ import annotations

from pathlib import Path

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.block_spool import BlockSpool


def test_it_gives_back_what_was_put_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = BlockSpool(tmp_path / "spool.sqlite")
    spool.open()
    blocks = {CID.for_raw(b"%d" % number): b"%d" % number for number in range(2_000)}
    spool.put(list(blocks.items())[:1_500])
    spool.put(list(blocks.items())[500:])
    assert all(spool.get(cid) == block for cid, block in blocks.items())
    assert spool.get(CID.for_raw(b"another")) is None
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_blobs_are_noted_beside_the_blocks(tmp_path: Path) -> None:
    spool = BlockSpool(tmp_path / "spool.sqlite")
    spool.open()
    spool.note_blobs([CID.for_raw(b"one"), CID.for_raw(b"one")])
    assert spool.refers_to(CID.for_raw(b"one"))
    assert not spool.refers_to(CID.for_raw(b"two"))
    assert spool.get(CID.for_raw(b"one")) is None
    spool.close()


def test_one_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    BlockSpool(tmp_path / "spool.sqlite").close()
