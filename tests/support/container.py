"""A command in a root of its own, as PID 1, the way a container engine runs an image; needs root and `unshare`.

Two kinds of root take part. `borrowed_root` shows the folders of this machine and the environment of these tests where
the image has its own: it is there at once. `tests/support/image_build.py` builds one by the Dockerfile.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.dockerfile import ROOT, image
from tests.support.process import ServerProcess, free_port

VOLUME = "/var/lib/tempest"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
TEMPEST_ID = 10_001
_UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]


def require_containers() -> None:
    """Skip the test where no namespaces can be made; in CI, fail."""
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True)
    if os.geteuid() != 0 or tried.returncode != 0:
        message = f"no namespaces without root: {tried.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@dataclass(frozen=True)
class Root:
    """A file system to run commands in.

    Attributes:
        folder: where it is put together, on this machine.
        setup: shell commands that mount what it consists of.
        path: where commands are found in it.
    """

    folder: Path
    setup: str
    path: str = PATH


def borrowed_root(folder: Path) -> Root:
    """Make a root of this machine's own folders, with the user and the commands that the Dockerfile makes."""
    etc = folder / "etc"
    etc.mkdir(parents=True)
    for name, line in (
        ("passwd", f"tempest:x:{TEMPEST_ID}:{TEMPEST_ID}::{VOLUME}:/usr/sbin/nologin"),
        ("group", f"tempest:x:{TEMPEST_ID}:"),
    ):
        (etc / name).write_text(Path(f"/etc/{name}").read_text().rstrip("\n") + f"\n{line}\n")
    for name in ("nsswitch.conf", "hosts", "ld.so.cache"):
        shutil.copy(f"/etc/{name}", etc)
    commands = folder / "image"
    commands.mkdir()
    shutil.copy(ROOT / "deploy" / "entrypoint.sh", commands / "tempest-entrypoint")
    shutil.copy(ROOT / "deploy" / "tempest.sh", commands / "tempest")
    root = folder / "root"
    root.mkdir()
    python = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    shown = [path for path in python if not path.is_relative_to("/usr")]
    lines = [f"R={shlex.quote(str(root))}", "mount -t tmpfs -o mode=755 root $R", "mkdir -p $R/opt $R/var/lib $R/tmp"]
    lines += ["chmod 1777 $R/tmp"]
    for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            lines.append(f"ln -s {path.readlink()} $R/{name}")
        elif path.exists():
            lines.append(f"mkdir $R/{name} && mount --bind /{name} $R/{name}")
    for inside, outside in [("/etc", etc), ("/image", commands), *((path, path) for path in shown)]:
        lines.append(f"mkdir -p $R{inside} && mount --bind {outside} $R{inside}")
    lines.append(f"ln -s {sys.prefix} $R/opt/tempest")
    return Root(root, "\n".join(lines), f"/image:{PATH}")


class Container(ServerProcess):
    """What `docker run` does with the image: its environment, entrypoint and command, over a volume.

    Args:
        volume: a folder of this machine, mounted at VOLUME.
        user: in place of root, by number, as `--user` gives it.
        read_only: mount the volume for reading only.
        entrypoint: in place of the image's own.
    """

    name = "container"

    def __init__(
        self,
        root: Root,
        volume: Path,
        *command: str,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
        read_only: bool = False,
        entrypoint: Sequence[str] | None = None,
    ) -> None:
        stage = image()
        port = free_port()
        self.root = root
        given = {"PATH": root.path, **stage.env, "PORT": str(port), "TEMPEST_BIND_ADDRESS": "127.0.0.1", **(env or {})}
        inside = [
            *(entrypoint or stage.one("ENTRYPOINT").items or []),
            *(command or stage.one("CMD").items or []),
        ]
        userspec = [] if user is None else [f"--userspec={user}:{user}"]
        lines = [
            "set -eu",
            root.setup,
            f"R={shlex.quote(str(root.folder))}",
            f"mkdir -p $R/proc $R/dev $R{VOLUME} && mount -t proc proc $R/proc && mount --rbind /dev $R/dev",
            f"mount --bind {shlex.quote(str(volume))} $R{VOLUME}",
            *([f"mount -o remount,bind,ro $R{VOLUME}"] if read_only else []),
            shlex.join(["exec", "env", "--ignore-environment", *(f"{key}={value}" for key, value in given.items())])
            + f" chroot {' '.join(userspec)} $R {shlex.join(inside)}",
        ]
        super().__init__([*_UNSHARE, "sh", "-c", "\n".join(lines)], dict(os.environ), volume, port)
        self._inside = given

    @property
    def first(self) -> int:
        """The process that is PID 1 inside, by its number on this machine."""
        [child] = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(child)

    def status(self, field: str) -> list[str]:
        """Return a line of the first process's /proc/…/status, in words."""
        for line in Path(f"/proc/{self.first}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return line.split()[1:]
        raise LookupError(field)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one more command inside, as root, as `docker exec` does."""
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid", "--root", "--wd=/"]
        return subprocess.run(
            [*enter, "--", "env", "--ignore-environment", *(f"{k}={v}" for k, v in self._inside.items()), *command],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run to the end what is expected to end by itself."""
        return subprocess.run(self.command, env=self.env, capture_output=True, text=True, timeout=120)

    def stop(self, timeout: float = 30) -> int:
        """Send SIGTERM to PID 1, wait, and return its exit status."""
        assert self._child is not None, "not started"
        if self.running:
            os.kill(self.first, signal.SIGTERM)
            try:
                self._child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._child.returncode
