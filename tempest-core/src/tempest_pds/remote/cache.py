"""Answers of other servers, kept for a while.

A *stale* answer is given out at once and renewed behind the caller's back; past the *hard* limit it is asked for again
first. So a name server or directory that is down for an hour is not noticed, and one that was moved is noticed within
the stale limit of the next request. Questions asked at the same time are asked once. Where an old answer must not be
given out as long as there may be a new one, both limits are the same, and an *outage* says for how long the old one
serves when there is none to be had.

An answer is as old as its question: what was true may have changed while the answer was on its way. So nobody who wants
a younger answer waits for a question that was asked before, and of a question that was asked before `forget` only
those who had waited for it already hear the answer; it is not kept.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tempest_pds.remote.errors import NotFound, RemoteError

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _Kept(Generic[V]):
    asked_at: float
    answer: V | NotFound
    weight: int
    renew_at: float


@dataclass(slots=True)
class _Question(Generic[V]):
    asked_at: float
    task: "asyncio.Task[V]"


class Cache(Generic[K, V]):
    """Ask once, remember for a while.

    Args:
        ask: the question itself; what it raises reaches the caller. A `NotFound` is remembered too, for `negative`.
        stale: seconds after which an answer is renewed in the background.
        hard: seconds after which an answer is no longer given out.
        outage: seconds past `hard` for which an answer is given out after all, if asking anew fails with a RemoteError.
        negative: seconds for which it is remembered that there is nothing.
        retry: seconds until the next try after a renewal that failed; the answer it was to replace stays.
        capacity: the weight of all answers kept; the one not used for longest leaves first.
        weigh: gives the weight of an answer; each weighs 1 unless this is given.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[V]],
        *,
        stale: float,
        hard: float,
        outage: float = 0.0,
        negative: float = 30.0,
        retry: float = 30.0,
        capacity: int = 2048,
        weigh: Callable[[V], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._stale = stale
        self._hard = hard
        self._outage = outage
        self._negative = negative
        self._retry = retry
        self._capacity = capacity
        self._weigh = weigh
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._weight = 0
        self._newest: dict[K, _Question[V]] = {}
        self._tasks: set[asyncio.Task[V]] = set()

    async def get(self, key: K, *, max_age: float | None = None) -> V:
        """Give the answer, asking only when needed, or when the answer is older than `max_age` seconds."""
        kept = self._usable(key, max_age)
        if kept is not None:
            self._kept.move_to_end(key)
            if isinstance(kept.answer, NotFound):
                raise type(kept.answer)(*kept.answer.args)
            if self._clock() >= kept.renew_at and key not in self._newest:
                self._start(key)
            return kept.answer
        question = self._newest.get(key)
        if question is None or self._clock() - question.asked_at >= (self._hard if max_age is None else max_age):
            question = self._start(key)
        try:
            # Shielded: the caller who happened to ask first may go away, and the others still want the answer.
            return await asyncio.shield(question.task)
        except RemoteError as error:
            kept = None if isinstance(error, NotFound) else self._usable(key, max_age)
            if kept is None or isinstance(kept.answer, NotFound):
                raise
            return kept.answer

    def holds(self, key: K) -> bool:
        """Tell whether there is an answer, however old."""
        return key in self._kept

    def knows(self, key: K) -> bool:
        """Tell whether `get` would answer, be it that there is nothing, without waiting for anybody."""
        return self._usable(key, None) is not None

    def is_asked(self, key: K) -> bool:
        """Tell whether a question is under way whose answer `get` would wait for, and ask nobody itself."""
        return key in self._newest

    def restore(self, key: K, answer: V, *, age: float) -> None:
        """Take in an answer to a question of so many seconds ago, from before the process was started, say."""
        asked_at = self._clock() - age
        weight = 1 if self._weigh is None else self._weigh(answer)
        self._keep(key, _Kept(asked_at, answer, weight, asked_at + self._stale))

    def forget(self, key: K) -> None:
        """Drop an answer, and what is still to come of questions asked by now."""
        self._drop(key)
        self._newest.pop(key, None)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _usable(self, key: K, max_age: float | None) -> _Kept[V] | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = self._clock()
        age = now - kept.asked_at
        if isinstance(kept.answer, NotFound):
            limit = self._negative
        elif max_age is None and now < kept.renew_at:
            # Past the limit there is a renewal to come only where one has failed.
            limit = self._hard + self._outage
        else:
            limit = self._hard
        return kept if age < limit and (max_age is None or age < max_age) else None

    def _start(self, key: K) -> _Question[V]:
        task = asyncio.get_running_loop().create_task(self._ask_once(key))
        question = self._newest[key] = _Question(self._clock(), task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._finish(key, question))
        return question

    async def _ask_once(self, key: K) -> V:
        return await self._ask(key)

    def _finish(self, key: K, question: _Question[V]) -> None:
        task = question.task
        self._tasks.discard(task)
        # Read in any case, so that a renewal that failed is not reported as an error nobody saw.
        error = None if task.cancelled() else task.exception()
        if self._newest.get(key) is not question:
            return
        del self._newest[key]
        if task.cancelled():
            return
        if error is None:
            answer = task.result()
            weight = 1 if self._weigh is None else self._weigh(answer)
            self._keep(key, _Kept(question.asked_at, answer, weight, question.asked_at + self._stale))
        elif isinstance(error, NotFound):
            # A fresh one: an error that was raised holds on to all that its raisers held.
            self._keep(key, _Kept(question.asked_at, type(error)(*error.args), 1, 0.0))
        elif key in self._kept:
            self._kept[key].renew_at = self._clock() + self._retry

    def _keep(self, key: K, kept: _Kept[V]) -> None:
        self._drop(key)
        self._kept[key] = kept
        self._weight += kept.weight
        while self._weight > self._capacity:
            _, leaving = self._kept.popitem(last=False)
            self._weight -= leaving.weight

    def _drop(self, key: K) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._weight -= kept.weight
