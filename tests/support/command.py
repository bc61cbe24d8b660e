"""The `tempest` command as a child process, over the data directory of a server under test."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.server import Tempest

TEMPEST = [sys.executable, "-m", "tempest_pds.cli.main"]


def run_command(
    environ: Mapping[str, str], *arguments: str, stdin: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with exactly these variables."""
    return subprocess.run(
        [*TEMPEST, *arguments], env=environ, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )


def command(server: Tempest, *arguments: str, stdin: str = "", code: int = 0) -> str:
    """Run a command with the server's environment, hold it to its exit code, and give what it printed."""
    done = run_command(server.env, *arguments, stdin=stdin)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def refused(server: Tempest, *arguments: str, stdin: str = "") -> str:
    """Run a command that must end as an operator's mistake, and give its one line."""
    done = run_command(server.env, *arguments, stdin=stdin)
    assert done.returncode == 2, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def other_folder(server: Tempest, folder: Path, **settings: str) -> dict[str, str]:
    """Give the server's environment, turned to another data directory."""
    return {**server.env, "TEMPEST_DATA_DIR": str(folder), **settings}
