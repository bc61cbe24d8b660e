"""A bound on what strangers have this server ask of others at one time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tempest_pds.services.errors import NotEnoughResources


class OutsideQuestions:
    """Count questions that go out; at most `most` of them are under way, and more are refused.

    Args:
        what: is looked up, for the refusal: "identities".
    """

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._under_way = 0

    @asynccontextmanager
    async def asking(self, *, known: bool) -> AsyncIterator[None]:
        """Count a question, unless its answer is known; raise NotEnoughResources when there are too many."""
        if known:
            yield
            return
        if self._under_way >= self._most:
            raise NotEnoughResources(f"Too many {self._what} are being looked up, try again in a moment")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
