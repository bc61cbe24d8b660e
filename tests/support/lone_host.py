"""A host with a network, names and trusted authorities of its own: what a server on the internet is, on one machine.

A process in namespaces of its own (`unshare`) has an `/etc/hosts` in which every name of the test is 127.0.0.1, the
ports 80 and 443 to itself, and a list of authorities that takes in the one that Caddy makes up. So the commands of
`docs/deploying.md` run as they are written, public names and all, and nothing of it is seen outside.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from tests.support.process import ServerProcess

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_UNSHARE = ["unshare", "--mount", "--net", "--fork", "--kill-child"]


def require_lone_host() -> None:
    """Skip the test where no such host can be made; in CI, fail."""
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True)
    if tried.returncode != 0 or not AUTHORITIES.exists() or shutil.which("ip") is None:
        message = f"no namespaces, no `ip` or no {AUTHORITIES}: {tried.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def _unshare() -> list[str]:
    return _UNSHARE if os.geteuid() == 0 else [*_UNSHARE, "--map-root-user"]


class LoneHost:
    """The host; a context manager. `command` turns a command into one that runs on it.

    Args:
        names: host names that lead to the host itself.
        addresses: of its network, which may be public ones: nobody else is on it.
        names_at: the address that the names lead to.
        name_server: an address to ask for all other names; by default it stays the machine's own, out of reach.
    """

    def __init__(
        self,
        folder: Path,
        *names: str,
        addresses: Sequence[str] = (),
        names_at: str = "127.0.0.1",
        name_server: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._addresses = addresses
        self._name_servers = None if name_server is None else folder / "resolv.conf"
        if self._name_servers is not None:
            self._name_servers.write_text(f"nameserver {name_server}\noptions timeout:1 attempts:1\n")
        self._hosts = folder / "hosts"
        lines = ["127.0.0.1 localhost\n", *(f"{names_at} {name}\n" for name in names)]
        self._hosts.write_text("".join(lines))
        self._authorities = folder / "authorities.crt"
        shutil.copyfile(AUTHORITIES, self._authorities)
        self._holder: subprocess.Popen[bytes] | None = None
        # A tool that was told of other authorities would not ask those of the host.
        told = ("SSL_CERT_", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "TEMPEST_", "PORT", "SECRET_KEY_BASE")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(told)}
        self.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env["SSL_CERT_FILE"] = str(AUTHORITIES)

    def add_name(self, name: str) -> None:
        """Let one more name lead to the host."""
        with self._hosts.open("a") as hosts:
            hosts.write(f"127.0.0.1 {name}\n")

    def trust(self, certificate: Path) -> None:
        """Trust one more authority. In place, for the file is mounted."""
        with self._authorities.open("a") as authorities:
            authorities.write(certificate.read_text())

    def command(self, *command: str) -> list[str]:
        assert self._holder is not None, "not started"
        [inside] = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", inside, *user, "--mount", "--net", f"--wd={Path.cwd()}", "--", *command]

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host to its end."""
        inside = command if cwd is None else ("sh", "-c", f"cd {shlex.quote(str(cwd))} && exec {shlex.join(command)}")
        return subprocess.run(
            self.command(*inside), env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=timeout
        )

    def __enter__(self) -> Self:
        lines = [
            "ip link set lo up",
            *(f"ip address add {address} dev lo" for address in self._addresses),
            *(
                ()
                if self._name_servers is None
                else (f"mount --bind {shlex.quote(str(self._name_servers))} /etc/resolv.conf",)
            ),
            f"mount --bind {shlex.quote(str(self._hosts))} /etc/hosts",
            f"mount --bind {shlex.quote(str(self._authorities))} {AUTHORITIES}",
            "echo ready",
            # Ends with the test process: its standard input is a pipe that closes then.
            "exec cat",
        ]
        self._holder = subprocess.Popen(
            [*_unshare(), "sh", "-euc", "\n".join(lines)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._holder is not None
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(10)


class HostedProcess(ServerProcess):
    """A server on such a host."""

    def __init__(
        self, host: LoneHost, command: Sequence[str], env: Mapping[str, str], folder: Path, port: int, health: str
    ) -> None:
        super().__init__([], {**host.env, **env}, folder, port)
        self._host = host
        self._inside = list(command)
        self._health = health

    def spawn(self) -> None:
        self.command = self._host.command(*self._inside)
        super().spawn()

    def healthy(self) -> bool:
        return self._host.run("curl", "--silent", "--fail", "--output", "/dev/null", self._health).returncode == 0
