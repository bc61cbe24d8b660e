import asyncio

import pytest

from tempest_pds.remote.cache import Cache
from tempest_pds.remote.errors import HandleNotFound, Unreachable


class Source:
    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        self.answer: str | Exception = "one"
        self.gate = asyncio.Event()
        self.gate.set()
        self.cache: Cache[str, str] = Cache(
            self.ask, stale=10, hard=100, negative=5, capacity=2, clock=lambda: self.now
        )

    async def ask(self, key: str) -> str:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def source() -> Source:
    return Source()


async def test_a_fresh_answer_is_not_asked_for_again(source: Source) -> None:
    assert [await source.cache.get("a"), await source.cache.get("a")] == ["one", "one"]
    assert source.asked == 1


async def test_a_stale_answer_is_given_out_and_renewed_behind(source: Source) -> None:
    await source.cache.get("a")
    source.now, source.answer = 11, "two"
    assert await source.cache.get("a") == "one"
    await asyncio.sleep(0.01)
    assert await source.cache.get("a") == "two"
    assert source.asked == 2


async def test_a_source_that_is_down_is_not_noticed_before_the_hard_limit(source: Source) -> None:
    await source.cache.get("a")
    source.now, source.answer = 99, Unreachable("down")
    assert await source.cache.get("a") == "one"
    await asyncio.sleep(0.01)
    source.now = 101
    with pytest.raises(Unreachable):
        await source.cache.get("a")


async def test_who_wants_a_younger_answer_gets_one(source: Source) -> None:
    await source.cache.get("a")
    source.answer = "two"
    assert await source.cache.get("a", max_age=1) == "one"
    assert await source.cache.get("a", max_age=0) == "two"


async def test_questions_at_the_same_time_are_asked_once_and_survive_the_first_asker(source: Source) -> None:
    source.gate.clear()
    first = asyncio.create_task(source.cache.get("a"))
    others = [asyncio.create_task(source.cache.get("a")) for _ in range(5)]
    await asyncio.sleep(0.01)
    first.cancel()
    source.gate.set()
    assert await asyncio.gather(*others) == ["one"] * 5
    assert source.asked == 1


async def test_that_there_is_nothing_is_remembered_for_a_short_while_only(source: Source) -> None:
    source.answer = HandleNotFound("no")
    for _ in range(2):
        with pytest.raises(HandleNotFound):
            await source.cache.get("a")
    assert source.asked == 1
    source.now, source.answer = 6, "one"
    assert await source.cache.get("a") == "one"


async def test_the_answer_not_used_for_longest_leaves_first(source: Source) -> None:
    for key in ("a", "b", "a", "c", "a"):
        await source.cache.get(key)
    assert source.asked == 3
    await source.cache.get("b")
    assert source.asked == 4


async def test_an_answer_that_was_asked_for_before_it_was_forgotten_is_not_kept(source: Source) -> None:
    source.gate.clear()
    early = asyncio.create_task(source.cache.get("a"))
    await asyncio.sleep(0)
    source.cache.forget("a")
    source.answer = "two"
    late = asyncio.create_task(source.cache.get("a"))
    await asyncio.sleep(0)
    source.gate.set()
    assert [await early, await late, await source.cache.get("a")] == ["two", "two", "two"]
    assert source.asked == 2
    source.cache.forget("a")
    assert not source.cache.knows("a")


async def test_who_wants_a_younger_answer_does_not_wait_for_an_older_question(source: Source) -> None:
    source.gate.clear()
    early = asyncio.create_task(source.cache.get("a"))
    await asyncio.sleep(0)
    source.now = 3
    patient = asyncio.create_task(source.cache.get("a", max_age=4))
    impatient = asyncio.create_task(source.cache.get("a", max_age=2))
    await asyncio.sleep(0)
    source.gate.set()
    await asyncio.gather(early, patient, impatient)
    assert source.asked == 2
    # What is kept is that of the younger question.
    source.now = 4
    await source.cache.get("a", max_age=2)
    assert source.asked == 2


async def test_an_answer_is_as_old_as_its_question(source: Source) -> None:
    source.gate.clear()
    waiting = asyncio.create_task(source.cache.get("a"))
    await asyncio.sleep(0)
    source.now = 9
    source.gate.set()
    await waiting
    source.now = 11
    await source.cache.get("a")
    await asyncio.sleep(0.01)
    assert source.asked == 2


async def test_a_renewal_that_failed_is_not_tried_again_at_once(source: Source) -> None:
    await source.cache.get("a")
    source.answer = Unreachable("down")
    for source.now in (11, 12, 40, 42):
        assert await source.cache.get("a") == "one"
        await asyncio.sleep(0.01)
    assert source.asked == 3


async def test_what_is_gone_is_not_given_out_for_the_rest_of_the_hard_limit(source: Source) -> None:
    await source.cache.get("a")
    source.now, source.answer = 11, HandleNotFound("gone")
    assert await source.cache.get("a") == "one"
    await asyncio.sleep(0.01)
    with pytest.raises(HandleNotFound):
        await source.cache.get("a")


async def test_heavy_answers_leave_room_for_fewer() -> None:
    asked: list[str] = []

    async def ask(key: str) -> str:
        asked.append(key)
        return key

    cache: Cache[str, str] = Cache(ask, stale=10, hard=100, capacity=10, weigh=len)
    for key in ("a", "b", "cccccccc", "a", "dd"):
        await cache.get(key)
    assert [key for key in ("a", "b", "cccccccc", "dd") if cache.knows(key)] == ["a", "dd"]
    await cache.get("e" * 11)
    assert not any(cache.knows(key) for key in ("a", "dd", "e" * 11))


async def test_an_answer_from_before_the_start_is_as_old_as_it_is(source: Source) -> None:
    assert not source.cache.holds("a")
    source.cache.restore("a", "from before", age=9)
    assert source.cache.holds("a")
    assert await source.cache.get("a") == "from before"
    assert source.asked == 0
    source.now = 1
    assert await source.cache.get("a") == "from before"
    await asyncio.sleep(0.01)
    assert await source.cache.get("a") == "one"
    source.cache.restore("b", "from long before", age=100)
    assert await source.cache.get("b") == "one"


async def test_closing_ends_every_question_also_those_that_nobody_wants_any_more(source: Source) -> None:
    source.gate.clear()
    waiting = asyncio.create_task(source.cache.get("a"))
    await asyncio.sleep(0)
    source.cache.forget("a")
    await source.cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
