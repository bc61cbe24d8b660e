"""Caddy in front of a server, as `docs/operating.md` has it, but without certificates."""

import os
import shutil
import sys
from pathlib import Path

from tests.support.process import ServerProcess, free_port

_CADDYFILE = """
{{
	admin off
	auto_https off
}}

http://:{port} {{
	reverse_proxy 127.0.0.1:{upstream}
}}
"""


def find_caddy() -> Path | None:
    """Return the binary of this environment (the package `caddyserver` brings it) or of this machine."""
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.is_file() else shutil.which("caddy")
    return None if found is None else Path(found)


class Caddy(ServerProcess):
    """A reverse proxy on a free port. `url` is what a client is given."""

    name = "Caddy"

    def __init__(self, binary: Path, folder: Path, upstream: ServerProcess) -> None:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "Caddyfile"
        config.write_text(_CADDYFILE.format(port=port, upstream=upstream.port))
        command = [str(binary), "run", "--config", str(config), "--adapter", "caddyfile"]
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        super().__init__(command, {"PATH": os.environ["PATH"], **home}, folder, port)
