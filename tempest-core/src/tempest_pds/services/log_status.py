"""Where the log of events stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tempest_pds.stores.sequencer.store import SequencerStore


@dataclass(frozen=True, slots=True)
class LogStanding:
    """The log at one moment.

    Attributes:
        first: the oldest event still kept; None when there is none.
        last: the newest number ever given.
        applied: up to here every repository's file is known to be on the disk.
        kinds: how many events of each kind there are.
        oldest_us: when the oldest event was written, in µs since 1970.
        size: of the file and its write-ahead log, in bytes.
    """

    first: int | None
    last: int
    applied: int
    kinds: Mapping[str, int]
    oldest_us: int | None
    size: int


class LogStatus:
    """Tell where the log stands."""

    def __init__(self, sequencer: SequencerStore) -> None:
        self._sequencer = sequencer

    async def standing(self) -> LogStanding:
        """Look at the whole log, in a thread: it takes time in proportion to the events."""
        sequencer = self._sequencer
        kinds, oldest_us = await asyncio.to_thread(sequencer.census)
        return LogStanding(
            first=sequencer.first_seq(),
            last=sequencer.last_seq(),
            applied=sequencer.applied_seq(),
            kinds=kinds,
            oldest_us=oldest_us,
            size=sequencer.size(),
        )
