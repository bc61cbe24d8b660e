"""A damaged repository is refused, or it is still the same one: there is nothing in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.foreign_repo import Foreign, post

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.foreign_repos import ForeignHead, ForeignRepo
from tempest_pds.stores.block_spool import BlockSpool

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
WHOLE = Foreign({f"app.bsky.feed.post/{n}": post(str(n)) for n in range(40)}, ALICE)
CAR = WHOLE.car()

_at = st.integers(0, len(CAR) - 1)
_pieces = st.binary(min_size=0, max_size=40)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(edits=st.lists(st.tuples(_at, st.integers(0, 40), _pieces), min_size=1, max_size=3), chunk=st.integers(1, 5000))
def test_whatever_is_damaged_is_refused_or_the_same(
    tmp_path: Path, edits: list[tuple[int, int, bytes]], chunk: int
) -> None:
    data = CAR
    for at, gone, piece in edits:
        data = data[:at] + piece + data[at + gone :]
    spool = BlockSpool(tmp_path / "spool")
    spool.open()
    try:
        foreign = ForeignRepo(spool)
        foreign.take(data[start : start + chunk] for start in range(0, len(data), chunk))
        commit = foreign.check(ALICE, MemoryBlockSource())
        rows = list(foreign.rows(ForeignHead(commit, "3jzfcijpj2z2b", commit.cid, commit.encode())))
    except InvalidRequest:
        return
    finally:
        spool.close()
    assert commit.data == WHOLE.data
    assert {path: block for row in rows for path, _, block in row.upserts} == WHOLE.records


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_the_size_of_the_pieces_makes_no_difference(tmp_path: Path, chunk: int) -> None:
    spool = BlockSpool(tmp_path / "spool")
    spool.open()
    foreign = ForeignRepo(spool)
    foreign.take(CAR[start : start + chunk] for start in range(0, len(CAR), chunk))
    assert foreign.check(ALICE, MemoryBlockSource()) == WHOLE.commit
    spool.close()
