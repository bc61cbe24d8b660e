"""Subscribers to the firehose, made on the spot."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.firehose import ConsumerTooSlow, from_wire

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")


class Sink:
    """A subscriber's socket. `reads` tells whether the other side reads at all."""

    def __init__(self, *, at_once: bool = True, pause: float = 0.0, reads: bool = True) -> None:
        self.frames: list[bytes] = []
        self.wires: list[bytes] = []
        self._at_once = at_once
        self._pause = pause
        self._reads = reads
        self.changed = asyncio.Event()

    def try_write(self, wire: bytes) -> bool:
        if not self._at_once or not self._reads:
            return False
        self._take(wire)
        return True

    async def write(self, wire: bytes) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        if self._pause:
            await asyncio.sleep(self._pause)
        self._take(wire)

    def _take(self, wire: bytes) -> None:
        self.wires.append(wire)
        self.frames += from_wire(wire)
        self.changed.set()

    @property
    def seqs(self) -> list[int]:
        return [body["seq"] for kind, body in map(parse, self.frames) if kind != "#info"]

    async def reach(self, seq: int) -> None:
        async with asyncio.timeout(10):
            while not self.seqs or self.seqs[-1] < seq:
                self.changed.clear()
                await self.changed.wait()


HEADERS = {
    dag_cbor.encode({"op": 1, "t": kind}): kind for kind in ("#commit", "#sync", "#account", "#identity", "#info")
}


def parse(frame: bytes) -> tuple[str, dict]:
    header = next(header for header in HEADERS if frame.startswith(header))
    body = dag_cbor.decode(frame[len(header) :])
    assert isinstance(body, dict)
    return HEADERS[header], body


@asynccontextmanager
async def subscribed(path, cursor: int | None, sink: Sink):
    task = asyncio.create_task(path.firehose.serve(cursor, sink))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConsumerTooSlow):
            await task


async def write(path, count: int, did: Did = ALICE) -> None:
    await asyncio.gather(*[path.post(str(number), did=did) for number in range(count)])
