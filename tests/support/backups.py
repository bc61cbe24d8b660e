"""The `tempest` command as an operator runs it, and what a test wants to know of a data directory."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TEMPEST = [sys.executable, "-m", "tempest_pds.cli.main"]


class CommandFailed(Exception):
    """The command ended with another exit code than the test wanted; the message holds what it said."""


def tempest(env: dict[str, str], *words: str | Path, code: int = 0, stdin: str = "") -> tuple[str, str]:
    """Run `tempest …` and return what it wrote to standard output and to standard error."""
    command = [*TEMPEST, *(str(word) for word in words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, input=stdin)
    if done.returncode != code:
        raise CommandFailed(f"{' '.join(command[3:])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout, done.stderr


def tempest_json(env: dict[str, str], *words: str | Path) -> Any:
    """Run `tempest … --json` and return what it printed."""
    return json.loads(tempest(env, *words, "--json")[0])


def spawn(env: dict[str, str], *words: str | Path) -> subprocess.Popen[bytes]:
    """Start `tempest …` and return at once."""
    return subprocess.Popen([*TEMPEST, *(str(word) for word in words)], env=env, stdin=subprocess.DEVNULL)


def kill(child: subprocess.Popen[bytes]) -> bool:
    """End a command with SIGKILL, it alone; tell whether it was still at work."""
    working = child.poll() is None
    if working:
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return working
