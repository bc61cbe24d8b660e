"""The README's commands, as a newcomer runs them: from a copy of the repository, with Python and nothing else."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.test_typescript_client import check_firehose, run_client
from tests.support.node import Node
from tests.support.process import ServerProcess, free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands(heading: str) -> str:
    """Return the first block of commands under *heading*, by the very script that CI takes its own command from."""
    script = ROOT / ".ci" / "readme_block.py"
    done = subprocess.run([sys.executable, script, heading], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git has, without what this working copy made beside it."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    copy = tmp_path_factory.mktemp("readme") / "tempest"
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture(scope="module")
def bare_environment(copy: Path) -> dict[str, str]:
    """The environment without any of our settings, where `python3` is the Python of these tests but not their venv."""
    shims = copy.parent / "bin"
    shims.mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    (shims / "python3").symlink_to(base)
    ours = ("TEMPEST_", "PORT", "VIRTUAL_ENV", "PYTHON", "SECRET_KEY_BASE", "NOX", "PIP_REQUIRE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": f"{shims}:{os.environ['PATH']}"}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def served(copy: Path, bare_environment: dict[str, str]) -> Iterator[ServerProcess]:
    """The server that the README's one command sets up, on its port 4000 unless that is taken."""
    port = 4000 if is_free(4000) else free_port()
    env = bare_environment if port == 4000 else {**bare_environment, "PORT": str(port)}
    log = copy.parent / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", commands("Start it")],
            cwd=copy,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = ServerProcess([], env, copy, port)
    try:
        deadline = time.monotonic() + 600
        while not server.healthy():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_one_command_sets_all_up_and_the_others_work(
    served: ServerProcess, copy: Path, bare_environment: dict[str, str]
) -> None:
    """One after the other, in one shell, on a server that nobody has used yet."""
    tour = "\n".join(blocks("Two minutes with it")).replace("localhost:4000", f"localhost:{served.port}")
    Path("/tmp/alice.car").unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour],
        cwd=copy,
        env=bare_environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert '"did":"did:plc:' in done.stdout
    assert '"validationStatus":"valid"' in done.stdout
    assert '"text":"Hello"' in done.stdout
    # A sign-up announces itself in four events, and the post is the fifth.
    assert re.search(r"^5 #commit \['app\.bsky\.feed\.post/\w+'\]$", done.stdout, re.MULTILINE), done.stdout
    assert Path("/tmp/alice.car").stat().st_size > 500
    assert (copy / "tempest-data" / "account.sqlite").exists()


def test_every_command_of_the_readme_is_run() -> None:
    """By the test above, and by CI; a block under another heading would be run by nobody."""
    run = [*blocks("Start it"), *blocks("Two minutes with it"), *blocks("Test it")]
    assert len(blocks("Start it")) == len(blocks("Test it")) == 1
    assert run == re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_official_client_and_consumer_use_that_server(served: ServerProcess, node: Node) -> None:
    failed = run_client(node, served)
    assert not failed, "\n".join(failed)
    check_firehose(node, served, None)


def blocks(heading: str) -> list[str]:
    """Return all blocks of commands under a heading of the README."""
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_readme_s_own_command_for_the_tests() -> None:
    """So that command is proved by every run of CI; to run it from within itself would never end."""
    assert commands("Test it").rstrip().endswith("nox -s tests")
    assert 'readme_block.py "Test it"' in (ROOT / ".ci" / "run").read_text()
