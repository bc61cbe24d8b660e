"""Records through the whole write path, on real files: what a write means, and what it is refused for."""

from __future__ import annotations

import asyncio

import pytest
from requested_writes import ALICE, BOB, FOLLOW, LIKE, NOW, OTHER, POST, PROFILE, UNKNOWN, create, delete, like, put

from tempest_pds.plugin_loading import FoundPlugin
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.data_model import car, dag_cbor, lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.commit import decode
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import InvalidRecord, InvalidSwap, RecordNotFound, RepoNotFound
from tempest_pds_plugins import hookimpl

SELF = RecordKey("self")


# Creating and reading


async def test_a_record_is_read_back_as_soon_as_its_writer_is_answered(write_path):
    outcome = await write_path.post("hello")
    rkey = RecordKey(outcome.writes[0].path.partition("/")[2])
    cid, block = write_path.records.get(ALICE, POST, rkey)
    assert cid == outcome.writes[0].cid == CID.for_dag_cbor(block)
    assert dag_cbor.decode(block) == {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": NOW}
    assert write_path.sync.head(ALICE).commit == outcome.commit.cid
    assert write_path.sync.head(ALICE).rev == outcome.commit.rev


async def test_the_server_chooses_a_tid_where_no_record_key_is_given(write_path):
    first, second = await write_path.write(create({})), await write_path.write(create({}))
    keys = [Tid.parse(outcome.writes[0].path.partition("/")[2]) for outcome in (first, second)]
    assert keys[0] < keys[1]


async def test_a_record_is_created_once(write_path):
    await write_path.write(create({"n": 1}, "one"))
    with pytest.raises(InvalidRecord, match="already exists"):
        await write_path.write(create({"n": 2}, "one"))
    assert write_path.listed() == {"com.example.thing/one": {"$type": "com.example.thing", "n": 1}}


async def test_a_version_of_a_record_that_is_not_there_is_not_found(write_path):
    await write_path.write(create({}, "one"))
    for rkey, cid in (("one", OTHER), ("two", None)):
        with pytest.raises(RecordNotFound, match="Could not locate record"):
            write_path.records.get(ALICE, UNKNOWN, RecordKey(rkey), cid)


async def test_nobody_writes_to_a_repository_that_is_not_here(write_path):
    with pytest.raises(RepoNotFound):
        await write_path.write(create({}), did=BOB)
    with pytest.raises(RecordNotFound):
        write_path.records.get(BOB, UNKNOWN, SELF)


async def test_a_collection_is_listed_from_the_newest_and_in_pages(write_path):
    for number in range(5):
        await write_path.write(create({"n": number}, f"k{number}"))
    pages, cursor = [], None
    while rows := write_path.records.list(ALICE, UNKNOWN, 2, cursor, reverse=False):
        pages.append([row.rkey for row in rows])
        cursor = rows[-1].rkey
    assert pages == [["k4", "k3"], ["k2", "k1"], ["k0"]]
    assert [row.rkey for row in write_path.records.list(ALICE, UNKNOWN, 2, None, reverse=True)] == ["k0", "k1"]
    assert list(write_path.records.collections(ALICE)) == ["com.example.thing"]


# Putting and deleting


async def test_a_put_creates_and_then_updates(write_path):
    first = await write_path.write(put({"displayName": "one"}))
    second = await write_path.write(put({"displayName": "two"}))
    assert [op["action"] for _, _, body in write_path.events() for op in body["ops"]] == ["create", "update"]
    assert write_path.events()[-1][2]["ops"][0]["prev"] == first.writes[0].cid
    assert second.commit.rev > first.commit.rev
    assert len(await write_path.contents()) == 1


async def test_a_put_of_the_same_record_makes_no_commit(write_path):
    first = await write_path.write(put({"displayName": "one"}))
    again = await write_path.write(put({"displayName": "one"}))
    assert again.commit is None
    assert again.writes[0].cid == first.writes[0].cid
    assert len(write_path.events()) == 1


async def test_deleting_what_is_not_there_makes_no_commit(write_path):
    assert (await write_path.write(delete())).commit is None
    assert write_path.events() == []


async def test_an_update_needs_a_record(write_path):
    with pytest.raises(InvalidRecord, match="Could not find record"):
        await write_path.write(RequestedWrite("update", UNKNOWN, RecordKey("one"), {}))


async def test_links_and_bytes_survive_the_update_of_a_profile_with_an_avatar(write_path):
    """JSON round trip of $link and $bytes: what was read is put back, with one field changed."""
    avatar = await write_path.upload(b"\x89PNG\r\n\x1a\n" + bytes(64))
    assert avatar.mime_type == "image/png"
    blob = {"$type": "blob", "ref": avatar.cid, "mimeType": avatar.mime_type, "size": avatar.size}
    await write_path.write(put({"displayName": "one", "avatar": blob, "extra": b"\x00\xff"}))
    _, block = write_path.records.get(ALICE, PROFILE, SELF)
    read = lex_json.loads(lex_json.cbor_to_json(block))
    await write_path.write(put({**read, "displayName": "two"}))
    assert (await write_path.contents())["app.bsky.actor.profile/self"] == {
        "$type": "app.bsky.actor.profile",
        "displayName": "two",
        "avatar": blob,
        "extra": b"\x00\xff",
    }
    assert write_path.blobs.find(ALICE, avatar.cid).size == avatar.size


# Swaps


async def test_a_put_with_a_swap_of_null_must_find_no_record(write_path):
    await write_path.write(put({"displayName": "one"}, swap=None))
    with pytest.raises(InvalidSwap, match="Record was at bafyrei"):
        await write_path.write(put({"displayName": "two"}, swap=None))


async def test_a_put_with_a_swap_must_find_that_record(write_path):
    first = await write_path.write(put({"displayName": "one"}))
    with pytest.raises(InvalidSwap):
        await write_path.write(put({"displayName": "two"}, swap=OTHER))
    await write_path.write(put({"displayName": "two"}, swap=first.writes[0].cid))
    with pytest.raises(InvalidSwap, match="Record was at null"):
        await write_path.write(put({}, rkey="other", collection=UNKNOWN, swap=OTHER))


async def test_a_delete_with_a_swap_must_find_that_record(write_path):
    first = await write_path.write(put({"displayName": "one"}))
    with pytest.raises(InvalidSwap):
        await write_path.write(delete(swap=OTHER))
    await write_path.write(delete(swap=first.writes[0].cid))
    assert await write_path.contents() == {}


async def test_a_write_with_a_swap_of_the_commit_must_find_that_commit(write_path):
    genesis = write_path.sync.head(ALICE).commit
    await write_path.write(create({}), swap_commit=genesis)
    with pytest.raises(InvalidSwap, match="Commit was at"):
        await write_path.write(create({}), swap_commit=genesis)
    assert len(await write_path.contents()) == 1


async def test_of_two_writers_with_one_swap_one_wins(write_path):
    genesis = write_path.sync.head(ALICE).commit
    results = await asyncio.gather(
        *[write_path.write(create({"n": n}), swap_commit=genesis) for n in range(5)], return_exceptions=True
    )
    assert sum(isinstance(result, InvalidSwap) for result in results) == 4
    assert len(await write_path.contents()) == 1


# Likes and the like


@pytest.mark.parametrize("collection", [LIKE, Nsid("app.bsky.feed.repost")])
async def test_a_second_like_of_a_post_replaces_the_first(write_path, collection):
    uri = f"at://{BOB}/app.bsky.feed.post/3jzfcijpj2z2a"
    await write_path.write(like(uri, collection))
    second = await write_path.write(like(uri, collection))
    assert list(await write_path.contents()) == [second.writes[0].path]
    assert [op["action"] for op in write_path.events()[-1][2]["ops"]] == ["delete", "create"]


@pytest.mark.parametrize("collection", [FOLLOW, Nsid("app.bsky.graph.block")])
async def test_a_second_follow_of_an_account_replaces_the_first(write_path, collection):
    for _ in range(3):
        await write_path.write(create({"subject": str(BOB), "createdAt": NOW}, collection=collection))
    assert len(await write_path.contents()) == 1


async def test_likes_of_different_posts_and_of_different_kinds_stay(write_path):
    uri = f"at://{BOB}/app.bsky.feed.post/3jzfcijpj2z2a"
    await write_path.write(like(uri))
    await write_path.write(like(uri, Nsid("app.bsky.feed.repost")))
    await write_path.write(like(f"at://{BOB}/app.bsky.feed.post/3jzfcijpj2z2b"))
    assert len(await write_path.contents()) == 3


async def test_likes_at_the_same_moment_come_to_one(write_path):
    uri = f"at://{BOB}/app.bsky.feed.post/3jzfcijpj2z2a"
    await asyncio.gather(*[write_path.write(like(uri)) for _ in range(6)])
    assert len(await write_path.contents()) == 1


async def test_a_like_that_was_deleted_is_not_looked_for(write_path):
    uri = f"at://{BOB}/app.bsky.feed.post/3jzfcijpj2z2a"
    first = await write_path.write(like(uri))
    await write_path.write(delete(first.writes[0].path.partition("/")[2], LIKE))
    await write_path.write(like(uri))
    assert [op["action"] for op in write_path.events()[-1][2]["ops"]] == ["create"]


# Checks


@pytest.mark.parametrize(
    ("collection", "value", "validate", "status"),
    [
        (POST, {"text": "x", "createdAt": NOW}, None, "valid"),
        (POST, {"text": "x", "createdAt": NOW}, True, "valid"),
        (POST, {"text": 7}, False, None),
        (UNKNOWN, {}, None, "unknown"),
        (UNKNOWN, {}, False, None),
    ],
)
async def test_validate_has_three_states(write_path, collection, value, validate, status):
    outcome = await write_path.write(create(value, collection=collection), validate=validate)
    assert outcome.writes[0].status == status


@pytest.mark.parametrize(
    ("collection", "value", "validate"),
    [(POST, {"text": 7, "createdAt": NOW}, None), (POST, {"text": "x"}, True), (UNKNOWN, {}, True)],
)
async def test_what_does_not_validate_is_refused(write_path, collection, value, validate):
    with pytest.raises(InvalidRecord):
        await write_path.write(create(value, collection=collection), validate=validate)
    assert write_path.events() == []


async def test_the_type_is_filled_in_and_never_another_than_the_collection(write_path):
    outcome = await write_path.write(create({}))
    assert outcome.writes[0].value == {"$type": "com.example.thing"}
    await write_path.write(create({"$type": "com.example.thing"}))
    for wrong in ("app.bsky.feed.post", "", None, 7):
        with pytest.raises(InvalidRecord):
            await write_path.write(create({"$type": wrong}), validate=False)


async def test_a_record_key_must_be_what_its_lexicon_asks_for(write_path):
    with pytest.raises(InvalidRecord):
        await write_path.write(put({}, rkey="not-self"))
    with pytest.raises(InvalidRecord):
        await write_path.write(create({"text": "x", "createdAt": NOW}, "not-a-tid", POST))


class Policy:
    """A plugin that refuses records, and remembers what it is told."""

    def __init__(self) -> None:
        self.told = []

    @hookimpl
    def check_record(self, record: bytes | None) -> str | None:
        return "no spam" if record is not None and b"spam" in record else None

    @hookimpl
    def record_committed(self, did: str, rev: str, changes) -> None:
        self.told.append((did, rev, [change.action for change in changes]))


async def test_a_policy_may_refuse_a_record_and_an_observer_is_told_of_others(open_write_path):
    policy = Policy()
    path = await open_write_path(plugins=PluginManager([FoundPlugin("policy", "policy", "1", module=policy)]))
    path.create(ALICE)
    outcome = await path.post("eggs")
    with pytest.raises(InvalidRecord, match="no spam"):
        await path.post("spam")
    assert len(await path.contents()) == 1
    assert policy.told == [(ALICE, outcome.commit.rev, ["create"])]


# Revisions


async def test_revisions_rise_within_one_microsecond_and_across_a_step_back_of_the_clock_and_a_restart(
    open_write_path,
):
    """rev strictly rising within the same microsecond and across clock step-back"""
    now = [1_800_000_000_000_000]
    path = await open_write_path(revs=TidClock(now_micros=lambda: now[0]))
    path.create(ALICE)
    revs = [path.sync.head(ALICE).rev]
    for step in (0, 0, 1, -5_000_000, 0, -3_600_000_000, 0):
        now[0] += step
        revs.append((await path.post("x")).commit.rev)
    await path.stop()
    now[0] -= 86_400_000_000
    path = await open_write_path(revs=TidClock(now_micros=lambda: now[0]))
    revs += [(await path.post("x")).commit.rev for _ in range(3)]
    assert revs == sorted(set(revs))
    logged = [body["rev"] for _, kind, body in path.events() if kind == "commit"]
    assert logged == revs[1:]
    assert [body["since"] for _, _, body in path.events()] == revs[:-1]


async def test_writers_at_the_same_moment_are_all_served_in_some_order(write_path):
    outcomes = await asyncio.gather(*[write_path.write(create({"n": n}, f"k{n}")) for n in range(100)])
    assert len({outcome.commit.rev for outcome in outcomes}) == 100
    assert len(await write_path.contents()) == 100
    events = write_path.events()
    assert [seq for seq, _, _ in events] == list(range(1, 101))
    assert [body["prevData"] for _, _, body in events][1:] == _roots_of(events[:-1])


def _roots_of(events) -> list[CID]:
    return [decode(car.decode(body["blocks"])[1][body["commit"]]).data for _, _, body in events]
