"""The trip of `test_round_trip` with 50,000 records more: all of them are compared at each stop."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.test_import_repo import import_repo
from tests.support.account import Account
from tests.support.account_view import assert_moved
from tests.support.backups import upload
from tests.support.foreign_repo import large_repo
from tests.support.node import Node
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.rich_account import furnish, png
from tests.support.round_trip import make_trip
from tests.support.server import Tempest

from tempest_pds.protocol.syntax.did import Did

RECORDS = 50_000
# 200 MB is what was asked for.
GROWTH_MIB = 40


def furnish_much(account: Account) -> None:
    pictures = [upload(account, png(seed)) for seed in range(100, 120)]
    status, answer = import_repo(account, large_repo(Did(account.did), RECORDS, pictures, lost=False))
    assert status == 200, answer
    # The reference server keeps a blob once it comes for a record that is there.
    for seed in range(100, 120):
        upload(account, png(seed))
    furnish(account)


@pytest.mark.long
def test_an_account_of_50_000_records_goes_around_whole_and_takes_no_memory_of_its_size(
    node: Node, plc: PlcDirectory, reference: ReferencePds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        trip = make_trip(stack, tmp_path, node, plc, reference, furnish_much)
        with capsys.disabled():
            told = (f"{stop.server.name} {stop.growth_mib:.0f} MiB" for stop in trip.stops[1:])
            print(f"\n{RECORDS} records, above rest on arrival: {', '.join(told)}")
        for left, came in zip(trip.stops, trip.stops[1:], strict=False):
            assert left.departure is not None
            assert came.arrival is not None
            assert_moved(left.departure, came.arrival)
            assert len(came.arrival.records) > RECORDS
            assert not came.arrival.missing_blobs
            if isinstance(came.server, Tempest):
                assert came.growth_mib < GROWTH_MIB
