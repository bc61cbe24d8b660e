"""Permission sets, from their publishers to the scopes that they stand for."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.lexicon_world import DID, DOCUMENT, NSID, PERMISSIONS, World

from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.oauth.errors import InvalidScope
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.lexicon_resolver import HARD_SECONDS
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.kept_permission_sets import UNUSED_DAYS, KeptPermissionSets
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
from tempest_pds.services.oauth.stored_permission_sets import write_set
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore

ASKED = ScopeSet.parse(f"atproto include:{NSID}")
GRANTED = ScopeSet.parse("atproto repo:com.example.calendar.event")
DAY = 24 * 60 * 60
CHANGED = {**DOCUMENT, "defs": {"main": {**PERMISSIONS, "permissions": []}}}

MakeSets = Callable[..., PermissionSets]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AccountStore]:
    opened = AccountStore(tmp_path / "account.sqlite", synchronous="OFF")
    yield opened
    opened.close()


@pytest.fixture
def make_sets(world: World, store: AccountStore) -> Iterator[MakeSets]:
    """Make them as a server does that starts."""
    writer = AccountWriter()
    kept = KeptPermissionSets(store, writer, lambda: int(world.now * SECOND))
    yield lambda **more: PermissionSets(world.resolver(), kept, clock=lambda: world.now, **more)
    writer.close()


@pytest.fixture
def sets(make_sets: MakeSets) -> PermissionSets:
    return make_sets(slot_seconds=0.01)


async def expand(sets: PermissionSets, asked: ScopeSet = ASKED) -> ScopeSet:
    """Tell what somebody would grant."""
    return asked.expanded(await sets.find(asked))


async def standing(sets: PermissionSets, granted: ScopeSet = ASKED) -> ScopeSet:
    """Tell what stands of what was granted."""
    return granted.expanded(await sets.find_granted(granted))


async def grant(sets: PermissionSets, store: AccountStore) -> None:
    """Grant the set, as it is said now."""
    store.oauth_permission_sets.add(NSID, write_set((await sets.find(ASKED))[NSID]), 0)


async def test_a_set_is_expanded_to_what_its_publisher_says(sets: PermissionSets) -> None:
    assert await expand(sets) == GRANTED
    assert (await sets.find(ASKED))[NSID].titles == {"de": "Kalender"}
    assert await expand(sets, GRANTED) == GRANTED


async def test_a_set_is_asked_for_once_in_five_minutes_whoever_asks(world: World, sets: PermissionSets) -> None:
    assert await asyncio.gather(*(expand(sets) for _ in range(10))) == [GRANTED] * 10
    world.now = FRESH_SECONDS - 1
    await expand(sets)
    assert len(world.asked) == 3


async def test_a_change_of_its_publisher_is_heard_with_the_next_question_after_that(
    world: World, sets: PermissionSets
) -> None:
    await expand(sets)
    world.answer = world.found(CHANGED)
    world.now = FRESH_SECONDS - 1
    assert await expand(sets) == GRANTED
    world.now = FRESH_SECONDS
    assert await expand(sets) == ScopeSet.parse("atproto")


async def test_what_a_publisher_said_last_holds_for_a_day_of_outage(world: World, sets: PermissionSets) -> None:
    await expand(sets)
    world.texts = Unreachable("no name server")
    world.now = HARD_SECONDS - 1
    assert await expand(sets) == GRANTED
    world.now = HARD_SECONDS
    with pytest.raises(InvalidScope, match="cannot be had now"):
        await expand(sets)


async def test_a_publisher_who_is_out_is_not_waited_for_by_everybody(world: World, sets: PermissionSets) -> None:
    await expand(sets)
    world.texts = Unreachable("no name server")
    world.now = FRESH_SECONDS
    await expand(sets)
    world.texts, world.name_server_waits_for = [f"did={DID}"], asyncio.Event()
    world.answer = world.found(CHANGED)
    world.now += RETRY_SECONDS - 1
    assert await expand(sets) == GRANTED
    world.now += 1
    expanding = asyncio.create_task(expand(sets))
    world.name_server_waits_for.set()
    assert await expanding == ScopeSet.parse("atproto")


@pytest.mark.parametrize("starts_anew", [False, True], ids=["", "after a start"])
async def test_what_was_granted_here_stands_however_long_its_publisher_is_out(
    world: World, sets: PermissionSets, store: AccountStore, make_sets: MakeSets, starts_anew: bool
) -> None:
    await grant(sets, store)
    world.texts = Unreachable("no name server")
    world.now = 30 * DAY
    later = make_sets() if starts_anew else sets
    assert await standing(later) == GRANTED
    # And whoever comes anew may grant it, too.
    assert await expand(later) == GRANTED


async def test_what_is_kept_follows_its_publisher(
    world: World, sets: PermissionSets, store: AccountStore, make_sets: MakeSets
) -> None:
    await grant(sets, store)
    world.answer = world.found(CHANGED)
    world.now = FRESH_SECONDS
    assert await expand(sets) == ScopeSet.parse("atproto")
    world.texts = Unreachable("no name server")
    assert await standing(make_sets()) == ScopeSet.parse("atproto")


async def test_what_strangers_ask_for_is_not_kept(world: World, sets: PermissionSets, store: AccountStore) -> None:
    await expand(sets)
    assert store.oauth_permission_sets.get(NSID) is None


async def test_a_set_that_nobody_knows_is_not_waited_for_without_end(
    world: World, sets: PermissionSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempest_pds.services.oauth.permission_sets.LOOK_UP_SECONDS", 0.01)
    world.name_server_waits_for = asyncio.Event()
    with pytest.raises(InvalidScope, match="cannot be had now"):
        await expand(sets)


async def test_what_is_kept_is_forgotten_once_it_is_of_no_use(
    world: World, sets: PermissionSets, store: AccountStore, tmp_path: Path
) -> None:
    await grant(sets, store)
    writer = AccountWriter()
    kept = KeptPermissionSets(store, writer, lambda: int(world.now * SECOND))
    for days, is_there in ((0, True), (UNUSED_DAYS - 1, True), (2 * UNUSED_DAYS - 2, True), (3 * UNUSED_DAYS, False)):
        world.now = days * DAY
        await kept.forget_unused()
        assert (store.oauth_permission_sets.get(NSID) is not None) == is_there
        if is_there:
            await standing(sets)
    writer.close()


async def test_a_publisher_who_keeps_silent_is_not_waited_for_where_his_last_word_is_at_hand(
    world: World, sets: PermissionSets, store: AccountStore, make_sets: MakeSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempest_pds.services.oauth.permission_sets.PATIENCE_SECONDS", 0.01)
    await grant(sets, store)
    world.name_server_waits_for, world.now = asyncio.Event(), FRESH_SECONDS
    for each in (sets, make_sets()):
        assert await standing(each) == GRANTED
    asked = len(world.asked)
    assert await standing(sets) == GRANTED
    assert len(world.asked) == asked
    # He is heard when he speaks, on a slow machine too.
    monkeypatch.setattr("tempest_pds.services.oauth.permission_sets.PATIENCE_SECONDS", 60.0)
    world.answer = world.found(CHANGED)
    world.name_server_waits_for.set()
    world.now += RETRY_SECONDS
    assert await standing(sets) == ScopeSet.parse("atproto")


@pytest.mark.parametrize(
    "defs",
    [None, {"main": {"type": "token"}}, {"main": {**PERMISSIONS, "detail": "x" * MAX_SET_BYTES}}, {"main": 5}],
    ids=["withdrawn", "something else", "too large", "no lexicon"],
)
async def test_what_was_granted_stands_while_there_is_nothing_to_take_its_place(
    world: World, sets: PermissionSets, store: AccountStore, defs: dict[str, object] | None
) -> None:
    await grant(sets, store)
    world.now = FRESH_SECONDS
    if defs is None:
        world.texts = []
    else:
        world.answer = world.found({**DOCUMENT, "defs": defs})
    with pytest.raises(InvalidScope):
        await expand(sets)
    assert await standing(sets) == GRANTED


async def test_a_set_that_was_withdrawn_is_granted_no_longer(world: World, sets: PermissionSets) -> None:
    await expand(sets)
    world.texts = []
    world.now = FRESH_SECONDS
    with pytest.raises(InvalidScope, match=r"not published: The TXT records of _lexicon\..* name no DID"):
        await expand(sets)


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
        await expand(sets)


async def test_one_set_that_is_missing_refuses_them_all(world: World, sets: PermissionSets) -> None:
    await expand(sets)
    with pytest.raises(InvalidScope):
        await expand(sets, ScopeSet.parse(f"atproto include:{NSID} include:com.example.calendar.other"))


@pytest.mark.parametrize(("count", "says"), [(MAX_SETS + 1, "more than"), (MAX_SETS, "cannot be had now")])
async def test_a_request_names_only_so_many_sets(world: World, sets: PermissionSets, count: int, says: str) -> None:
    world.texts = Unreachable("no name server")
    named = " ".join(f"include:com.example.s{n}.x" for n in range(count))
    with pytest.raises(InvalidScope, match=says):
        await expand(sets, ScopeSet.parse(f"atproto {named}"))


async def test_a_request_names_one_set_only_so_many_times(world: World, sets: PermissionSets) -> None:
    named = " ".join(f"include:{NSID}?aud=did:web:a{n}.example.net%23x" for n in range(MAX_SETS + 1))
    with pytest.raises(InvalidScope, match="more than"):
        await expand(sets, ScopeSet.parse(f"atproto {named}"))
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
    await expand(sets, ScopeSet.parse(f"atproto {one}"))
    with pytest.raises(InvalidScope, match="too large"):
        await expand(sets, ScopeSet.parse(f"atproto {one} {other}"))


async def test_only_so_many_are_looked_up_at_one_time(world: World, sets: PermissionSets) -> None:
    world.texts, world.name_server_waits_for = [], asyncio.Event()
    under_way = [
        asyncio.create_task(expand(sets, ScopeSet.parse(f"atproto include:com.example{n}.s.x")))
        for n in range(MAX_OUTSIDE)
    ]
    await world.has_looked_up(MAX_OUTSIDE)
    with pytest.raises(NotEnoughResources):
        await expand(sets)
    world.name_server_waits_for.set()
    outcomes = await asyncio.gather(*under_way, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {InvalidScope}


async def test_all_who_ask_for_one_set_take_one_turn(world: World, sets: PermissionSets) -> None:
    world.name_server_waits_for = asyncio.Event()
    asking = [asyncio.create_task(expand(sets)) for _ in range(MAX_OF_ONE_OWNER + 1)]
    await world.has_looked_up(1)
    # Longer than anybody waits for a turn.
    refused, _ = await asyncio.wait(asking, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
    assert not refused
    world.name_server_waits_for.set()
    assert await asyncio.gather(*asking) == [GRANTED] * len(asking)


async def test_an_owner_whose_name_servers_sleep_holds_up_no_others(world: World, sets: PermissionSets) -> None:
    world.texts, world.name_server_waits_for = [], asyncio.Event()
    named = " ".join(f"include:org.example.s{n}.x" for n in range(MAX_SETS))
    sleeping = asyncio.create_task(expand(sets, ScopeSet.parse(f"atproto {named}")))
    await world.has_looked_up(MAX_OF_ONE_OWNER)
    other = asyncio.create_task(expand(sets, ScopeSet.parse("atproto include:net.example.some.set")))
    with pytest.raises(NotEnoughResources):
        await sleeping
    world.name_server_waits_for.set()
    with pytest.raises(InvalidScope, match="not published"):
        await other


async def test_a_set_of_the_operators_own_is_believed_before_its_publisher(
    world: World, tmp_path: Path, make_sets: MakeSets
) -> None:
    (tmp_path / "own.json").write_text(json.dumps(CHANGED))
    assert await expand(make_sets(added=Lexicons([tmp_path]).added)) == ScopeSet.parse("atproto")
    assert world.asked == []
    # What comes with the server may be older than what its publisher says.
    shipped = ScopeSet.parse("atproto include:app.bsky.authCreatePosts")
    with pytest.raises(InvalidScope):
        await expand(make_sets(added=Lexicons().added), shipped)
    assert world.asked
