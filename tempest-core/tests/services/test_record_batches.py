"""Several writes in one commit."""

from __future__ import annotations

import pytest
from requested_writes import ALICE, UNKNOWN, create, delete

from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import InvalidRecord


async def test_a_batch_is_one_commit(write_path):
    await write_path.write(create({"n": 0}, "a"))
    outcome = await write_path.write(
        create({"n": 1}, "b"), RequestedWrite("update", UNKNOWN, RecordKey("a"), {"n": 2}), create({"n": 3}, "c")
    )
    [_, (_, _, body)] = write_path.events()
    assert body["rev"] == outcome.commit.rev
    assert [(op["action"], op["path"].partition("/")[2]) for op in body["ops"]] == [
        ("create", "b"),
        ("update", "a"),
        ("create", "c"),
    ]


async def test_a_batch_applies_as_a_whole_or_not_at_all(write_path):
    with pytest.raises(InvalidRecord):
        await write_path.write(create({}, "a"), delete("missing", UNKNOWN))
    assert await write_path.contents() == {}
    assert write_path.listed() == {}
    assert write_path.events() == []


async def test_apply_writes_may_create_and_delete_in_one_batch(write_path):
    await write_path.write(create({"n": 1}, "there"))
    await write_path.write(create({"n": 1}, "brief"), delete("brief", UNKNOWN), delete("there", UNKNOWN))
    assert await write_path.contents() == {}
    assert write_path.listed() == {}
    assert [op["path"] for op in write_path.events()[-1][2]["ops"]] == ["com.example.thing/there"]


async def test_a_batch_may_delete_and_create_anew(write_path):
    await write_path.write(create({"n": 1}, "one"))
    await write_path.write(delete("one", UNKNOWN), create({"n": 2}, "one"))
    assert (await write_path.contents())["com.example.thing/one"]["n"] == 2
    [op] = write_path.events()[-1][2]["ops"]
    assert op["action"] == "update"


async def test_a_batch_does_not_create_one_record_twice(write_path):
    with pytest.raises(InvalidRecord, match="already exists"):
        await write_path.write(create({"n": 1}, "one"), create({"n": 2}, "one"))


async def test_a_batch_has_at_most_200_writes(write_path):
    await write_path.write(*[create({"n": n}, f"k{n}") for n in range(200)])
    assert len(await write_path.contents()) == 200
    with pytest.raises(InvalidRecord, match="Too many writes"):
        await write_path.write(*[create({"n": n}) for n in range(201)])


async def test_a_commit_has_at_most_two_million_bytes(write_path):
    with pytest.raises(InvalidRecord, match="2MB"):
        await write_path.write(*[create({"bytes": bytes([n]) * 500_000}) for n in range(4)])
    await write_path.write(*[create({"bytes": bytes([n]) * 500_000}) for n in range(3)])
    assert all(len(body["blocks"]) <= 2_000_000 for _, _, body in write_path.events())


async def test_a_put_in_a_batch_sees_what_the_batch_did_before(write_path):
    rkey = RecordKey("a")
    first, second = (RequestedWrite(action, UNKNOWN, rkey, {"n": n}) for n, action in enumerate(("create", "put")))
    outcome = await write_path.write(first, second)
    assert write_path.records.get(ALICE, UNKNOWN, rkey)[0] == outcome.writes[1].cid
    await write_path.write(RequestedWrite("delete", UNKNOWN, rkey), second)
    assert write_path.records.get(ALICE, UNKNOWN, rkey)[0] == outcome.writes[1].cid
