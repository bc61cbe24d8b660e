"""Measure what a stranger can tell by the clock: `python -m bench.strangers [--requests N]`.

Somebody without an account asks about names and addresses that are here, and about such as are not, in random order on
one connection. Each line compares the two by their medians and by the Mann-Whitney test: `p` is how often chance alone
gives as large a difference. The lines called *control* compare names that are not here among themselves: as small as
their `p` is, as small may be that of the others.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.account import sign_up
from tests.support.server import Tempest

from bench.http_client import Connection, encode_get, encode_post

WRONG = "not the password"
_SERVER = "/xrpc/com.atproto.server."
# A reset happens up to half a second after its answer.
_RESETS_TAKE = 0.6


@dataclass(frozen=True)
class Question:
    """Something to ask about one of two kinds of names; each request is encoded anew."""

    name: str
    here: Callable[[], bytes]
    not_here: Callable[[], bytes]
    status: int


def _call(method: str, **given: str) -> bytes:
    return encode_post(_SERVER + method, json.dumps(given).encode())


def _sign_in(identifier: str) -> Callable[[], bytes]:
    return lambda: _call("createSession", identifier=identifier, password=WRONG)


def _reset(email: str) -> Callable[[], bytes]:
    return lambda: _call("requestPasswordReset", email=email)


def _sign_up(email: str | None) -> Callable[[], bytes]:
    def encode() -> bytes:
        name = f"s{random.getrandbits(60):x}"
        return _call("createAccount", handle=f"{name}.test", email=email or f"{name}@mail.test", password=WRONG)

    return encode


async def ask(port: int, question: Question, count: int, pause: float) -> tuple[list[float], list[float]]:
    """Return the milliseconds that answers about names that are here took, and about names that are not.

    Args:
        pause: seconds after each request; more resets than a hundred at once are refused.
    """
    connection = await Connection.open(port)
    order = [True, False] * count
    random.shuffle(order)
    taken: dict[bool, list[float]] = {True: [], False: []}
    for is_here in [True, False, *order]:
        request = question.here() if is_here else question.not_here()
        started = time.perf_counter()
        answer = await connection.request(request)
        taken[is_here].append((time.perf_counter() - started) * 1000)
        if answer.status != question.status:
            raise SystemExit(f"{question.name}: {answer.status} {answer.body[:200]!r}")
        await asyncio.sleep(pause)
    connection.close()
    return taken[True][1:], taken[False][1:]


async def ask_beside(port: int, here: bytes, not_here: bytes, count: int) -> tuple[list[float], list[float]]:
    """Return what requests of another kind took, in all, while a reset of either kind was being worked on."""
    asking, beside = await Connection.open(port), await Connection.open(port)
    look = encode_get("/xrpc/_health")
    order = [True, False] * count
    random.shuffle(order)
    taken: dict[bool, list[float]] = {True: [], False: []}
    for is_here in order:
        await asking.request(here if is_here else not_here)
        until, slowest = time.monotonic() + _RESETS_TAKE, 0.0
        while time.monotonic() < until:
            started = time.perf_counter()
            await beside.request(look)
            slowest = max(slowest, time.perf_counter() - started)
        taken[is_here].append(slowest * 1000)
    asking.close()
    beside.close()
    return taken[True], taken[False]


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p of the rank sum test, by its normal approximation."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which == 0)
    n, m = len(first), len(second)
    mean, deviation = n * (n + m + 1) / 2, math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(ranks - mean) / deviation / math.sqrt(2))


async def measure(server: Tempest, count: int) -> None:
    """Print the table."""
    account = sign_up(server, "known")
    email, nobody = f"{account.handle}@mail.test", "nobody-of-that-name.test"
    other = "no-such-name-here.test"
    questions = [
        Question("sign in by handle", _sign_in(account.handle), _sign_in(nobody), 401),
        Question("control", _sign_in(other), _sign_in(nobody), 401),
        Question("sign in by DID", _sign_in(account.did), _sign_in(f"did:plc:{'a' * 24}"), 401),
        Question("sign in by address", _sign_in(email), _sign_in(f"{nobody}@mail.test"), 401),
        Question("reset, the answer", _reset(email), _reset(f"{nobody}@mail.test"), 200),
        Question("control", _reset(f"{other}@mail.test"), _reset(f"{nobody}@mail.test"), 200),
        Question("sign up with an address", _sign_up(email), _sign_up(None), 200),
        Question("control", _sign_up(None), _sign_up(None), 200),
    ]
    sys.stdout.write(f"{count} requests of each kind\n\n| | ms, here | ms, not here | difference | p |\n")
    sys.stdout.write("|---|---:|---:|---:|---:|\n")
    for question in questions:
        pause = 0.1 if "Reset" in question.here().decode() else 0.0
        _line(question.name, *await ask(server.port, question, count, pause))
    few = max(10, count // 4)
    here, not_here, elsewhere = (_reset(f"{name}@mail.test")() for name in (account.handle, nobody, other))
    _line("reset, the slowest look beside it", *await ask_beside(server.port, here, not_here, few))
    _line("control", *await ask_beside(server.port, elsewhere, not_here, few))


def _line(name: str, here: list[float], not_here: list[float]) -> None:
    first, second = statistics.median(here), statistics.median(not_here)
    p = mann_whitney(here, not_here)
    sys.stdout.write(f"| {name} | {first:.3f} | {second:.3f} | {(first / second - 1):+.1%} | {p:.2f} |\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="of each kind")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tempest-bench-") as folder,
        Tempest(Path(folder) / "data", TEMPEST_LOG_LEVEL="warning") as server,
    ):
        asyncio.run(measure(server, options.requests))


if __name__ == "__main__":
    main()
