"""A server as a child process: started on a free port, awaited, stopped or killed."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

# Below those that the system gives to outgoing connections: one of these could take a port before its server does.
# And above 10080, which browsers and Node connect to for nobody: https://fetch.spec.whatwg.org/#port-blocking
_PORTS = range(10_081, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on just now, and each only once."""
    while True:
        port = random.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


class StartFailed(Exception):
    """The server ended, or did not answer in time; the message holds the end of its log."""


class ServerProcess:
    """One server over one folder. It can be started again after it was stopped or killed."""

    name = "server"

    def __init__(self, command: list[str], env: dict[str, str], folder: Path, port: int) -> None:
        self.command = command
        self.env = env
        self.folder = folder
        self.port = port
        self.log = folder.parent / f"{folder.name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://localhost:{self.port}"

    @property
    def pid(self) -> int:
        assert self._child is not None, "not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    health_path = "/xrpc/_health"

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.health_path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def spawn(self) -> None:
        """Start the server and return at once."""
        assert not self.running, "already started"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def start(self, timeout: float = 60) -> Self:
        """Start the server and return when it answers."""
        self.spawn()
        assert self._child is not None
        deadline = time.monotonic() + timeout
        while not self.healthy():
            if not self.running or time.monotonic() > deadline:
                state = "does not answer" if self.running else f"ended with {self._child.returncode}"
                self.kill()
                raise StartFailed(f"{self.name} {state}:\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def stop(self, timeout: float = 30) -> int:
        """Ask the server to end, wait, and return its exit status."""
        assert self._child is not None, "not started"
        if self.running:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._child.returncode

    def kill(self) -> None:
        """End the server with SIGKILL: it has no say in it."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def cpu_seconds(self) -> float:
        """Return the processor time, user and system, that the process has used, its ended children included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(fields[at]) for at in (11, 12, 13, 14))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, field: str = "VmRSS") -> float:
        """Return the resident memory in MiB; `VmHWM` is its peak."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(field)

    def reset_peak_memory(self) -> None:
        """Let `VmHWM` start anew from what is resident now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def json_request(url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, object]:
    """Send one request (POST when there is a body) and return the status and the parsed JSON, errors included."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null")
