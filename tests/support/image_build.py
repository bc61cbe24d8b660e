"""The Dockerfile, carried out step by step in roots that debootstrap makes: what `docker build` does, with no engine.

The base differs from `python:3.11-slim-bookworm` in one thing: its Python, with its headers, is Debian's own, of the
same minor version.
"""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.container import PATH, Root
from tests.support.dockerfile import ROOT, Stage, build_context, read_dockerfile

_BASE = "python:3.11-slim-bookworm"
_PACKAGES = ("python3", "python3-dev", "python3-venv", "ca-certificates")


def make_base(folder: Path, *packages: str) -> Path:
    """Make a root of Debian with Python, and *packages* of it, at `folder / "base"`."""
    if shutil.which("debootstrap") is None:
        pytest.skip("no debootstrap: the Debian package of that name brings it")
    base = folder / "base"
    included = ",".join((*_PACKAGES, *packages))
    _run(["debootstrap", "--variant=minbase", f"--include={included}", "bookworm", str(base)])
    return base


def root_of(folder: Path) -> Root:
    """Make a root of a folder that holds a whole system."""
    quoted = shlex.quote(str(folder))
    return Root(folder, f"mount --bind {quoted} {quoted}")


def build_image(folder: Path) -> Root:
    """Build the image below *folder*; return the root of its last stage."""
    base = make_base(folder)
    (base / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
    stages: dict[str, Path] = {}
    for number, stage in enumerate(read_dockerfile()):
        assert stage.base == _BASE, f"the base image is not {stage.base}, but {_BASE}"
        root = folder / f"stage{number}"
        _run(["cp", "--archive", str(base), str(root)])
        _carry_out(stage, root, stages)
        stages[stage.name or str(number)] = root
    return root_of(root)


def _carry_out(stage: Stage, root: Path, stages: dict[str, Path]) -> None:
    environment = {"PATH": PATH, "HOME": "/root", **stage.args}
    work = Path("/")
    for instruction in stage.instructions:
        if instruction.word == "WORKDIR":
            work = Path(instruction.rest)
            (root / work.relative_to("/")).mkdir(parents=True, exist_ok=True)
        elif instruction.word == "COPY":
            source, target = instruction.rest.split()
            _copy(source, root / (work / target).relative_to("/"), stages.get(instruction.flags.get("from", "")))
        elif instruction.word == "RUN":
            run_inside(root, work, environment, instruction.rest)


def _copy(source: str, target: Path, stage: Path | None) -> None:
    if stage is not None:
        _run(["cp", "--archive", str(stage / source.lstrip("/")), str(target)])
        return
    wanted = [path for path in build_context() if source == "." or path == Path(source)]
    assert wanted, f".dockerignore keeps {source} out of the build"
    for path in wanted:
        place = target / path if source == "." else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, place)


def run_inside(root: Path, work: Path, environment: dict[str, str], command: str, source: Path | None = None) -> None:
    """Run a shell command in the root, with this machine's name service, certificates and package index settings.

    *source* is a folder of this machine that is seen at *work*, for reading only.
    """
    lines = [
        "set -eu",
        f"R={shlex.quote(str(root))}",
        "mount -t proc proc $R/proc",
        "mount --rbind /dev $R/dev",
        *([f"mkdir -p $R{work} && mount --bind -o ro {shlex.quote(str(source))} $R{work}"] if source else []),
        *(f"cp /etc/{name} $R/etc/{name}" for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt")),
        "if [ -f /etc/pip.conf ]; then cp /etc/pip.conf $R/etc/pip.conf; fi",
        "if [ -f ~/.config/pip/pip.conf ]; then cp ~/.config/pip/pip.conf $R/etc/pip.conf; fi",
        "if [ -f ~/.pip/pip.conf ]; then cp ~/.pip/pip.conf $R/etc/pip.conf; fi",
        "exec chroot $R "
        + shlex.join(["env", *(f"{key}={value}" for key, value in environment.items()), "sh", "-c"])
        + " "
        + shlex.quote(f"cd {work} && {command}"),
    ]
    _run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", "\n".join(lines)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
