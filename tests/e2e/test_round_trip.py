"""One account, four servers: reference, Tempest, Tempest, reference. Nothing is lost, and nobody is told what is wrong.

The trip is made once; each test looks at what was seen on the way.
"""

import base64
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cbor2
import pytest
from tests.conftest import RunNode
from tests.support.account import CallRefused
from tests.support.account_view import assert_moved, compare
from tests.support.frames import Frame
from tests.support.node import Node
from tests.support.process import json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.repo_mirror import RepoMirror, read_car
from tests.support.rich_account import PREFERENCES
from tests.support.round_trip import REPO, SERVER, SYNC, Stop, Trip, ask, make_trip
from tests.support.server import Tempest

VERIFY_REPO = Path(__file__).parent / "verify_repo.mjs"
# The first tells that the DID points here now, and comes with the change of it.
COMING = ["identity", "account", "identity", "sync"]
LEGS = {"reference to Tempest": 0, "Tempest to Tempest": 1, "Tempest to reference": 2}


@pytest.fixture(scope="module")
def trip(
    tmp_path_factory: pytest.TempPathFactory, node: Node, plc: PlcDirectory, reference: ReferencePds
) -> Iterator[Trip]:
    with ExitStack() as stack:
        yield make_trip(stack, tmp_path_factory.mktemp("trip"), node, plc, reference)


@pytest.mark.parametrize("leg", LEGS.values(), ids=LEGS.keys())
def test_every_record_blob_and_preference_arrives_and_the_revision_rises(trip: Trip, leg: int) -> None:
    left, came = trip.stops[leg].departure, trip.stops[leg + 1].arrival
    assert left is not None
    assert came is not None
    assert_moved(left, came)
    # What was compared was not nothing.
    assert len(came.records) > 400
    assert came.listed is not None
    assert came.listed.keys() == came.records.keys()
    assert len(came.blobs) >= 5
    assert not came.missing_blobs
    assert [each for each in came.preferences if each in PREFERENCES] == PREFERENCES


def test_the_comparison_sees_a_difference(trip: Trip) -> None:
    here, there = trip.stops[0].departure, trip.stops[1].departure
    assert here is not None
    assert there is not None
    found = "\n".join(compare(here, there))
    for name in ("create", "update"):
        assert trip.stops[1].written[name] in found
    assert f"record {trip.stops[1].written['delete']}: lost" in found
    assert "blob bafkrei" in found
    assert "rev:" in "\n".join(compare(there, here))


@pytest.mark.parametrize("number", range(4))
def test_the_official_consumer_verifies_what_is_written_at_each_stop(trip: Trip, number: int) -> None:
    stop = trip.stops[number]
    own = [event for event in stop.verified if event["did"] == trip.did]
    last = [(event["event"], event["path"]) for event in own[-3:]]
    assert last == [(name, stop.written[name]) for name in ("create", "update", "delete")]
    revs = [event["rev"] for event in own if event.get("rev")]
    assert revs == sorted(revs)
    if number > 0:
        assert [event["event"] for event in own] == [*COMING, "create", "update", "delete"]


@pytest.mark.parametrize("number", [1, 2])
def test_the_firehose_tells_of_coming_writing_and_going_in_this_order(trip: Trip, number: int) -> None:
    stop = trip.stops[number]
    frames = trip.frames(stop)
    kinds = [*COMING, "commit", "commit", "commit", "account"]
    assert [frame.kind.removeprefix("#") for frame in frames] == kinds
    _, coming, identity, sync, *commits, going = frames
    assert (coming.body["active"], coming.body.get("status")) == (True, None)
    assert identity.body["handle"] == stop.account.handle
    assert (going.body["active"], going.body["status"]) == (False, "deactivated")
    assert [op["action"] for commit in commits for op in commit.body["ops"]] == ["create", "update", "delete"]
    _follow(stop, sync, commits)


def _follow(stop: Stop, sync: Frame, commits: list[Frame]) -> None:
    """Hold the commits to what was there on arrival, one after the other, from the `#sync` on."""
    assert stop.arrival is not None
    assert stop.departure is not None
    root, blocks = read_car(sync.body["blocks"])
    data = cbor2.loads(blocks[root])["data"].value[1:]
    mirror = RepoMirror({path: record.cid for path, record in stop.arrival.records.items()}, [sync.body["rev"]], data)
    for commit in commits:
        mirror.follow(commit)
    assert mirror.contents == {path: record.cid for path, record in stop.departure.records.items()}
    assert mirror.revs[-1] == stop.departure.rev


def test_the_first_server_tells_that_the_account_has_gone(trip: Trip) -> None:
    last = trip.frames(trip.stops[0])[-1]
    assert (last.kind, last.body["active"], last.body["status"]) == ("#account", False, "deactivated")


@pytest.mark.parametrize("number", [1, 2])
def test_a_repository_that_has_moved_is_signed_by_the_key_of_its_server(
    trip: Trip, number: int, run_node: RunNode
) -> None:
    stop = trip.stops[number]
    url = f"{stop.server.url}/xrpc/{SYNC}.getRepo?did={trip.did}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {stop.account.access}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        car = base64.b64encode(answer.read()).decode()
    [verdict] = run_node(VERIFY_REPO, [{"did": trip.did, "key": stop.signing_key, "car": car}])
    assert stop.departure is not None
    assert verdict["ok"] == {path: record.cid for path, record in stop.departure.records.items()}


@pytest.mark.parametrize("number", range(3))
def test_a_server_that_was_left_serves_nothing_of_the_account(trip: Trip, number: int) -> None:
    stop, did = trip.stops[number], trip.did
    assert stop.departure is not None
    path, cid = stop.written["create"], next(iter(stop.departure.blobs))
    collection, rkey = path.split("/")
    for nsid, params in {
        f"{SYNC}.getRepo": {},
        f"{SYNC}.getLatestCommit": {},
        f"{SYNC}.getRecord": {"collection": collection, "rkey": rkey},
        f"{SYNC}.getBlocks": {"cids": stop.departure.records[path].cid},
        f"{SYNC}.getBlob": {"cid": cid},
        f"{SYNC}.listBlobs": {},
    }.items():
        status, answer = ask(stop.server, nsid, did=did, **params)
        assert (status, answer["error"]) == (400, "RepoDeactivated"), nsid
    for nsid, params in {
        f"{REPO}.listRecords": {"collection": collection},
        f"{REPO}.describeRepo": {},
    }.items():
        assert ask(stop.server, nsid, repo=did, **params)[0] == 400, nsid
    assert ask(stop.server, "com.atproto.identity.resolveHandle", handle=stop.account.handle)[0] == 400
    state = ask(stop.server, f"{SYNC}.getRepoStatus", did=did)[1]
    assert (state["active"], state["status"], state.get("rev")) == (False, "deactivated", None)
    [listed] = [repo for repo in ask(stop.server, f"{SYNC}.listRepos")[1]["repos"] if repo["did"] == did]
    assert (listed["active"], listed["status"]) == (False, "deactivated")


@pytest.mark.parametrize("number", range(3))
def test_a_server_that_was_left_takes_no_writes_and_keeps_the_owners_copy(trip: Trip, number: int) -> None:
    stop = trip.stops[number]
    with pytest.raises(CallRefused) as refused:
        stop.account.post("too late")
    assert refused.value.name in {"AccountDeactivated", "RepoDeactivated"}
    assert stop.departure is not None
    assert stop.account.query(f"{SYNC}.getLatestCommit", did=trip.did)["rev"] == stop.departure.rev
    assert stop.account.query(f"{SERVER}.checkAccountStatus")["validDid"] is False


@pytest.mark.parametrize("number", [1, 2])
def test_a_server_that_was_left_does_not_switch_the_account_on_again(trip: Trip, number: int) -> None:
    stop = trip.stops[number]
    request = urllib.request.Request(
        f"{stop.server.url}/xrpc/{SERVER}.activateAccount",
        headers={"Authorization": f"Bearer {stop.account.access}"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 400
    assert json.loads(refused.value.read())["error"] == "InvalidRequest"


def test_the_did_knows_its_last_server_alone(trip: Trip) -> None:
    _, history = json_request(f"{trip.plc.url}/{trip.did}/log")
    assert isinstance(history, list)
    operations: list[dict[str, Any]] = history
    assert [op["services"]["atproto_pds"]["endpoint"] for op in operations] == [stop.server.url for stop in trip.stops]
    assert [op["verificationMethods"]["atproto"] for op in operations] == [stop.signing_key for stop in trip.stops]
    # No server that was left can change the DID any more.
    rotation_keys = [op["rotationKeys"] for op in operations]
    assert len({key for keys in rotation_keys for key in keys}) == len(trip.stops)
    assert [len(keys) for keys in rotation_keys] == [1] * len(trip.stops)
    assert len({stop.signing_key for stop in trip.stops}) == len(trip.stops)


def test_both_tempests_are_in_the_middle(trip: Trip) -> None:
    kinds = [type(stop.server) for stop in trip.stops]
    assert kinds == [ReferencePds, Tempest, Tempest, ReferencePds]
