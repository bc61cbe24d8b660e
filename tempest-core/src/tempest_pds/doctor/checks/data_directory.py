"""The data directory: whether it lasts, has room, and keeps its secrets to itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tempest_pds.doctor.examination import Examination
from tempest_pds.doctor.file_system import IN_MEMORY, OF_A_CONTAINER, OVER_A_NETWORK, file_system_of
from tempest_pds.doctor.finding import Finding, failure, note, ok, warning
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.oauth_key_file import OAuthKeyFile, OAuthKeysBroken

# Enough to know that a data directory is large, without walking for minutes over a very large one.
_MOST_FILES: Final = 200_000


async def check_data_directory(examination: Examination) -> Sequence[Finding]:
    """Look at the directory without its lock: the server may be using it."""
    settings = examination.deployment.settings
    assert settings is not None
    return await asyncio.to_thread(_look, DataDirectory(settings.data_dir), examination.options.min_free_percent)


def _look(directory: DataDirectory, min_free_percent: int) -> list[Finding]:
    root = directory.root
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        return [
            failure(
                f"TEMPEST_DATA_DIR {root} {what}",
                "mount the volume there, or make the directory for the user that runs the server; "
                "the first `tempest serve` fills it",
            )
        ]
    findings = [*_finished(directory), _written_by(root), _lasting(root)]
    findings += _room(root, min_free_percent)
    findings += _permissions(directory)
    findings += _oauth_keys(directory)
    return findings


def _finished(directory: DataDirectory) -> list[Finding]:
    if not os.access(directory.root, os.X_OK) or not directory.unfinished.exists():
        return []
    return [
        failure("a restore has not come to its end: the server does not start", "run `tempest backup restore` again")
    ]


def _written_by(root: Path) -> Finding:
    owner = root.stat().st_uid
    if not os.access(root, os.W_OK | os.X_OK):
        return failure(
            f"{root} cannot be written by this user (it belongs to user {owner})",
            "run the doctor as the user that runs the server, or give that user the directory: chown -R",
        )
    # A volume with a file system of its own has a folder of root's in it.
    ours = [path for path in root.iterdir() if path.name != "lost+found"]
    foreign = next((path for path in ours if path.lstat().st_uid != owner), None)
    if foreign is not None:
        return failure(
            f"{foreign} belongs to user {foreign.lstat().st_uid}, and the directory to user {owner}: a command was "
            "run as somebody else",
            f"chown -R {owner} {root}, and run every command as the user that runs the server",
        )
    return ok(f"{root} is there, and can be written")


def _lasting(root: Path) -> Finding:
    kind = file_system_of(root)
    if kind is None:
        return note("this system does not tell what file system the data is on")
    if kind in IN_MEMORY:
        return warning(f"{root} is in memory ({kind}): all accounts are gone at the next boot", "use a durable volume")
    if kind in OF_A_CONTAINER:
        return warning(
            f"{root} is inside the container ({kind}): all accounts are gone when the container is replaced",
            f"mount a durable volume at {root}",
        )
    if kind in OVER_A_NETWORK:
        return warning(
            f"{root} is on a network file system ({kind}), where locks and fsync may not mean what SQLite needs",
            "use a local disk or a block device; network storage is for backups",
        )
    return ok(f"the file system is {kind}")


def _room(root: Path, min_free_percent: int) -> list[Finding]:
    usage = shutil.disk_usage(root)
    percent = 100 * usage.free // usage.total if usage.total else 0
    used, whole = _size(root)
    text = f"{_human(usage.free)} of {_human(usage.total)} are free ({percent} %), the data takes {_human(used)}"
    if not whole:
        text += " or more"
    if percent < min_free_percent:
        return [
            warning(
                f"the disk is nearly full: {text}; when it is full, every write fails",
                "enlarge the volume, or move backups and blobs elsewhere (TEMPEST_BACKUP_STORE, TEMPEST_BLOB_STORE)",
            )
        ]
    if usage.free < 2 * used:
        return [
            warning(
                f"{text}: less than twice the data, so that a backup or a restore beside it may not fit",
                "enlarge the volume, or keep backups elsewhere (TEMPEST_BACKUP_STORE)",
            )
        ]
    return [ok(text)]


def _permissions(directory: DataDirectory) -> list[Finding]:
    open_ones = [path for path in _secrets(directory) if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    if not open_ones:
        return [ok("keys and secrets are readable by their owner only")]
    more = f" and {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
    return [
        failure(
            f"{open_ones[0]}{more} can be read by other users of this machine, who could then act as your accounts",
            _how_to_close(open_ones[0], directory),
        )
    ]


def _how_to_close(path: Path, directory: DataDirectory) -> str:
    if path == directory.oauth_keys:
        return f"chmod 600 {path}; if others may have read it, run `tempest oauth rotate-keys --now`"
    if path.name == "control.json":
        return f"chmod 600 {path}, and start the server again for a new token"
    return f"chmod -R go-rwx {directory.keys}; if others may have read it, change the keys"


def _oauth_keys(directory: DataDirectory) -> list[Finding]:
    try:
        OAuthKeyFile(directory.oauth_keys).read()
    except OAuthKeysBroken as error:
        cause, _, cure = str(error).partition(": ")
        return [failure(f"{cause}: the server does not start", cure)]
    return []


def _secrets(directory: DataDirectory) -> Iterator[Path]:
    for path in (directory.root / "control.json", directory.oauth_keys):
        if path.exists():
            yield path
    if directory.keys.is_dir():
        yield directory.keys
        # What is inside a folder that only its owner may enter needs no look, but files are moved about.
        for path in directory.keys.rglob("*"):
            if path.is_file():
                yield path


def _size(root: Path) -> tuple[int, bool]:
    """Add up what is below a folder; tell as well whether that is all of it."""
    total, seen = 0, 0
    waiting = [str(root)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > _MOST_FILES:
                return total, False
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
    return total, True


def _human(size: int) -> str:
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
