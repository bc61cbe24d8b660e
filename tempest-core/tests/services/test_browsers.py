"""Who is signed in in which browser, for how long, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.browsers import BRIEF_US, REMEMBERED_US, Browsers
from tempest_pds.services.errors import AuthenticationRequired
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
ALICE = Account(
    did=Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz"), handle=Handle("alice.test"), created_at=1, password_hash="of alice"
)
BOB = Account(
    did=Did("did:plc:44ybard66vv44zksje25o7dz"), handle=Handle("bob.test"), created_at=2, password_hash="of bob"
)


class World:
    def __init__(self, folder: Path) -> None:
        self.now = START
        self.store = AccountStore(folder / "account.sqlite")
        self.writer = AccountWriter()
        events = SecurityEvents(self.store, self.writer)
        self.browsers = Browsers(self.store, self.writer, events, lambda: self.now)
        for account in (ALICE, BOB):
            self.store.accounts.create(account)

    async def sign_in(self, secret: str | None = None, account: Account = ALICE, *, remember: bool = False) -> str:
        return await self.browsers.sign_in(
            secret, account, remember=remember, client_ip="192.0.2.1", user_agent="Firefox"
        )

    async def come_back(self, secret: str, seconds: int, account: Account | None = None) -> list[Did]:
        """Let time pass, and look who is signed in when the browser shows up, at a page of an account or another."""
        self.now += seconds * SECOND
        did = None if account is None else account.did
        return [found.account.did for found in await self.browsers.seen(secret, "192.0.2.2", "Firefox", did)]


def stored_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.writer.close()
    world.store.close()


async def test_each_sign_in_gives_another_cookie_and_the_one_before_stands_for_nobody(world: World) -> None:
    first = await world.sign_in()
    second = await world.sign_in(first, BOB)
    assert world.browsers.accounts(first) == []
    assert [found.account.did for found in world.browsers.accounts(second)] == [BOB.did, ALICE.did]


async def test_no_secret_is_stored(world: World, tmp_path: Path) -> None:
    secret = await world.sign_in()
    world.store.checkpoint()
    assert secret.encode() not in stored_in(tmp_path)


async def test_a_sign_in_that_is_not_remembered_lasts_while_it_is_used(world: World) -> None:
    secret = await world.sign_in()
    for _ in range(20):
        assert await world.come_back(secret, 14 * 60) == [ALICE.did]
    assert await world.come_back(secret, BRIEF_US // SECOND) == []
    assert await world.come_back(secret, 0) == [], "nor does it come back"


async def test_who_shares_a_browser_does_not_keep_another_signed_in_by_using_it(world: World) -> None:
    secret = await world.sign_in(await world.sign_in(remember=True), BOB)
    assert await world.come_back(secret, 14 * 60, ALICE) == [BOB.did, ALICE.did]
    assert await world.come_back(secret, 2 * 60, ALICE) == [ALICE.did]
    brief = await world.sign_in(await world.sign_in(), BOB)
    assert await world.come_back(brief, 14 * 60, BOB) == [BOB.did, ALICE.did]
    # The browser was seen a moment ago, and yet it counts that the other account is used too.
    assert await world.come_back(brief, 30, ALICE) == [BOB.did, ALICE.did]
    assert await world.come_back(brief, 14 * 60, ALICE) == [BOB.did, ALICE.did]
    assert await world.come_back(brief, 2 * 60, ALICE) == [ALICE.did]


async def test_one_that_is_remembered_ends_after_a_week_however_it_is_used(world: World) -> None:
    secret = await world.sign_in(remember=True)
    for _ in range(6):
        assert await world.come_back(secret, 86_400) == [ALICE.did]
    assert await world.come_back(secret, REMEMBERED_US // SECOND - 6 * 86_400) == []


async def test_remembering_one_account_does_not_remember_the_other(world: World) -> None:
    secret = await world.sign_in(await world.sign_in(remember=True), BOB)
    assert await world.come_back(secret, 3_600) == [ALICE.did]


async def test_a_new_password_ends_what_was_signed_in_before_and_nothing_after(world: World) -> None:
    before = await world.sign_in()
    world.now += SECOND
    with world.store.transaction():
        world.store.accounts.set_password(ALICE.did, "another", world.now)
    assert world.browsers.accounts(before) == []
    assert world.browsers.list_for(ALICE.did, None) == []
    after = await world.sign_in(account=replace(ALICE, password_hash="another"))
    assert len(world.browsers.accounts(after)) == 1


async def test_a_clock_that_was_set_back_since_a_new_password_keeps_nobody_out(world: World) -> None:
    with world.store.transaction():
        world.store.accounts.set_password(ALICE.did, "another", world.now + 7_200 * SECOND)
    secret = await world.sign_in(account=replace(ALICE, password_hash="another"))
    assert await world.come_back(secret, 1) == [ALICE.did]


async def test_a_password_that_was_changed_while_it_was_checked_signs_nobody_in(world: World) -> None:
    with world.store.transaction():
        world.store.accounts.set_password(ALICE.did, "another", world.now)
    with pytest.raises(AuthenticationRequired):
        await world.sign_in()


async def test_an_account_that_is_blocked_or_gone_is_signed_in_nowhere(world: World) -> None:
    secret = await world.sign_in(await world.sign_in(), BOB)
    with world.store.transaction():
        world.store.accounts.set_takedown(ALICE.did, "x")
        world.store.accounts.delete(BOB.did)
    assert world.browsers.accounts(secret) == []
    for account in (ALICE, BOB):
        with pytest.raises(AuthenticationRequired):
            await world.sign_in(account=account)


async def test_an_owner_sees_where_the_account_is_signed_in_and_ends_it(world: World) -> None:
    here, there, bobs = await world.sign_in(), await world.sign_in(), await world.sign_in(account=BOB)
    assert await world.come_back(here, 120) == [ALICE.did]
    [first, second] = world.browsers.list_for(ALICE.did, here)
    assert (first.is_this, first.client_ip, first.seen_at) == (True, "192.0.2.2", world.now)
    assert (second.is_this, second.client_ip, second.signed_in_at) == (False, "192.0.2.1", START)
    await world.browsers.sign_out_elsewhere(ALICE.did, second.id)
    assert world.browsers.accounts(there) == []
    await world.sign_in()
    await world.browsers.sign_out_others(ALICE.did, here)
    assert [view.is_this for view in world.browsers.list_for(ALICE.did, here)] == [True]
    assert len(world.browsers.accounts(bobs)) == 1
    await world.browsers.sign_out(here, ALICE.did)
    assert world.browsers.list_for(ALICE.did, here) == []


async def test_confirming_is_noted_for_that_account_in_that_browser_alone(world: World) -> None:
    here, there = await world.sign_in(await world.sign_in(), BOB), await world.sign_in()
    world.now += 3_600 * SECOND
    await world.browsers.confirm(here, ALICE.did)
    world.now = START + SECOND
    assert {found.account.did: found.confirmed_at - START for found in world.browsers.accounts(here)} == {
        ALICE.did: 3_600 * SECOND,
        BOB.did: 0,
    }
    assert [found.confirmed_at for found in world.browsers.accounts(there)] == [START]


async def test_what_is_over_is_swept_out(world: World) -> None:
    await world.sign_in()
    kept = await world.sign_in(remember=True)
    world.now += BRIEF_US
    await world.browsers.forget_expired()
    world.now = START
    assert len(world.browsers.list_for(ALICE.did, None)) == 1
    assert len(world.browsers.accounts(kept)) == 1


@pytest.mark.parametrize("secret", [None, "", "x", "\ud800", "A" * 43])
async def test_a_cookie_that_nobody_was_given_stands_for_nobody(world: World, secret: str | None) -> None:
    await world.sign_in()
    assert world.browsers.accounts(secret) == []
