"""Tempest as a child process, started the way an operator starts it."""

import os
import sys
from pathlib import Path

from tests.support.process import ServerProcess, free_port
from tests.support.reference import DEAD_APP_VIEW


class Tempest(ServerProcess):
    """`tempest serve` over one data directory, on a free port, with its rate limits off."""

    name = "Tempest"

    def __init__(self, folder: Path, plc_url: str | None = None, **settings: str) -> None:
        port = free_port()
        # With the last of these, every start would compile all modules anew, as no installed server does.
        dropped = ("TEMPEST_", "PORT", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        env = {
            **inherited,
            "PORT": str(port),
            "TEMPEST_DATA_DIR": str(folder),
            "TEMPEST_RATE_LIMITS_ENABLED": "false",
            "TEMPEST_APPVIEW_URL": DEAD_APP_VIEW,
            "TEMPEST_BLOB_MAX_BYTES": str(50 * 1024 * 1024),
            **({"TEMPEST_PLC_URL": plc_url} if plc_url else {}),
            **settings,
        }
        super().__init__([sys.executable, "-m", "tempest_pds.cli.main", "serve"], env, folder, port)
