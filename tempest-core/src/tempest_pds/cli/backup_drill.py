"""The drill: restore a backup into a scratch folder, start a server on it, and check that from outside.

The server is a process of its own, as it would be on another machine: on localhost, with the settings of localhost, so
that it tells no relay and asks no directory. Everything it is asked comes over HTTP and WebSocket.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp

from tempest_pds.cli.backup_sinks import BackupStores
from tempest_pds.cli.drill_checks import DrillChecks
from tempest_pds.cli.drill_server import drill_server
from tempest_pds.cli.drill_steps import Drill, Step
from tempest_pds.services.backup.restore import Restored, make_room, restore
from tempest_pds.services.backup.tar import Member
from tempest_pds.stores.data_directory import DataDirectory

Open = Callable[[], AbstractAsyncContextManager[tuple[str, AsyncIterator[Member]]]]


async def run_drill(folder: Path, opened: Open, *, every_account: bool, show: Callable[[str], None] | None) -> Drill:
    """Restore, start, and check; what fails is in the drill that is returned, and ends it."""
    drill = Drill()
    directory = DataDirectory(folder / "data")
    checks = DrillChecks(directory, every_account=every_account)

    async def step(what: str, work: Callable[[], Awaitable[str]]) -> bool:
        started = time.monotonic()
        try:
            done = Step(what, await work(), time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - whatever fails, the drill has failed, and says where
            line = " ".join(str(error).split()) or type(error).__name__
            done = Step(what, "", time.monotonic() - started, line)
        drill.steps.append(done)
        if show is not None:
            show(done.line())
        return not done.error

    async def restored() -> str:
        drill.name, found = await _restore(opened, directory)
        checks.take(found)
        verified = found.verified
        return (
            f"{drill.name}, {verified.accounts:,} accounts, {verified.records:,} records, {verified.blobs:,} blobs, "
            "all verified"
        )

    if not await step("restore", restored):
        return drill
    with drill_server(directory, folder / "server.log", checks.manifest) as server:
        if not await step("start", server.ready):
            return drill
        async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(60)) as session:
            for what, check in checks.all(session):
                await step(what, check)
    return drill


async def _restore(opened: Open, directory: DataDirectory) -> tuple[str, Restored]:
    async with opened() as (name, members):
        with directory.lock(restoring=True):
            make_room(directory, force=False)
            blob_store = BackupStores(os.environ).blob_store(directory.root, name="local")
            await blob_store.open()
            try:
                return name, await restore(members, directory, blob_store)
            finally:
                await blob_store.close()
