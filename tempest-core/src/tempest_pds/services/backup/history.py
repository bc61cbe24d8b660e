"""What is known of past backups and drills: one small file beside the backups, for the status and the next start."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tempest_pds.stores.files import make_directory, write_atomically

# No backup's name starts with a dot, so the local sink never shows it.
_NAME: Final = ".history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a backup or a drill ended.

    Attributes:
        at: when it ended, in seconds since 1970.
        error: one line; empty when it went well.
        size: of the archive, in bytes.
        store: the name of the sink that it went into.
    """

    name: str
    at: float
    seconds: float
    error: str = ""
    size: int = 0
    location: str = ""
    store: str = ""


class History:
    """The last success and the last failure of each kind of work. For one process that writes, and any that read.

    Args:
        store: the sink that counts now; a backup that went into another, before the operator chose this, does not.
    """

    def __init__(self, folder: Path, store: str = "") -> None:
        self._path = folder / _NAME
        self._store = store

    def note(self, kind: str, outcome: Outcome) -> None:
        """Keep the outcome of a `backup`, a `copy` beside the store of backups, or a `drill`, in place of the last."""
        known = self._read()
        known[f"{kind}_{'failure' if outcome.error else 'success'}"] = asdict(outcome)
        make_directory(self._path.parent)
        write_atomically(self._path, json.dumps(known, indent=1).encode(), mode=0o600)

    def last(self, kind: str, *, failed: bool = False) -> Outcome | None:
        """Return the last outcome of a kind; None when there is none, or the file cannot be read."""
        found = self._read().get(f"{kind}_{'failure' if failed else 'success'}")
        with suppress(TypeError):
            outcome = None if found is None else Outcome(**found)
            if outcome is not None and outcome.store in ("", self._store):
                return outcome
        return None

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
