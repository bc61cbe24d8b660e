"""`control.json` in the data directory: how a command on this machine reaches the server that runs on it.

The server writes it once it accepts connections, and removes it while it still owns the directory. It holds a token
that lives as long as the process and is as good as the administrator's own: whoever can read the file can read the
signing keys beside it as well. A process that was killed leaves its file behind; whoever reads one has to see that
this process owns the directory (`DataDirectory.owner`) before the token is sent to the URL.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tempest_pds.stores.files import write_atomically

CONTROL_FILE: Final = "control.json"


@dataclass(frozen=True, slots=True)
class Control:
    """Where a running server answers, with what token, and which process it is."""

    url: str
    token: str
    pid: int

    def __repr__(self) -> str:
        """Leave the token out: this may end up in a log."""
        return f"Control(url={self.url!r}, pid={self.pid})"


class ControlFile:
    """The file of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / CONTROL_FILE

    def write(self, control: Control) -> None:
        """Put it there for the directory's owner alone, whole from the first instant."""
        write_atomically(self._path, json.dumps(asdict(control)).encode(), mode=0o600)

    def read(self) -> Control | None:
        """Give what is there; None when there is nothing, or nothing of use. Raises PermissionError."""
        try:
            found = json.loads(self._path.read_bytes())
            return Control(url=str(found["url"]), token=str(found["token"]), pid=int(found["pid"]))
        except PermissionError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remove(self) -> None:
        """Take it away, if it is there."""
        self._path.unlink(missing_ok=True)
