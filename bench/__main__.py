"""Measure the reference server and Tempest on this machine, by turns: `python -m bench [--quick] [--only TEXT]`."""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from tests.support.node import find_node
from tests.support.process import ServerProcess, StartFailed
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest

from bench.app_view import AppView
from bench.measure import Measure, median
from bench.rows import Row, rows
from bench.table import Table, describe_machine
from bench.targets import Target

REFERENCE, TEMPEST, LIGHT = "reference", "Tempest", "Tempest, process"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes: smaller repositories, shorter rows")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="rows whose name has TEXT in it")
    parser.add_argument("--server", choices=["reference", "tempest", "both"], default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--records", type=int, help="records in a full repository (10,000; quick 2,000)")
    parser.add_argument("--seconds", type=float, help="how long a row is measured each time (3; quick 1.5)")
    return parser.parse_args()


def cold_start(process: ServerProcess) -> Measure:
    """Return the milliseconds from nothing to the first answer, and the processor time of it."""
    started = time.monotonic()
    process.start()
    return Measure((time.monotonic() - started) * 1000, process.cpu_seconds() * 1000)


class Benchmark:
    """One run of the benchmark over one temporary folder."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        node = find_node()
        quick = options.quick
        self.records = options.records or (2_000 if quick else 10_000)
        self.repos = 1 if quick else 4
        self.events = 800 if quick else 2_000
        self.seconds = options.seconds or (1.5 if quick else 3.0)
        self.rounds = 1 if quick else 2
        self.only = [text.lower() for text in options.only]
        self.plc = PlcDirectory(node, folder / "plc")
        self.app_view = AppView()
        self.table = Table()
        processes: list[tuple[str, ServerProcess]] = []
        if options.server != "tempest":
            named = {"PDS_BSKY_APP_VIEW_URL": self.app_view.url, "PDS_BSKY_APP_VIEW_DID": self.app_view.did}
            processes.append((REFERENCE, ReferencePds(node, folder / "reference", self.plc.url, **named)))
        if options.server != "reference":
            named = {"TEMPEST_APPVIEW_URL": self.app_view.url, "TEMPEST_APPVIEW_DID": self.app_view.did}
            quiet = {"TEMPEST_LOG_REQUESTS": "false", **named}
            processes.append((TEMPEST, Tempest(folder / "tempest", self.plc.url, **quiet)))
            light = Tempest(folder / "light", self.plc.url, TEMPEST_DURABILITY="process", **quiet)
            processes.append((LIGHT, light))
        self.targets = [Target(label, process, label != REFERENCE, self.app_view) for label, process in processes]

    async def run(self) -> None:
        self.plc.start()
        try:
            async with self.app_view:
                await self._measure()
        finally:
            for target in self.targets:
                target.process.stop()
            self.plc.stop()

    async def _measure(self) -> None:
        self._starts("cold start, empty")
        await asyncio.sleep(2)
        self._memory("memory at rest")
        for target in self.targets:
            progress(f"seeding {target.label}")
            await target.seed(self.repos, self.records, self.events)
            self.table.add("seeding", "s", target.label, Measure(target.seed_seconds), higher_is_better=False)
        self._memory("memory after seeding")
        for row in rows():
            if not self.only or any(text in row.name.lower() for text in self.only):
                await self._row(row)
        self._memory("memory at peak", "VmHWM")
        for target in self.targets:
            target.process.stop()
        self._starts("cold start, seeded")

    async def _row(self, row: Row) -> None:
        progress(row.name)
        targets = [target for target in self.targets if row.write or target.label != LIGHT]
        measures: dict[str, list[Measure]] = {target.label: [] for target in targets}
        for _ in range(self.rounds):
            for target in targets:
                try:
                    measures[target.label].append(await row.measure(target, self.seconds))
                except Exception as failure:  # noqa: BLE001 - a row that fails must not cost the others
                    progress(f"  {target.label}: {type(failure).__name__}: {failure}")
        for label, measured in measures.items():
            if measured:
                self.table.add(row.name, row.unit, label, median(measured), higher_is_better=row.higher_is_better)

    def _starts(self, name: str) -> None:
        for target in self.targets:
            if target.label != LIGHT:
                started = [cold_start(target.process)]
                for _ in range(self.rounds):
                    target.process.stop()
                    started.append(cold_start(target.process))
                self.table.add(name, "ms", target.label, median(started), higher_is_better=False)
            elif not target.process.running:
                target.process.start()

    def _memory(self, name: str, field: str = "VmRSS") -> None:
        for target in self.targets:
            if target.label != LIGHT:
                measure = Measure(target.process.memory_mib(field))
                self.table.add(name, "MiB", target.label, measure, higher_is_better=False)


def progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> None:
    options = arguments()
    started = time.monotonic()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="tempest-bench-") as folder:
        benchmark = Benchmark(options, Path(folder))
        try:
            uvloop.run(benchmark.run())
        except StartFailed as failed:
            raise SystemExit(str(failed)) from None
    sys.stdout.write(f"{describe_machine()}; {benchmark.records:,} records in a full repo")
    sys.stdout.write(f"; {time.monotonic() - started:.0f} s in all\n\n")
    sys.stdout.write(benchmark.table.render(REFERENCE, TEMPEST, LIGHT))
    if options.json:
        options.json.write_text(json.dumps(benchmark.table.figures(), indent=1))


if __name__ == "__main__":
    main()
