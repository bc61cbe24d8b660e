"""Caddy in front of a server, as `docs/operating.md` has it: without certificates, or with any configuration."""

import os
import shutil
import socket
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
        super().__init__(_command(binary, config), _environment(folder), folder, port)


class ConfiguredCaddy(ServerProcess):
    """A reverse proxy with a Caddyfile of the test's own, ready when it listens on `port`."""

    name = "Caddy"

    def __init__(self, binary: Path, folder: Path, caddyfile: str, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "Caddyfile"
        config.write_text(caddyfile)
        super().__init__(_command(binary, config), _environment(folder), folder, port)

    @property
    def root_certificate(self) -> Path:
        """The authority that `tls internal` makes."""
        return self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def healthy(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return True
        except OSError:
            return False


def _command(binary: Path, config: Path) -> list[str]:
    return [str(binary), "run", "--config", str(config), "--adapter", "caddyfile"]


def _environment(folder: Path) -> dict[str, str]:
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return {"PATH": os.environ["PATH"], **home}
