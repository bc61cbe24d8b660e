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
