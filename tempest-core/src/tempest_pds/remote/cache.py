"""Answers of other servers, kept for a while.

A *stale* answer is given out at once and renewed behind the caller's back; past the *hard* limit it is asked for again
first. So a name server or directory that is down for an hour is not noticed, and one that was moved is noticed within
the stale limit of the next request. Questions asked at the same time are asked once.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tempest_pds.remote.errors import NotFound

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Ask once, remember for a while.

    Args:
        ask: the question itself; what it raises reaches the caller. A `NotFound` is remembered too, for `negative`.
        stale: seconds after which an answer is renewed in the background.
        hard: seconds after which an answer is no longer given out.
        capacity: answers kept; the one not used for longest leaves first.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[V]],
        *,
        stale: float,
        hard: float,
        negative: float = 30.0,
        capacity: int = 2048,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._stale = stale
        self._hard = hard
        self._negative = negative
        self._capacity = capacity
        self._clock = clock
        self._answers: OrderedDict[K, tuple[float, V | NotFound]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, *, max_age: float | None = None) -> V:
        """Give the answer, asking only when needed, or when the answer is older than `max_age` seconds."""
        found = self._answers.get(key)
        age = 0.0 if found is None else self._clock() - found[0]
        if found is not None and (max_age is None or age < max_age):
            self._answers.move_to_end(key)
            answer = found[1]
            if isinstance(answer, NotFound):
                if age < self._negative:
                    raise type(answer)(*answer.args)
            elif age < self._hard:
                if age >= self._stale:
                    self._start(key)
                return answer
        # Shielded: the caller who happened to ask first may go away, and the others still want the answer.
        return await asyncio.shield(self._start(key))

    def put(self, key: K, value: V) -> None:
        """Remember an answer that is known from elsewhere."""
        self._store(key, value)

    def forget(self, key: K) -> None:
        """Drop an answer."""
        self._answers.pop(key, None)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: K) -> "asyncio.Task[V]":
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask_and_store(key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    def _finished(self, key: K, task: "asyncio.Task[V]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            # Read, so that a renewal in the background that failed is not reported as an error nobody saw.
            task.exception()

    async def _ask_and_store(self, key: K) -> V:
        try:
            value = await self._ask(key)
        except NotFound as error:
            self._store(key, error)
            raise
        self._store(key, value)
        return value

    def _store(self, key: K, value: V | NotFound) -> None:
        self._answers[key] = (self._clock(), value)
        self._answers.move_to_end(key)
        while len(self._answers) > self._capacity:
            self._answers.popitem(last=False)
