"""A server without its HTTP, as a child process: it opens all services, and posts the mails that it is told to.

    with MailPoster(folder, settings) as poster:
        poster.post(Mail("alice@example.org", "subject", "text"))  # on the disk when this returns
        poster.kill()

`python -m tests.support.mail_poster` is the child: a line of JSON comes in for each mail, and "posted" goes out.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from tempest_pds.composition.root import open_services
from tempest_pds.http.server import new_event_loop_factory
from tempest_pds.logs import configure_logs
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.settings_loading import load_settings
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins import Mail

ROOT = Path(__file__).parents[2]


class MailPoster:
    """The child, which can be started again over the same data directory after it was stopped or killed."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "PORT"))}
        self._env = {**inherited, "TEMPEST_DATA_DIR": str(folder), "TEMPEST_LOG_FORMAT": "json", **settings}
        self.log = folder.parent / f"{folder.name}.log"
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start the child; returns once its services are open."""
        with self.log.open("a") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.support.mail_poster"],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._expect("ready")
        return self

    def post(self, mail: Mail) -> None:
        """Post a mail; returns once `MailOutbox.post` has."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asdict(mail)) + "\n")
        self._child.stdin.flush()
        self._expect("posted")

    def kill(self) -> None:
        """End the child with SIGKILL."""
        assert self._child is not None
        self._child.send_signal(signal.SIGKILL)
        self._child.communicate()

    def stop(self) -> None:
        """Let the child close its services as a server does, and end."""
        assert self._child is not None
        if self._child.poll() is None:
            self._child.communicate(timeout=30)
        assert self._child.returncode in (0, -signal.SIGKILL), self.log.read_text()

    def _expect(self, word: str) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        line = self._child.stdout.readline().strip()
        assert line == word, f"{line!r} instead of {word!r}:\n{self.log.read_text()}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


async def _serve() -> None:
    settings = load_settings(os.environ)
    async with AsyncExitStack() as stack:
        lexicons = Lexicons(settings.lexicon_paths)
        opened = await open_services(settings, os.environ, Instruments(), lexicons, stack, control_token="of nobody")
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await opened.services.mail.post(Mail(**json.loads(line)))
            print("posted", flush=True)


if __name__ == "__main__":
    configure_logs("info", "json")
    with asyncio.Runner(loop_factory=new_event_loop_factory()) as runner:
        runner.run(_serve())
