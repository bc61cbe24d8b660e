"""Measure backups beside what the disk allows: `python -m bench.backups [--mebibytes N] [--rounds N]`.

The peer is `tar` of the same data directory, with an fsync: what a copy of a stopped server takes. By turns with it, a
backup of the running server, and the same encrypted; all while eight writers write, whose wait is told with and
without.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.account import Account, sign_up
from tests.support.backups import picture, tempest, tempest_json
from tests.support.server import Tempest

MIB = 1024 * 1024
BLOB = 2 * MIB
WRITERS = 8
RECORDS = 10_000
_BATCH = 200


class Writers:
    """Accounts that write one record after the other, and how long each waited."""

    def __init__(self, accounts: list[Account]) -> None:
        self._stopped = threading.Event()
        self.waits: list[tuple[float, float]] = []
        self._threads = [threading.Thread(target=self._write, args=(account,), daemon=True) for account in accounts]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _write(self, account: Account) -> None:
        while not self._stopped.is_set():
            started = time.monotonic()
            account.post("while a backup is made")
            self.waits.append((started, time.monotonic() - started))

    def during(self, start: float, end: float) -> tuple[float, float]:
        """Return the median and the 99th percentile of the waits that began in a span, in milliseconds."""
        waits = sorted(wait * 1000 for started, wait in self.waits if start <= started <= end)
        return statistics.median(waits), waits[int(len(waits) * 0.99)]


def seed(server: Tempest, mebibytes: int) -> list[Account]:
    """Make accounts with blobs, and one with a large repository."""
    accounts = [sign_up(server, "bench") for _ in range(20)]
    for number in range(max(1, mebibytes * MIB // BLOB)):
        picture(accounts[number % len(accounts)], os.urandom(BLOB))
    create = {"$type": "com.atproto.repo.applyWrites#create", "collection": "com.example.kept"}
    value = {"$type": "com.example.kept", "text": "k" * 300}
    for _ in range(RECORDS // _BATCH):
        writes = [{**create, "value": value}] * _BATCH
        accounts[0].procedure("com.atproto.repo.applyWrites", repo=accounts[0].did, writes=writes)
    return accounts


def copy(server: Tempest, target: Path) -> None:
    """Copy the directory as it lies there, and put the copy on the disk. It is no backup: files change meanwhile."""
    parts = ("account.sqlite", "sequencer.sqlite", "repos", "blobs", "keys")
    command = ["tar", "--warning=no-file-changed", "-cf", str(target), "-C", str(server.folder), *parts]
    if subprocess.run(command, check=False).returncode > 1:
        raise SystemExit("tar failed")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> tuple[float, float]:
    started = time.monotonic()
    work()
    return started, time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backups", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=500, help="of blobs")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tempest-bench-") as folder:
        measure(Path(folder), options.mebibytes, options.rounds)


def measure(folder: Path, mebibytes: int, rounds: int) -> None:
    recipient = tempest(Tempest(folder / "none").env, "backup", "new-key", folder / "key")[0].strip().partition("=")[2]
    spans: dict[str, list[tuple[float, float]]] = {"tar and fsync": [], "backup": [], "nothing": []}
    made: list[dict[str, float]] = []
    seconds: dict[str, list[float]] = {"tar and fsync": [], "backup": [], "backup, encrypted": []}
    with Tempest(folder / "data", TEMPEST_LOG_LEVEL="warning") as server:
        accounts = seed(server, mebibytes)
        rest, peak = server.memory_mib(), 0.0
        with Writers(accounts[-WRITERS:]) as writers:
            for _ in range(rounds):
                spans["nothing"].append(timed(lambda: time.sleep(3)))
                spans["tar and fsync"].append(timed(lambda: copy(server, folder / "copy.tar")))
                server.reset_peak_memory()
                spans["backup"].append(timed(lambda: made.append(tempest_json(server.env, "backup", "create"))))
                peak = max(peak, server.memory_mib("VmHWM"))
                (folder / "copy.tar").unlink()
                shutil.rmtree(server.folder / "backups")
                (server.folder / "backups" / ".unfinished").mkdir(parents=True)
            waits = {what: [writers.during(*span) for span in found] for what, found in spans.items()}
        seconds["tar and fsync"] = [end - start for start, end in spans["tar and fsync"]]
        seconds["backup"] = [each["seconds"] for each in made]
        size = made[-1]["size"] / MIB
    server.env["TEMPEST_BACKUP_RECIPIENT"] = recipient
    with server:
        seconds["backup, encrypted"] = [tempest_json(server.env, "backup", "create")["seconds"] for _ in range(rounds)]
    base = statistics.median(seconds["tar and fsync"])
    sys.stdout.write(f"{size:,.0f} MiB, medians of {rounds}\n\n| | s | MiB/s | times tar |\n|---|---:|---:|---:|\n")
    for what, found in seconds.items():
        middle = statistics.median(found)
        sys.stdout.write(f"| {what} | {middle:.2f} | {size / middle:,.0f} | {base / middle:.2f} |\n")
    sys.stdout.write("\n| writers wait, ms | median | 99 % |\n|---|---:|---:|\n")
    for what, pairs in waits.items():
        medians, tails = zip(*pairs, strict=True)
        sys.stdout.write(f"| beside {what} | {statistics.median(medians):.1f} | {statistics.median(tails):.1f} |\n")
    sys.stdout.write(f"\nmemory: {rest:.0f} MiB at rest, {peak:.0f} at its peak\n")


if __name__ == "__main__":
    main()
