"""Measures: operations a second, and the processor time of the server for one of them."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.http_client import Connection
from bench.targets import Target, check


@dataclass(frozen=True)
class Measure:
    """One figure of one server. `cpu_ms` is the server's processor time for one unit of it, where that is measured."""

    value: float
    cpu_ms: float | None = None


def median(measures: list[Measure]) -> Measure:
    """Return the median of each figure by itself."""
    times = [measure.cpu_ms for measure in measures if measure.cpu_ms is not None]
    return Measure(
        statistics.median(measure.value for measure in measures), statistics.median(times) if times else None
    )


async def throughput(
    target: Target,
    requests: Sequence[Callable[[], bytes]],
    seconds: float,
    *,
    per_answer: float | None = None,
    keep: bool = False,
) -> Measure:
    """Let one connection for each element of *requests* ask as fast as it is answered.

    Counts answers, or units of *per_answer* bytes of body when that is given.
    """
    connections = [await Connection.open(target.port) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        check(await connection.request(request()))
    answers = size = 0
    deadline = 0.0

    async def ask(connection: Connection, request: Callable[[], bytes]) -> None:
        nonlocal answers, size
        while time.monotonic() < deadline:
            answer = check(await connection.request(request(), keep=keep))
            answers += 1
            size += answer.size

    cpu = target.process.cpu_seconds()
    started = time.monotonic()
    deadline = started + seconds
    await asyncio.gather(*map(ask, connections, requests))
    elapsed = time.monotonic() - started
    cpu = target.process.cpu_seconds() - cpu
    for connection in connections:
        connection.close()
    units = size / per_answer if per_answer else answers
    return Measure(units / elapsed, cpu * 1000 / units)
