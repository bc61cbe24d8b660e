import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.remote.errors import Busy
from tempest_pds.remote.slots import Slots


async def test_a_site_gets_no_more_than_its_share_and_leaves_the_rest_to_others() -> None:
    slots = Slots(total=10, per_site=2, seconds=0)
    for _ in range(2):
        await slots.take("tarpit.example.com")
    with pytest.raises(Busy):
        await slots.take("tarpit.example.com")
    await slots.take("other.example.com")


async def test_a_caller_gets_no_more_than_his_share_over_all_sites() -> None:
    slots = Slots(total=10, per_site=10, per_caller=2, seconds=0)
    for number in range(2):
        await slots.take(f"site-{number}", "mallory")
    with pytest.raises(Busy):
        await slots.take("site-2", "mallory")
    await slots.take("site-2", "alice")
    await slots.take("site-2")


async def test_all_together_get_no_more_than_there_are() -> None:
    slots = Slots(total=2, per_site=2, seconds=0)
    given_back = await slots.take("a")
    await slots.take("b")
    with pytest.raises(Busy):
        await slots.take("c")
    given_back()
    await slots.take("c")


async def test_who_waits_gets_the_slot_that_is_given_back() -> None:
    slots = Slots(total=1, per_site=1, seconds=10)
    give_back = await slots.take("a")
    waiting = asyncio.create_task(slots.take("b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    give_back()
    async with asyncio.timeout(5):
        await waiting


async def test_who_waits_for_his_own_share_keeps_nobody_else_waiting() -> None:
    slots = Slots(total=3, per_site=1, per_caller=1, seconds=10)
    await slots.take("a", "mallory")
    queue = [asyncio.create_task(slots.take(f"site-{number}", "mallory")) for number in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await slots.take("b", "alice")
        await slots.take("c", "bob")
    for task in queue:
        task.cancel()
    await asyncio.gather(*queue, return_exceptions=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None]), st.booleans()), max_size=30))
def test_a_slot_that_was_given_back_is_free_and_nothing_is_remembered(
    asked: list[tuple[str, str | None, bool]],
) -> None:
    async def use() -> None:
        slots = Slots(total=4, per_site=2, per_caller=2, seconds=0)
        held = []
        for site, caller, at_once in asked:
            try:
                give_back = await slots.take(site, caller)
            except Busy:
                continue
            held.append(give_back)
            if at_once:
                give_back()
        for give_back in held:
            give_back()
            give_back()
        assert not slots._shares
        assert not slots._users
        for _ in range(2):
            await slots.take("a", "x")

    asyncio.run(use())
