"""An internet on one machine: name server, web hosts with trusted certificates, a PLC directory, and Tempest in it.

All of it is on a `LoneHost` that has public addresses, so Tempest runs as in production: with its protection against
private addresses on, with the host's name servers, and with the authorities that the host trusts.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority
from tests.support.hosted_tempest import hosted_tempest
from tests.support.lone_host import HostedProcess, LoneHost
from tests.support.node import NODE_FOLDER, Node
from tests.support.world import World

HOSTNAME = "pds.example.com"
URL = f"https://{HOSTNAME}"
WEB_ADDRESS = "93.184.215.14"
"""Public, and that of every web host here."""
_ROOT = Path(__file__).parents[2]
_PLC_PORT, _PORT = 2582, 4000
_FIRST_HOST = "www.example.net"
PASSWORD = "correct horse battery"


class SmallInternet(World):
    """All of it, running; the stack stops it."""

    def __init__(self, folder: Path, node: Node, stack: ExitStack) -> None:
        super().__init__(folder / "world.json", WEB_ADDRESS)
        self.page(_FIRST_HOST, "/", body="here")
        authority = Authority(folder / "authority")
        pair = authority.issue("hosts", "*.example.net", "*.example.org", "example.org")
        self.host = stack.enter_context(
            LoneHost(folder / "host", addresses=(f"{WEB_ADDRESS}/32",), name_server="127.0.0.1")
        )
        self.host.trust(authority.root)
        rest = [sys.executable, "-m", "tests.support.internet", *map(str, (self._file, pair.certificate, pair.key))]
        self._run(stack, folder / "internet", rest, {"PYTHONPATH": str(_ROOT)}, 443, f"https://{_FIRST_HOST}/")
        plc_env = node.environment(LOG_ENABLED="false")
        plc = node.command(NODE_FOLDER / "plc_directory.mjs", str(_PLC_PORT))
        self._run(stack, folder / "plc", plc, plc_env, _PLC_PORT, f"http://127.0.0.1:{_PLC_PORT}/_health")
        tempest = hosted_tempest(
            self.host,
            folder / "data",
            hostname=HOSTNAME,
            port=_PORT,
            plc_port=_PLC_PORT,
            handle_domains=f".{HOSTNAME},.people.example.com",
        )
        stack.enter_context(tempest)
        self._number = 0

    # The world outside

    def publish(self, did: str, operation: Mapping[str, Any]) -> None:
        """Give the PLC directory an operation."""
        told = ("--header", "Content-Type: application/json", "--data-raw", json.dumps(operation))
        done = self.host.run("curl", "--silent", "--show-error", "--fail", *told, f"http://127.0.0.1:{_PLC_PORT}/{did}")
        assert done.returncode == 0, done.stderr

    # Tempest

    def call(self, method: str, body: object = None, token: str | None = None, **params: str) -> tuple[int, Any]:
        """Call a method, by POST when there is a body, and return the status and the parsed answer."""
        command = ["curl", "--silent", "--max-time", "30", "--get", f"http://127.0.0.1:{_PORT}/xrpc/{method}"]
        for name, value in params.items():
            command += ["--data-urlencode", f"{name}={value}"]
        if body is not None:
            command.remove("--get")
            command += ["--data-raw", json.dumps(body), "--header", "Content-Type: application/json"]
        if token is not None:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = self.host.run(*command, "--write-out", "\n%{http_code}")
        assert done.returncode == 0, done
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text) if text else None

    def sign_up(self, **more: Any) -> dict[str, Any]:
        """Make an account with a handle that no other has, and return the answer."""
        self._number += 1
        name = f"user{self._number}"
        given = {"handle": f"{name}.{HOSTNAME}", "email": f"{name}@example.com", "password": PASSWORD, **more}
        status, made = self.call("com.atproto.server.createAccount", given)
        assert status == 200, made
        answer: dict[str, Any] = made
        return answer

    def update_handle(self, account: Mapping[str, Any], handle: str) -> tuple[int, Any]:
        """Ask for another handle for an account."""
        return self.call("com.atproto.identity.updateHandle", {"handle": handle}, account["accessJwt"])

    def identity(self, identifier: str) -> tuple[int, Any]:
        """Ask who somebody is."""
        return self.call("com.atproto.identity.resolveIdentity", identifier=identifier)

    def lexicon(self, nsid: str) -> tuple[int, Any]:
        """Ask for the lexicon that is published under an NSID."""
        return self.call("com.atproto.lexicon.resolveLexicon", nsid=nsid)

    def refresh(self, identifier: str) -> tuple[int, Any]:
        """Ask anew who somebody is."""
        return self.call("com.atproto.identity.refreshIdentity", {"identifier": identifier})

    def _run(
        self, stack: ExitStack, folder: Path, command: list[str], env: Mapping[str, str], port: int, health: str
    ) -> None:
        stack.enter_context(HostedProcess(self.host, command, env, folder, port, health))
