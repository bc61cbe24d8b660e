"""The firehose: the newest events in memory, and a cursor for each subscriber.

A subscriber is nothing but a cursor. It reads what comes after it from the ring of recent events, or, when the ring
no longer reaches back so far, from the log. Both hold the same frames in the same order, so there is no seam to get
wrong: backfill of any length turns into live without an event twice or left out. A subscriber that waits at the end
of the ring is written to directly by `publish`; one that does not take what it is sent reads on from its cursor when
it can. A subscriber that has been live and then falls behind by more than the allowed number of events is cut off
(ConsumerTooSlow); it holds up nobody, for nobody waits for it.

Terms: a *frame* is a message of the event stream, DAG-CBOR. *Wire* is one or more of them as WebSocket frames of a
server, which are the same bytes for every subscriber, and are made once.

https://atproto.com/specs/event-stream, https://www.rfc-editor.org/rfc/rfc6455#section-5.2
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.event_frames import info_frame
from tempest_pds.services.repo_errors import FutureCursor
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds.telemetry import Instruments

RING_EVENTS: Final = 8_192
RING_BYTES: Final = 16 * 1024 * 1024
# How much a subscriber is handed at a time.
_PAGE_EVENTS: Final = 256
_PAGE_BYTES: Final = 1024 * 1024
_BINARY_FINAL: Final = b"\x82"


class ConsumerTooSlow(InvalidRequest):
    """A subscriber that does not read as fast as events come."""


class Sink(Protocol):
    """Where a subscriber's events go: a WebSocket."""

    def try_write(self, wire: bytes) -> bool:
        """Write at once if the other side reads; tell whether it was written."""
        ...

    async def write(self, wire: bytes) -> None:
        """Write, and wait while the other side does not read; raise when it is gone."""
        ...


class Subscriber:
    """A reader of the firehose, at its cursor."""

    __slots__ = ("_wake", "cursor", "live", "sink", "too_slow")

    def __init__(self, cursor: int, sink: Sink) -> None:
        self.cursor = cursor
        self.sink = sink
        self.live = False
        self.too_slow = asyncio.Event()
        self._wake: asyncio.Future[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether everything before the cursor has been written, and the reader sleeps."""
        return self._wake is not None and not self._wake.done()

    def wake(self) -> None:
        """Tell the reader that there is something to read."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def wait(self) -> None:
        """Sleep until `wake`."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None


class Firehose:
    """Hands events to subscribers.

    Args:
        max_lag: how many events a live subscriber may fall behind.
        retention_seconds: how far back a cursor reaches; an older one is answered with OutdatedCursor.
    """

    def __init__(
        self,
        store: SequencerStore,
        *,
        max_lag: int,
        retention_seconds: float,
        instruments: Instruments,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._max_lag = max_lag
        self._retention = retention_seconds
        self._instruments = instruments
        self._clock = clock
        self._ring: deque[tuple[int, bytes]] = deque()
        self._ring_bytes = 0
        self._last_seq = store.last_seq()
        self._subscribers: set[Subscriber] = set()
        self._page: tuple[int, int, bytes] | None = None
        self._withheld: set[int] = set()

    @property
    def last_seq(self) -> int:
        """The newest event that may be read."""
        return self._last_seq

    @property
    def subscriber_count(self) -> int:
        """How many readers there are now."""
        return len(self._subscribers)

    def publish(self, frames: Sequence[tuple[int, bytes]]) -> None:
        """Take the frames of a batch that is in the log, and pass them on."""
        ring = self._ring
        wires = []
        for seq, frame in frames:
            wire = to_wire(frame)
            wires.append(wire)
            ring.append((seq, wire))
            self._ring_bytes += len(wire)
        while len(ring) > RING_EVENTS or self._ring_bytes > RING_BYTES:
            self._ring_bytes -= len(ring.popleft()[1])
        before = frames[0][0] - 1
        last = self._last_seq = frames[-1][0]
        self._instruments.firehose_event_count.add(len(frames))
        if not self._subscribers:
            return
        batch = wires[0] if len(wires) == 1 else b"".join(wires)
        floor = last - self._max_lag
        for subscriber in self._subscribers:
            if subscriber.cursor == before and subscriber.is_waiting and subscriber.sink.try_write(batch):
                subscriber.cursor = last
                continue
            if subscriber.live and subscriber.cursor < floor:
                subscriber.too_slow.set()
            subscriber.wake()

    @property
    def ring_start(self) -> int:
        """The oldest event that is kept in memory."""
        return self._ring[0][0] if self._ring else self._last_seq + 1

    def forget(self, seqs: Collection[int]) -> None:
        """Take events out of memory that were purged from the log; their places in the ring stay, empty."""
        start = self.ring_start
        for seq in seqs:
            if start <= seq <= self._last_seq:
                self._ring_bytes -= len(self._ring[seq - start][1])
                self._ring[seq - start] = (seq, b"")
        self._page = None

    def withhold(self, seqs: Collection[int]) -> None:
        """Send these events to nobody any more, until they are given back."""
        self._withheld.update(seqs)
        self._page = None

    def give_back(self, seqs: Collection[int]) -> None:
        """Send events again that were withheld."""
        self._withheld.difference_update(seqs)
        self._page = None

    async def serve(self, cursor: int | None, sink: Sink) -> None:
        """Send events to a subscriber until it goes away.

        Args:
            cursor: the last event that it has seen; None for those to come only.

        Raises:
            FutureCursor: the cursor is above every event there is.
            ConsumerTooSlow: the subscriber fell too far behind.
        """
        start, info = self._start(cursor)
        subscriber = Subscriber(start, sink)
        self._subscribers.add(subscriber)
        self._instruments.firehose_subscriber_count.add(1)
        sender = asyncio.ensure_future(self._send(subscriber, info))
        slow = asyncio.ensure_future(subscriber.too_slow.wait())
        try:
            await asyncio.wait({sender, slow}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            else:
                raise ConsumerTooSlow("Stream consumer too slow")
        finally:
            self._subscribers.discard(subscriber)
            self._instruments.firehose_subscriber_count.add(-1)
            sender.cancel()
            slow.cancel()

    async def _send(self, subscriber: Subscriber, info: bytes | None) -> None:
        if info is not None:
            await subscriber.sink.write(to_wire(info))
        while True:
            wire = self._read(subscriber)
            if wire:
                await subscriber.sink.write(wire)
            elif subscriber.cursor >= self._last_seq:
                await subscriber.wait()

    def _start(self, cursor: int | None) -> tuple[int, bytes | None]:
        """Find the event after which to begin, and the `#info` frame to begin with."""
        if cursor is None:
            return self._last_seq, None
        if cursor > self._last_seq:
            raise FutureCursor("Cursor in the future.")
        start = max(cursor, 0)
        horizon = self._store.seq_at_or_after(int((self._clock() - self._retention) * 1_000_000))
        first = self._last_seq + 1 if horizon is None else horizon
        if start + 1 >= first:
            return start, None
        info = info_frame("OutdatedCursor", "Requested cursor exceeded limit. Possibly missing events")
        return first - 1, info

    def _read(self, subscriber: Subscriber) -> bytes:
        """Give the next events of a subscriber and move its cursor past them; nothing when there are none yet."""
        cursor = subscriber.cursor
        if cursor >= self._last_seq:
            subscriber.live = True
            return b""
        page = self._page
        if page is None or page[0] != cursor:
            # Subscribers mostly come by at the same cursor, so the page is kept for the next one.
            page = self._page = self._read_ring(cursor) or self._read_log(cursor)
        subscriber.cursor = page[1]
        return page[2]

    def _read_ring(self, cursor: int) -> tuple[int, int, bytes] | None:
        ring = self._ring
        # Within one run of the server `seq` has no gaps, so an event's place is known.
        if not ring or ring[0][0] > cursor + 1:
            return None
        index = cursor + 1 - ring[0][0]
        wires: list[bytes] = []
        size = 0
        while index < len(ring) and len(wires) < _PAGE_EVENTS and size < _PAGE_BYTES:
            cursor, wire = ring[index]
            if cursor in self._withheld:
                wire = b""
            wires.append(wire)
            size += len(wire)
            index += 1
        return cursor - len(wires), cursor, b"".join(wires)

    def _read_log(self, cursor: int) -> tuple[int, int, bytes]:
        wires: list[bytes] = []
        size = 0
        last = cursor
        for seq, frame in self._store.frames_after(cursor, _PAGE_EVENTS):
            if seq > self._last_seq or size > _PAGE_BYTES:
                break
            wire = b"" if seq in self._withheld else to_wire(frame)
            wires.append(wire)
            size += len(wire)
            last = seq
        self._instruments.firehose_backfill_count.add(len(wires))
        # The rest of the numbers up to the last may belong to events that were purged with their account.
        return cursor, last if wires else self._last_seq, b"".join(wires)


def to_wire(frame: bytes) -> bytes:
    """Make the WebSocket frame of one message: binary, final, not masked, as servers send them."""
    size = len(frame)
    if size < 126:
        return b"".join((_BINARY_FINAL, size.to_bytes(1, "big"), frame))
    if size < 65_536:
        return b"".join((_BINARY_FINAL, b"\x7e", size.to_bytes(2, "big"), frame))
    return b"".join((_BINARY_FINAL, b"\x7f", size.to_bytes(8, "big"), frame))


def from_wire(wire: bytes) -> list[bytes]:
    """Take messages out of their WebSocket frames again, for servers that make these themselves."""
    frames = []
    offset = 0
    while offset < len(wire):
        size = wire[offset + 1]
        offset += 2
        if size >= 126:
            length = 2 if size == 126 else 8
            size = int.from_bytes(wire[offset : offset + length], "big")
            offset += length
        frames.append(wire[offset : offset + size])
        offset += size
    return frames
