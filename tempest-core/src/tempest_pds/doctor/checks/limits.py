"""Limits of the machine: open files, and the SQLite that Python brings."""

from __future__ import annotations

import re
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.finding import Finding, note, ok, warning
from tempest_pds.settings import Settings
from tempest_pds.stores.database import sqlite_version

_WANTED: Final = 65_536
_SQLITE_MENDED: Final = (3, 51, 3)
_OPEN_FILES: Final = re.compile(r"^Max open files\s+(\S+)\s+(\S+)", re.MULTILINE)


async def check_limits(examination: Examination) -> Sequence[Finding]:
    """Look at the running server's limits where it runs, else at those of this shell."""
    settings = examination.deployment.settings
    assert settings is not None
    return [_open_files(settings), _sqlite()]


def _open_files(settings: Settings) -> Finding:
    pid, limit = _of_the_server(settings)
    whose = f"the running server (process {pid})"
    if limit is None:
        # The server raises the soft limit to the hard one by itself.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit, whose = (_WANTED if hard == resource.RLIM_INFINITY else hard), "this shell"
    if limit < _WANTED and settings.is_local:
        return note(f"{whose} may open {limit} files: enough for a trial")
    if limit < _WANTED:
        return warning(
            f"{whose} may open {limit} files: with five to an active account, and one to a connection, a busy server "
            "runs out and answers errors",
            f"set LimitNOFILE={_WANTED} in the systemd unit, or `ulimits: nofile: {_WANTED}` in the compose file",
        )
    if pid is None:
        return note(f"{whose} may open {limit} files; the server does not run here now")
    return ok(f"{whose} may open {limit} files")


def _sqlite() -> Finding:
    version = sqlite_version()
    if version < _SQLITE_MENDED:
        mended = ".".join(map(str, _SQLITE_MENDED))
        return ok(
            f"SQLite {'.'.join(map(str, version))}, whose fault in checkpoints (mended in {mended}) the server works "
            "around; other programs must not write to its files"
        )
    return ok(f"SQLite {'.'.join(map(str, version))}")


def _of_the_server(settings: Settings) -> tuple[int | None, int | None]:
    """Give the process that owns the data directory, and its limit; None where nothing runs, or nobody tells."""
    try:
        pid = int((settings.data_dir / "lock").read_text("ascii"))
        text = Path(f"/proc/{pid}/limits").read_text("ascii")
    except (OSError, ValueError):
        return None, None
    match = _OPEN_FILES.search(text)
    if match is None:
        return pid, None
    return pid, _WANTED if match[1] == "unlimited" else int(match[1])
