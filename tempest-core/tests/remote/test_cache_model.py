"""The cache against a plain model: what it gives out was true at a time that the caller may be told of.

The source's answer to a key is the number of its last change, as read when the question is asked: the worst case, as
the answer is held back until the test lets it go. Time stands still but for the test's own steps.
"""

import asyncio
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tempest_pds.remote.cache import Cache
from tempest_pds.remote.errors import HandleNotFound, NotFound, RemoteError, Unreachable

STALE, HARD, NEGATIVE, RETRY, CAPACITY = 10, 40, 5, 7, 4
KEYS = st.sampled_from("abc")
Answer = int | RemoteError


@dataclass
class Question:
    """One that the source was asked."""

    key: str
    asked_at: float
    answer: Answer
    gate: "asyncio.Future[None]"


@dataclass
class Caller:
    """One who waits for the cache."""

    key: str
    came_at: float
    max_age: float | None
    task: "asyncio.Task[int]"
    forgotten_at: float
    waits: bool


class CacheMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 100.0
        self.truth: dict[str, Answer] = dict.fromkeys("abc", 0)
        self.told: dict[tuple[str, int], float] = {}
        """When each answer was last read from the source."""
        self.denied: dict[str, float] = {}
        self.failed: dict[str, float] = {}
        self.forgotten: dict[str, float] = {}
        self.questions: list[Question] = []
        self.callers: list[Caller] = []
        self.cache: Cache[str, int] = Cache(
            self.ask,
            stale=STALE,
            hard=HARD,
            negative=NEGATIVE,
            retry=RETRY,
            capacity=CAPACITY,
            weigh=lambda number: 1 + number % 3,
            clock=lambda: self.now,
        )

    async def ask(self, key: str) -> int:
        answer = self.truth[key]
        if isinstance(answer, int):
            self.told[key, answer] = self.now
        elif isinstance(answer, NotFound):
            self.denied[key] = self.now
        question = Question(key, self.now, answer, self.loop.create_future())
        self.questions.append(question)
        await question.gate
        if isinstance(answer, RemoteError):
            self.failed[key] = self.now
            raise answer
        return answer

    def settle(self) -> None:
        async def turn() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())
        for caller in [caller for caller in self.callers if caller.task.done()]:
            self.callers.remove(caller)
            self.judge(caller)

    def judge(self, caller: Caller) -> None:
        key = caller.key
        youngest = max(caller.forgotten_at, caller.came_at - (HARD if caller.max_age is None else caller.max_age))
        error = caller.task.exception()
        if error is None:
            # A time before which it was not read, or an age that it has reached, would be a lie.
            assert self.told[key, caller.task.result()] >= youngest
        elif isinstance(error, NotFound):
            assert self.denied[key] >= (youngest if caller.waits else max(youngest, caller.came_at - NEGATIVE))
        else:
            assert isinstance(error, Unreachable)
            assert self.failed[key] >= caller.came_at

    @rule(key=KEYS, change=st.sampled_from(["value", "gone", "down"]))
    def change(self, key: str, change: str) -> None:
        answers: dict[str, Answer] = {
            "value": len(self.told) + 1,
            "gone": HandleNotFound("gone"),
            "down": Unreachable("down"),
        }
        self.truth[key] = answers[change]

    @rule(seconds=st.sampled_from([1, 4, 6, 11, 41]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(key=KEYS, max_age=st.sampled_from([None, None, 0, 3]))
    def get(self, key: str, max_age: float | None) -> None:
        before = len(self.questions)
        known = self.cache.knows(key)
        kept = self.cache._kept.get(key)
        task = self.loop.create_task(self.cache.get(key, max_age=max_age))
        waits = not known or max_age is not None
        self.callers.append(Caller(key, self.now, max_age, task, self.forgotten.get(key, 0.0), waits))
        self.settle()
        asked = len(self.questions) - before
        assert asked <= 1
        if not waits:
            assert task.done()
            assert kept is not None
            assert not asked or self.now - kept.asked_at >= STALE

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Let one of the questions be answered, in any order."""
        question = self.questions.pop(data.draw(st.integers(0, len(self.questions) - 1)))
        question.gate.set_result(None)
        self.settle()

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.cache.forget(key)
        # So that what was asked at the very same instant counts as asked before.
        self.now += 0.5
        self.forgotten[key] = self.now
        assert not self.cache.knows(key)

    @precondition(lambda self: self.callers)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """Let a caller go away; the others hear their answer all the same."""
        caller = self.callers.pop(data.draw(st.integers(0, len(self.callers) - 1)))
        caller.task.cancel()
        self.settle()

    @invariant()
    def nothing_is_kept_beyond_the_capacity(self) -> None:
        kept = self.cache._kept.values()
        assert sum(answer.weight for answer in kept) == self.cache._weight <= CAPACITY

    @invariant()
    def only_what_can_be_answered_is_waited_for(self) -> None:
        assert len(self.cache._newest) <= len(self.questions)
        assert self.questions or not self.callers

    def teardown(self) -> None:
        async def end() -> None:
            await self.cache.close()
            for caller in self.callers:
                caller.task.cancel()
            await asyncio.gather(*(caller.task for caller in self.callers), return_exceptions=True)

        self.loop.run_until_complete(end())
        self.loop.close()


CacheMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_the_cache_is_as_its_model = CacheMachine.TestCase
