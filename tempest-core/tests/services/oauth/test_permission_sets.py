"""Permission sets, from their publishers to the scopes that they stand for."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.lexicon_world import DID, DOCUMENT, NSID, PERMISSIONS, World

from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.oauth.errors import InvalidScope
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.lexicon_resolver import HARD_SECONDS
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.permission_sets import (
    FRESH_SECONDS,
    MAX_OF_ONE_OWNER,
    MAX_OUTSIDE,
    MAX_PERMISSIONS,
    MAX_SET_BYTES,
    MAX_SETS,
    RETRY_SECONDS,
    PermissionSets,
)

ASKED = ScopeSet.parse(f"atproto include:{NSID}")
GRANTED = ScopeSet.parse("atproto repo:com.example.calendar.event")
CHANGED = {**DOCUMENT, "defs": {"main": {**PERMISSIONS, "permissions": []}}}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def sets(world: World) -> PermissionSets:
    return PermissionSets(world.resolver(), clock=lambda: world.now, patience=0.01)


async def test_a_set_is_expanded_to_what_its_publisher_says(sets: PermissionSets) -> None:
    assert await sets.expand(ASKED) == GRANTED
    assert (await sets.find(ASKED))[NSID].titles == {"de": "Kalender"}
    assert await sets.expand(GRANTED) == GRANTED


async def test_a_set_is_asked_for_once_in_five_minutes_whoever_asks(world: World, sets: PermissionSets) -> None:
    assert await asyncio.gather(*(sets.expand(ASKED) for _ in range(10))) == [GRANTED] * 10
    world.now = FRESH_SECONDS - 1
    await sets.expand(ASKED)
    assert len(world.asked) == 3


async def test_a_change_of_its_publisher_is_heard_with_the_next_question_after_that(
    world: World, sets: PermissionSets
) -> None:
    await sets.expand(ASKED)
    world.answer = world.found(CHANGED)
    world.now = FRESH_SECONDS - 1
    assert await sets.expand(ASKED) == GRANTED
    world.now = FRESH_SECONDS
    assert await sets.expand(ASKED) == ScopeSet.parse("atproto")


async def test_what_a_publisher_said_last_holds_for_a_day_of_outage(world: World, sets: PermissionSets) -> None:
    await sets.expand(ASKED)
    world.texts = Unreachable("no name server")
    world.now = HARD_SECONDS - 1
    assert await sets.expand(ASKED) == GRANTED
    world.now = HARD_SECONDS
    with pytest.raises(InvalidScope, match="cannot be had now"):
        await sets.expand(ASKED)


async def test_a_publisher_who_is_out_is_not_waited_for_by_everybody(world: World, sets: PermissionSets) -> None:
    await sets.expand(ASKED)
    world.texts = Unreachable("no name server")
    world.now = FRESH_SECONDS
    await sets.expand(ASKED)
    world.texts, world.name_server_waits_for = [f"did={DID}"], asyncio.Event()
    world.answer = world.found(CHANGED)
    world.now += RETRY_SECONDS - 1
    assert await sets.expand(ASKED) == GRANTED
    world.now += 1
    expanding = asyncio.create_task(sets.expand(ASKED))
    world.name_server_waits_for.set()
    assert await expanding == ScopeSet.parse("atproto")


async def test_a_set_that_was_withdrawn_holds_no_longer(world: World, sets: PermissionSets) -> None:
    await sets.expand(ASKED)
    world.texts = []
    world.now = FRESH_SECONDS
    with pytest.raises(InvalidScope, match=r"not published: The TXT records of _lexicon\..* name no DID"):
        await sets.expand(ASKED)


@pytest.mark.parametrize(
    ("defs", "says"),
    [
        (
            {"main": {"type": "token"}},
            "not a permission",
        ),
        ({"main": {**PERMISSIONS, "detail": "x" * MAX_SET_BYTES}}, "too large"),
        ({"main": {**PERMISSIONS, "permissions": PERMISSIONS["permissions"] * (MAX_PERMISSIONS + 1)}}, "too large"),
        ({"main": {**PERMISSIONS, "permissions": 5}}, "not published"),
    ],
)
async def test_what_is_no_set_stands_for_nothing(
    world: World, sets: PermissionSets, defs: dict[str, object], says: str
) -> None:
    world.answer = world.found({**DOCUMENT, "defs": defs})
    with pytest.raises(InvalidScope, match=says):
        await sets.expand(ASKED)


async def test_one_set_that_is_missing_refuses_them_all(world: World, sets: PermissionSets) -> None:
    await sets.expand(ASKED)
    with pytest.raises(InvalidScope):
        await sets.expand(ScopeSet.parse(f"atproto include:{NSID} include:com.example.calendar.other"))


@pytest.mark.parametrize(("count", "says"), [(MAX_SETS + 1, "more than"), (MAX_SETS, "cannot be had now")])
async def test_a_request_names_only_so_many_sets(world: World, sets: PermissionSets, count: int, says: str) -> None:
    world.texts = Unreachable("no name server")
    named = " ".join(f"include:com.example.s{n}.x" for n in range(count))
    with pytest.raises(InvalidScope, match=says):
        await sets.expand(ScopeSet.parse(f"atproto {named}"))


async def test_a_request_names_one_set_only_so_many_times(world: World, sets: PermissionSets) -> None:
    named = " ".join(f"include:{NSID}?aud=did:web:a{n}.example.net%23x" for n in range(MAX_SETS + 1))
    with pytest.raises(InvalidScope, match="more than"):
        await sets.expand(ScopeSet.parse(f"atproto {named}"))
    assert world.asked == []


@pytest.mark.parametrize(
    ("detail", "fragment"),
    [("x" * (MAX_SET_BYTES // 2), "x"), ("", "x" * (MAX_SET_BYTES // 150))],
    ids=["what the sets say", "the services that are named for them"],
)
async def test_what_a_request_stands_for_is_bounded(
    world: World, sets: PermissionSets, detail: str, fragment: str
) -> None:
    methods = [
        {"type": "permission", "resource": "rpc", "lxm": [f"com.example.calendar.get{n}"], "inheritAud": True}
        for n in range(100)
    ]
    world.answer = world.found(
        {**DOCUMENT, "defs": {"main": {**PERMISSIONS, "detail": detail, "permissions": methods}}}
    )
    one, other = (f"include:{NSID}?aud=did:web:{host}.example.net%23{fragment}" for host in "ab")
    await sets.expand(ScopeSet.parse(f"atproto {one}"))
    with pytest.raises(InvalidScope, match="too large"):
        await sets.expand(ScopeSet.parse(f"atproto {one} {other}"))


async def test_only_so_many_are_looked_up_at_one_time(world: World, sets: PermissionSets) -> None:
    world.texts, world.name_server_waits_for = [], asyncio.Event()
    under_way = [
        asyncio.create_task(sets.expand(ScopeSet.parse(f"atproto include:com.example{n}.s.x")))
        for n in range(MAX_OUTSIDE)
    ]
    await world.has_looked_up(MAX_OUTSIDE)
    with pytest.raises(NotEnoughResources):
        await sets.expand(ASKED)
    world.name_server_waits_for.set()
    outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {InvalidScope}


async def test_an_owner_whose_name_servers_sleep_holds_up_no_others(world: World, sets: PermissionSets) -> None:
    world.texts, world.name_server_waits_for = [], asyncio.Event()
    named = " ".join(f"include:org.example.s{n}.x" for n in range(MAX_SETS))
    sleeping = asyncio.create_task(sets.expand(ScopeSet.parse(f"atproto {named}")))
    await world.has_looked_up(MAX_OF_ONE_OWNER)
    other = asyncio.create_task(sets.expand(ScopeSet.parse("atproto include:net.example.some.set")))
    with pytest.raises(NotEnoughResources):
        await sleeping
    world.name_server_waits_for.set()
    with pytest.raises(InvalidScope, match="not published"):
        await other


async def test_a_set_of_the_operators_own_is_believed_before_its_publisher(
    world: World, tmp_path: Path, make_sets: Callable[[Lexicons], PermissionSets]
) -> None:
    (tmp_path / "own.json").write_text(json.dumps(CHANGED))
    assert await make_sets(Lexicons([tmp_path])).expand(ASKED) == ScopeSet.parse("atproto")
    assert world.asked == []
    # What comes with the server may be older than what its publisher says.
    shipped = ScopeSet.parse("atproto include:app.bsky.authCreatePosts")
    with pytest.raises(InvalidScope):
        await make_sets(Lexicons()).expand(shipped)
    assert world.asked


@pytest.fixture
def make_sets(world: World) -> Callable[[Lexicons], PermissionSets]:
    return lambda lexicons: PermissionSets(world.resolver(), lexicons.added)
