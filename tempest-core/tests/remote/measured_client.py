"""Ask the servers of the command line, the polite one first, and tell how much memory the others took."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

try:
    # As the server runs. It reads ahead more than asyncio's own loop does.
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import SafeFetch

MAX_BYTES = 100_000


def peak_kilobytes() -> int:
    """Not by `getrusage`, whose peak begins with that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


async def main(polite: str, rude: list[str]) -> None:
    fetch = SafeFetch(allow_private=True)
    assert (await fetch.fetch("GET", polite)).body == b"short"
    rest = peak_kilobytes()
    asked = 0
    for url in rude:
        with suppress(RemoteError):
            await fetch.fetch("GET", url, max_bytes=MAX_BYTES, seconds=1)
        asked += 1
        with suppress(RemoteError):
            answer = await fetch.send("GET", url, seconds=1)
            # A client that reads slowly, or not at all, must not make the rest pile up here.
            await asyncio.sleep(0.02)
            answer.close()
        asked += 1
    await fetch.close()
    print(json.dumps({"asked": asked, "grown_kilobytes": peak_kilobytes() - rest}))


with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
    runner.run(main(sys.argv[1], sys.argv[2:]))
