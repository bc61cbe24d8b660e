"""What the owner of an account can read about its safety."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from account_world import PASSWORD, World
from mail_room import MailRoom

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import AuthenticationRequired
from tempest_pds.services.origin import Origin
from tempest_pds.services.security_event_kinds import FACTS, TEXTS, VALUES, EventKind
from tempest_pds.services.security_events import KEPT_DAYS, OFTEN, SecurityEvents
from tempest_pds.services.sign_in import Visitor
from tempest_pds.stores.account.security_events import MOST_OF_A_KIND

HERE = Origin(client_ip="192.0.2.7", user_agent="A browser")
DAY_US = 86_400_000_000


class Now:
    now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def events(world: World, now: Now) -> SecurityEvents:
    world.events._now = now
    return world.events


@pytest.fixture
async def alice(world: World, events: SecurityEvents) -> Did:
    return (await world.create()).account.did


def door(origin: Origin) -> Visitor:
    return Visitor(client_ip=origin.client_ip, user_agent=origin.user_agent, surface="api")


def kinds(events: SecurityEvents, did: Did) -> list[str]:
    return [event.kind for event in events.list_for(did)]


async def test_events_are_listed_the_newest_first_with_where_they_came_from(
    events: SecurityEvents, alice: Did, now: Now
) -> None:
    await events.note(alice, EventKind.APP_AUTHORIZED, client_ip="192.0.2.7", user_agent="A browser", app="An app")
    newest, oldest = events.list_for(alice)
    assert (newest.kind, newest.detail, newest.client_ip, newest.user_agent, newest.happened_at) == (
        "app_authorized",
        {"app": "An app"},
        "192.0.2.7",
        "A browser",
        now.now,
    )
    assert (oldest.kind, oldest.client_ip) == ("account_created", "192.0.2.1")
    assert events.list_for(alice, 1, 0) == [newest]


async def test_what_a_stranger_chooses_is_cut_short(events: SecurityEvents, alice: Did) -> None:
    await events.note(alice, EventKind.APP_PASSWORD_MADE, user_agent="x" * 10_000, name="y" * 10_000)
    event = events.list_for(alice)[0]
    assert (event.user_agent, event.detail) == ("x" * 256, {"name": "y" * 256})


async def test_of_each_kind_the_newest_are_kept_and_those_of_others_are_left_alone(
    events: SecurityEvents, alice: Did, world: World
) -> None:
    bob = (await world.create("bob")).account.did
    with world.store.transaction():
        for number in range(MOST_OF_A_KIND + 5):
            events.add(alice, EventKind.APP_PASSWORD_MADE, name=str(number))
    *kept, first = events.list_for(alice, 10_000)
    assert len(kept) == MOST_OF_A_KIND
    assert (kept[0].detail["name"], kept[-1].detail["name"]) == (str(MOST_OF_A_KIND + 4), "5")
    assert first.kind == "account_created"
    assert kinds(events, bob) == ["account_created"]


async def test_no_flood_of_one_kind_washes_others_off_the_list(
    events: SecurityEvents, alice: Did, world: World
) -> None:
    """Who has taken an account over may make and revoke app passwords all day."""
    with world.store.transaction():
        for kind in (EventKind.PASSWORD_CHANGED, EventKind.SECOND_FACTOR_REMOVED, EventKind.EMAIL_CHANGED):
            events.add(alice, kind)
        for number in range(1000):
            events.add(alice, EventKind.APP_PASSWORD_MADE, name=str(number))
            events.add(alice, EventKind.APP_PASSWORD_REVOKED, name=str(number))
    shown = kinds(events, alice)
    assert len(shown) == 104
    assert shown[-4:] == ["email_changed", "second_factor_removed", "password_changed", "account_created"]


async def test_events_are_kept_for_their_time_and_go_with_their_account(
    events: SecurityEvents, alice: Did, now: Now, world: World
) -> None:
    now.now += KEPT_DAYS * DAY_US
    await events.note(alice, EventKind.ACTIVATED)
    await events.forget_old()
    assert kinds(events, alice) == ["activated", "account_created"]
    now.now += 1
    await events.forget_old()
    assert kinds(events, alice) == ["activated"]
    world.store.accounts.delete(alice)
    assert kinds(events, alice) == []
    await events.note(alice, EventKind.ACTIVATED)
    assert kinds(events, alice) == []


async def test_an_app_password_that_is_used_all_day_is_noted_once_a_day_and_place(
    events: SecurityEvents, alice: Did, now: Now, world: World
) -> None:
    made = await world.app_passwords.create(alice, "bot", origin=HERE)
    assert made.password is not None
    for _ in range(3):
        await world.sessions.create("alice.test", made.password, visitor=door(HERE))
    await world.sessions.create("alice.test", made.password, visitor=door(Origin(client_ip="192.0.2.8")))
    now.now += DAY_US
    await world.sessions.create("alice.test", made.password, visitor=door(HERE))
    used = [event for event in events.list_for(alice) if event.kind == EventKind.APP_PASSWORD_USED]
    assert [(event.client_ip, event.detail) for event in used] == [
        (ip, {"name": "bot"}) for ip in ("192.0.2.7", "192.0.2.8", "192.0.2.7")
    ]


async def fail(world: World, times: int) -> None:
    for _ in range(times):
        with pytest.raises(AuthenticationRequired):
            await world.sessions.create("alice.test", "wrong", visitor=door(HERE))


async def test_sign_ins_that_fail_often_are_one_event_a_day(
    events: SecurityEvents, alice: Did, now: Now, world: World
) -> None:
    often = OFTEN[EventKind.SIGN_IN_FAILED]

    async def noted() -> int:
        await events.write_failures()
        return kinds(events, alice).count("sign_in_failed")

    await fail(world, often - 1)
    assert await noted() == 0
    await fail(world, 1)
    assert kinds(events, alice).count("sign_in_failed") == 0, "what a request writes must not tell who is here"
    assert await noted() == 1
    assert events.list_for(alice)[0].client_ip == "192.0.2.7"
    await fail(world, often)
    assert await noted() == 1
    now.now += DAY_US + 1
    await events.write_failures()
    await fail(world, often)
    assert await noted() == 2


async def test_a_few_failures_are_forgotten_within_an_hour(
    events: SecurityEvents, alice: Did, now: Now, world: World
) -> None:
    often = OFTEN[EventKind.SIGN_IN_FAILED]
    await fail(world, often - 1)
    now.now += 3_600_000_001
    await events.write_failures()
    await fail(world, often - 1)
    await events.write_failures()
    assert "sign_in_failed" not in kinds(events, alice)


async def test_wrong_codes_after_the_right_password_are_seen_though_they_come_one_an_hour(
    events: SecurityEvents, alice: Did, now: Now
) -> None:
    for _ in range(OFTEN[EventKind.SECOND_FACTOR_FAILED]):
        assert "second_factor_failed" not in kinds(events, alice)
        events.count_failure(alice, EventKind.SECOND_FACTOR_FAILED, HERE)
        now.now += 3_600_000_001
        await events.write_failures()
    assert kinds(events, alice).count("second_factor_failed") == 1


async def test_nothing_that_is_counted_grows_without_bound(events: SecurityEvents, alice: Did) -> None:
    for number in range(10_050):
        events.count_failure(Did(f"did:plc:{number}"), EventKind.SIGN_IN_FAILED, HERE)
    assert len(events._failures) == 10_000
    for _ in range(OFTEN[EventKind.SIGN_IN_FAILED]):
        events.count_failure(alice, EventKind.SIGN_IN_FAILED, HERE)
    await events.write_failures()
    assert "sign_in_failed" in kinds(events, alice), "who fills the table is seen all the same"


async def test_every_change_by_the_owner_is_noted_with_where_it_came_from(
    events: SecurityEvents, alice: Did, world: World
) -> None:
    room = MailRoom(world)
    await world.sessions.create("alice.test", PASSWORD, visitor=door(HERE))
    await room.addresses.request_confirmation(alice)
    await room.addresses.confirm(alice, "alice@example.com", room.take_code(), HERE)
    await room.addresses.request_change(alice)
    await room.addresses.change(alice, "new@example.com", room.take_code(), HERE)
    room.take()
    await room.ask_for_reset("new@example.com")
    await room.reset.reset(room.take_code(), "another long password", HERE)
    await world.app_passwords.create(alice, "phone", origin=HERE)
    await world.app_passwords.revoke(alice, "phone", HERE)
    await world.app_passwords.revoke(alice, "phone", HERE)
    await world.identities.update_handle(alice, "alice2.test", origin=HERE)
    await world.accounts.deactivate(alice, "2099-01-01T00:00:00Z", HERE)
    await world.accounts.activate(alice, HERE)
    found = events.list_for(alice)
    assert [(event.kind, dict(event.detail)) for event in reversed(found)] == [
        ("account_created", {}),
        ("signed_in", {"door": "api"}),
        ("email_confirmed", {}),
        ("email_changed", {}),
        ("password_reset", {}),
        ("app_password_made", {"name": "phone"}),
        ("app_password_revoked", {"name": "phone"}),
        ("handle_changed", {"handle": "alice2.test"}),
        ("deactivated", {"delete_after": "2099-01-01T00:00:00.000Z"}),
        ("activated", {}),
    ]
    assert {(event.client_ip, event.user_agent) for event in found[:-1]} == {("192.0.2.7", "A browser")}


async def test_no_event_holds_a_secret_or_an_address(events: SecurityEvents, alice: Did, world: World) -> None:
    made = await world.app_passwords.create(alice, "phone", origin=HERE)
    assert made.password is not None
    await world.sessions.create("alice.test", made.password, visitor=door(HERE))
    told = repr([event.detail for event in events.list_for(alice)])
    assert made.password not in told
    assert "@" not in told


def _words() -> Iterator[str]:
    yield from TEXTS.values()
    yield from FACTS.values()
    for values in VALUES.values():
        yield from values.values()


def test_every_kind_has_words_of_its_own() -> None:
    assert set(TEXTS) == set(EventKind)
    words = list(_words())
    assert len(set(words)) == len(words)
    assert set(VALUES) <= set(FACTS)
