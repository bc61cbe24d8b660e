"""The folder of a move: how far it is, and what it needs again; no password and no token is in it.

    state.json       which account moves from where to where, and the steps that are done, with what they found
    repo.car         the repository as the source gave it
    report.json      the last comparison
    signing.key      only where the source is gone: the key that stands in for its key until the target has the account

One command at a time has the folder, by a lock that goes with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from tempest_pds.migration.errors import MigrationError, NotNow
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.files import make_directory, write_atomically

_VERSION: Final = 1


class Journal:
    """What is written down of one move. `move` has its facts, as `begin` took them."""

    def __init__(self, folder: Path, state: dict[str, Any], lock: int) -> None:
        self.folder = folder
        self._state = state
        self._lock = lock

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take a folder, which is made where it is not there.

        Raises:
            NotNow: another command has it.
            MigrationError: what is in it is not the state of a move.
        """
        make_directory(folder)
        folder.chmod(0o700)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(folder, _load(folder / "state.json"), lock)
        except BlockingIOError as error:
            os.close(lock)
            raise NotNow(f"another command is at work in {folder}") from error
        except BaseException:
            os.close(lock)
            raise

    @property
    def move(self) -> Mapping[str, Any]:
        """The facts of the move; empty before it began."""
        facts: dict[str, Any] = self._state["move"]
        return facts

    @property
    def steps(self) -> list[str]:
        """The steps that are done, in their order."""
        return list(self._state["steps"])

    def begin(self, **facts: Any) -> None:
        """Write down what moves where; raise MigrationError when the folder is of another move."""
        for name in ("did", "target"):
            known = self.move.get(name)
            if known is not None and known != facts[name]:
                raise MigrationError(
                    f"{self.folder} is of a move of {self.move['did']} to {self.move['target']}: "
                    "give another folder with --state"
                )
        self.note(**facts)

    def note(self, **facts: Any) -> None:
        """Write down more of the move."""
        self._state["move"] = {**self.move, **facts}
        self._save()

    def step(self, name: str) -> Mapping[str, Any] | None:
        """Give what a step found, None if it is not done."""
        facts: dict[str, Any] | None = self._state["steps"].get(name)
        return facts

    def done(self, name: str, **facts: Any) -> None:
        """Write down that a step is done, on the disk when this returns."""
        self._state["steps"].pop(name, None)
        self._state["steps"][name] = {"at": _now(), **facts}
        self._save()

    def undo(self, name: str) -> None:
        """Have a step done again."""
        if self._state["steps"].pop(name, None) is not None:
            self._save()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def _save(self) -> None:
        text = json.dumps(self._state, indent=2, ensure_ascii=False)
        write_atomically(self.folder / "state.json", text.encode(), mode=0o600)


def find_did(folders: Iterable[Path], handle: str) -> Did | None:
    """Give the DID of the account that moved from this handle, as one of the folders has it; None where none has."""
    for folder in folders:
        try:
            move = _load(folder / "state.json")["move"]
        except (MigrationError, OSError):
            continue
        if move.get("source_handle") == handle:
            return Did.parse(move["did"])
    return None


def _load(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"version": _VERSION, "move": {}, "steps": {}}
    try:
        state = json.loads(path.read_text())
        if state["version"] == _VERSION and isinstance(state["move"], dict) and isinstance(state["steps"], dict):
            return dict(state)
    except (ValueError, KeyError, TypeError):
        pass
    raise MigrationError(f"{path} is not the state of a move: give another folder with --state")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
