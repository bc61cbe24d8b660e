"""A server in a process of its own on a restored data directory, for this machine only and quiet towards all others."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from tempest_pds.cli.drill_steps import DrillFailed
from tempest_pds.services.backup.manifest import Manifest
from tempest_pds.stores.control_file import ControlFile
from tempest_pds.stores.data_directory import DataDirectory

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0


class DrillServer:
    """A server as a child process."""

    def __init__(self, directory: DataDirectory, log: Path, manifest: Manifest) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._control = ControlFile(directory.root)
        self._log = log
        domains = os.environ.get("TEMPEST_HANDLE_DOMAINS", "") or f".{manifest.hostname}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "OTEL_"))}
        for name in ("PORT", "SECRET_KEY_BASE"):
            kept.pop(name, None)
        self._environ = kept | {
            "PORT": str(self._port),
            "TEMPEST_DATA_DIR": str(directory.root),
            "TEMPEST_HANDLE_DOMAINS": ".test" if domains == ".localhost" else domains,
            "TEMPEST_LOG_REQUESTS": "false",
            "TEMPEST_RATE_LIMITS_ENABLED": "false",
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, log: IO[bytes]) -> None:
        """Start it; what it says goes into the file."""
        command = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
        self._child = subprocess.Popen(  # noqa: S603 - this program itself
            command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )

    async def ready(self) -> str:
        """Wait until it takes commands."""
        assert self._child is not None
        deadline = time.monotonic() + _START_SECONDS
        while self._control.read() is None:
            if self._child.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace").splitlines()[-1:]
                raise DrillFailed(f"the server did not start: {' '.join(tail) or 'it said nothing'}")
            await asyncio.sleep(0.05)
        return f"on port {self._port}, under the name localhost"

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_SECONDS)
            return
        child.kill()
        child.wait()


@contextmanager
def drill_server(directory: DataDirectory, log: Path, manifest: Manifest) -> Iterator[DrillServer]:
    """Start a server, and stop it at the end."""
    server = DrillServer(directory, log, manifest)
    with log.open("wb") as file:
        server.start(file)
        try:
            yield server
        finally:
            server.stop()
