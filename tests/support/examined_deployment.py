"""A whole deployment on one machine: Tempest under a public name, behind Caddy with TLS, with DNS and a relay.

Nothing leaves the machine: the name server is ours, and who connects to the names of the server is led to Caddy.
One Caddy has a port for each way to get a proxy wrong.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tests.support.account import Account, CallRefused
from tests.support.caddy import ConfiguredCaddy
from tests.support.certificates import Authority
from tests.support.dns_server import DnsServer
from tests.support.process import free_port, json_request
from tests.support.server import Tempest
from tests.support.upstream_stub import UpstreamStub

from tempest_pds.cli.doctor_command import doctor

HOSTNAME = "pds.example.com"
URL = f"https://{HOSTNAME}"
PUBLIC_ADDRESS = "1.2.3.4"
"""A public address in DNS; nothing is ever sent to it."""
ADMIN_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"

# What stands in the site of each proxy, and is wrong with it.
_SITES = {
    "right": "reverse_proxy {upstream}",
    "no-upgrade": "request_header -Upgrade\n\trequest_header -Connection\n\treverse_proxy {upstream}",
    "host-lost": "reverse_proxy {upstream} {{\n\t\theader_up Host {upstream}\n\t}}",
    "claims-believed": (
        "reverse_proxy {upstream} {{\n\t\theader_up X-Forwarded-For {{http.request.header.X-Forwarded-For}}\n\t}}"
    ),
    "small-bodies": ("@big header_regexp Content-Length ^[0-9]{{8,}}$\n\trespond @big 413\n\treverse_proxy {upstream}"),
    "relay-name": "header >Server atproto-relay\n\treverse_proxy {upstream}",
    "nobody-behind": "reverse_proxy 127.0.0.1:1",
    "something-else": 'respond "Welcome!"',
    "no-well-known": "respond /.well-known/* 403\n\treverse_proxy {upstream}",
    "other-server": "reverse_proxy {other}",
    "ipv4-only": "bind 127.0.0.1\n\treverse_proxy {upstream}",
    "oauth": (
        "header /.well-known/oauth-* Access-Control-Allow-Origin *\n\t"
        'respond /.well-known/oauth-protected-resource `{{"resource": "https://pds.example.com"}}`\n\t'
        'respond /.well-known/oauth-authorization-server `{{"issuer": "https://old.example.com"}}`\n\t'
        "reverse_proxy {upstream}"
    ),
}


class PublicTempest(Tempest):
    """Tempest as a server on the internet has it."""

    def __init__(self, folder: Path, plc_url: str, relay_url: str, **settings: str) -> None:
        public = {
            "TEMPEST_HOSTNAME": HOSTNAME,
            "TEMPEST_PUBLIC_URL": URL,
            "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
            "TEMPEST_ADMIN_TOKEN_HASH": ADMIN_HASH,
            "TEMPEST_BIND_ADDRESS": "127.0.0.1",
            "TEMPEST_INVITE_REQUIRED": "false",
            "TEMPEST_CRAWLERS": relay_url,
            "TEMPEST_APPVIEW_URL": relay_url,
            "TEMPEST_RATE_LIMITS_ENABLED": "true",
            "TEMPEST_BLOB_MAX_BYTES": "10000000",
        }
        super().__init__(folder, plc_url, **{**public, **settings})

    def sign_up(self, name: str) -> Account:
        """Create an account with a handle under the hostname."""
        handle = f"{name}.{HOSTNAME}"
        body = {"handle": handle, "email": f"{name}@mail.example.com", "password": "correct horse battery"}
        status, made = json_request(f"http://127.0.0.1:{self.port}/xrpc/com.atproto.server.createAccount", body)
        if status != 200 or not isinstance(made, dict):
            raise CallRefused(status, made)
        return Account(self, made["did"], handle, body["password"], made["accessJwt"], made["refreshJwt"])


class ExaminedDeployment:
    """All of it, running. `doctor` examines it through one of the proxies."""

    def __init__(self, folder: Path, caddy: Path, plc_url: str, stack: ExitStack) -> None:
        self.dns = stack.enter_context(DnsServer())
        self.relay = stack.enter_context(UpstreamStub())
        self.reset()
        self.tempest = stack.enter_context(PublicTempest(folder / "data", plc_url, self.relay.url))
        self.account = self.tempest.sign_up("alice")
        self.account.post("hello")
        other = stack.enter_context(PublicTempest(folder / "other", plc_url, self.relay.url))
        self._ports = {name: free_port() for name in _SITES}
        self.http_port = free_port()
        caddyfile = self._caddyfile(f"127.0.0.1:{other.port}")
        self.caddy = stack.enter_context(ConfiguredCaddy(caddy, folder / "caddy", caddyfile, self._ports["right"]))
        self.authority = Authority(folder / "authority")
        self._add_certificates(folder, caddy, stack)

    def reset(self) -> None:
        """Let name server and relay say again what they should."""
        self.dns.records = {(HOSTNAME, "A"): [PUBLIC_ADDRESS], (f"*.{HOSTNAME}", "A"): [PUBLIC_ADDRESS]}
        self.relay.hosts = {HOSTNAME: {"hostname": HOSTNAME, "status": "active", "accountCount": 1}}
        self.relay.crawls = []
        self.relay.refuses_crawls = False

    def doctor(
        self, *arguments: str, proxy: str = "right", outside: bool = False, settings: Mapping[str, str] = {}
    ) -> Result:
        """Run the command in this process, with the server's environment or, outside, with hardly any."""
        command = [*self.options(proxy), *(("--url", URL) if outside else ()), *arguments]
        return self.doctor_with(command, outside=outside, settings=settings)

    def doctor_with(self, command: list[str], *, outside: bool = False, settings: Mapping[str, str] = {}) -> Result:
        """Run the command with no other arguments than these."""
        named = ("TEMPEST_PLC_URL", "TEMPEST_CRAWLERS", "TEMPEST_APPVIEW_URL")
        environment = {name: self.tempest.env[name] for name in named} if outside else self.tempest.env
        inherited: dict[str, Any] = {name: None for name in os.environ if name.startswith("TEMPEST_")}
        return CliRunner().invoke(doctor, command, env={**inherited, **environment, **settings})

    def port(self, proxy: str) -> int:
        """Give the port of a proxy."""
        return self._ports[proxy]

    def options(self, proxy: str = "right") -> list[str]:
        """Give what leads the doctor to this deployment."""
        root = self.caddy.root_certificate if proxy in _SITES else self.authority.root
        return [
            *("--nameserver", self.dns.address),
            *("--connect-to", f"443=127.0.0.1:{self._ports[proxy]}"),
            *("--connect-to", f"80=127.0.0.1:{self.http_port}"),
            *("--ca-file", str(root)),
        ]

    def command(self) -> list[str]:
        """Give the command as a shell would run it."""
        return [sys.executable, "-m", "tempest_pds.cli.main", "doctor", *self.options()]

    def _caddyfile(self, other: str) -> str:
        upstream = f"127.0.0.1:{self.tempest.port}"
        ask = f"on_demand_tls {{\n\t\task http://{upstream}/tls-check\n\t}}"
        ports = f"http_port {self.http_port}\n\thttps_port {self._ports['right']}"
        blocks = [f"{{\n\tadmin off\n\tskip_install_trust\n\t{ports}\n\t{ask}\n}}"]
        for name, site in _SITES.items():
            port = self._ports[name]
            names = f"https://{HOSTNAME}:{port}, https://*.{HOSTNAME}:{port}"
            text = site.format(upstream=upstream, other=other)
            blocks.append(f"{names} {{\n\ttls internal {{\n\t\ton_demand\n\t}}\n\t{text}\n}}")
        return "\n\n".join(blocks) + "\n"

    def _add_certificates(self, folder: Path, caddy: Path, stack: ExitStack) -> None:
        names = (HOSTNAME, f"*.{HOSTNAME}")
        issue = self.authority.issue
        pairs = {
            "expired": issue("expired", *names, left=timedelta(days=-2)),
            "nearly-expired": issue("nearly-expired", *names, left=timedelta(days=5), age=timedelta(days=85)),
            "self-signed": issue("self-signed", *names, self_signed=True),
            "other-name": issue("other-name", "www.example.com"),
            "no-wildcard": issue("no-wildcard", HOSTNAME),
        }
        self._ports |= {name: free_port() for name in pairs}
        self._ports["plain"] = self.tempest.port
        self._ports["closed"] = free_port()
        blocks = ["{\n\tadmin off\n\tauto_https off\n}"]
        for name, pair in pairs.items():
            tls = f"tls {pair.certificate} {pair.key}"
            site = f"reverse_proxy 127.0.0.1:{self.tempest.port}"
            blocks.append(f"https://:{self._ports[name]} {{\n\t{tls}\n\t{site}\n}}")
        caddyfile = "\n\n".join(blocks) + "\n"
        port = self._ports["expired"]
        stack.enter_context(ConfiguredCaddy(caddy, folder / "certificates", caddyfile, port))
