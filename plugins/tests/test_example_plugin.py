"""The example as a third party's plugin: built, installed beside Tempest in an environment of its own, and selected."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "plugins" / "example"

CHECK = """
import asyncio, json, os
from pathlib import Path
from tempest_pds.adapter_selection import Selection
from tempest_pds.plugins import PluginManager
from tempest_pds_plugins import PluginContext, RecordChange, streams

async def main():
    plugins = PluginManager.load(os.environ)
    plugins.require_sound()
    name = Selection.from_environment(os.environ).blob_store
    store = plugins.create_blob_store(name, os.environ, PluginContext(data_dir=Path("data").absolute()))
    await store.open()
    await store.put("public/bafk", streams.of(b"hello ", b"world"))
    plugins.notify("server_started", hostname="pds.test", public_url="", version="1")
    changes = (RecordChange("create", "app.bsky.feed.post", "3k", "bafy"),)
    plugins.notify("record_committed", did="did:plc:a", rev="3l", commit="bafy", changes=changes)
    sign_in = dict(did="did:plc:a", handle="a.test", client_ip="192.0.2.1", method="app_password", surface="api")
    plugins.notify("signed_in", **sign_in, second_factor=None, client_id=None)
    policy = dict(email=None, invite_code=None, client_ip=None)
    print(json.dumps({
        "store": type(store).__name__, "blob": (await streams.collect(await store.get("public/bafk", 6))).decode(),
        "refusals": [plugins.first_refusal("check_sign_up", handle=f"{name}.test", **policy) for name in ("root",
        "alice")],
    }))

asyncio.run(main())
"""


class Environment:
    """A virtual environment, and how to run things in it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder)
        self.bin = folder / "bin"
        self.folder = folder

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        ours = ("TEMPEST_", "PYTHON", "PORT", "SECRET_KEY_BASE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return subprocess.Popen(
            [self.bin / command[0], *command[1:]],
            cwd=self.folder,
            env=environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command, **settings) as process:
            output, errors = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)


class Caller:
    """Call procedures of a server with nothing but the standard library."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def __call__(self, nsid: str, body: dict[str, Any] | bytes) -> dict[str, Any]:
        kind = "text/plain" if isinstance(body, bytes) else "application/json"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/xrpc/{nsid}", data, headers)) as answer:
            given: dict[str, Any] = json.load(answer)
        return given


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Build the wheels of the contract, the core and the example, and install them and what they need."""
    wheels = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip"]
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    sources = [str(source) for source in (ROOT / "plugins", ROOT / "tempest-core", EXAMPLE)]
    _call([*pip, "wheel", "-q", "--no-deps", *isolation, "--wheel-dir", str(wheels), *sources])
    environment = Environment(tmp_path_factory.mktemp("environment"))
    python = str(environment.bin / "python")
    _call([*pip, "--python", python, "install", "-q", "--no-compile", *map(str, wheels.glob("*.whl"))])
    return environment


def _call(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_example_is_listed_and_selected(installed: Environment) -> None:
    command = ("python", "-c", "from tempest_pds.cli.plugins_command import plugins; plugins()")
    listing = installed.run(*command, TEMPEST_BLOB_STORE="folder", TEMPEST_BLOB_FOLDER_PATH="blobs")
    lines = [line.split() for line in listing.stdout.splitlines()]
    assert listing.returncode == 0, listing.stdout + listing.stderr
    assert ["folder", "0.3.0", "tempest-pds-folder", "blob", "store", "folder", "yes", "-"] in lines
    assert ["core", "0.1.0", "tempest-pds", "blob", "store", "local", "no", "-"] in lines
    assert any(line[:4] == ["folder", "0.3.0", "tempest-pds-folder", "hooks"] for line in lines)


def test_example_that_lacks_a_setting_says_which(installed: Environment) -> None:
    command = ("python", "-c", "from tempest_pds.cli.plugins_command import plugins; plugins()")
    listing = installed.run(*command, TEMPEST_BLOB_STORE="folder")
    assert listing.returncode == 1
    assert "TEMPEST_BLOB_STORE=folder: set TEMPEST_BLOB_FOLDER_PATH (the folder that holds the blobs)" in listing.stdout


def test_example_stores_observes_and_refuses(installed: Environment, tmp_path: Path) -> None:
    run = installed.run(
        "python",
        "-c",
        CHECK,
        TEMPEST_BLOB_STORE="folder",
        TEMPEST_BLOB_FOLDER_PATH=str(tmp_path / "blobs"),
        TEMPEST_JOURNAL_PATH=str(tmp_path / "journal"),
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "store": "FolderBlobStore",
        "blob": "world",
        "refusals": ["This handle is not given out.", None],
    }
    journal = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [entry["happened"] for entry in journal] == ["started", "create", "sign-in"]
    assert any((tmp_path / "blobs").rglob("*bafk*"))


def test_a_server_from_its_wheel_uses_the_example(installed: Environment, tmp_path: Path) -> None:
    """Nothing editable, and nothing of what makes the core fast: the account, the record and the blob are real."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = installed.start(
        "tempest",
        "serve",
        PORT=port,
        TEMPEST_DATA_DIR=str(tmp_path / "data"),
        TEMPEST_BLOB_STORE="folder",
        TEMPEST_BLOB_FOLDER_PATH=str(tmp_path / "blobs"),
        TEMPEST_JOURNAL_PATH=str(tmp_path / "journal"),
    )
    call = Caller(f"http://127.0.0.1:{port}")
    try:
        assert server.stdout is not None
        assert "ready" in server.stdout.readline(), server.communicate()[1]
        account = {"email": "a@example.com", "password": "correct horse"}
        with pytest.raises(urllib.error.HTTPError, match="400"):
            call("com.atproto.server.createAccount", {**account, "handle": "root.test"})
        session = call("com.atproto.server.createAccount", {**account, "handle": "alice.test"})
        login = {"identifier": "alice.test", "password": account["password"]}
        call.token = call("com.atproto.server.createSession", login)["accessJwt"]
        blob = call("com.atproto.repo.uploadBlob", b"hello world")["blob"]
        post = {"$type": "com.example.note", "createdAt": "2026-01-01T00:00:00Z", "attached": blob}
        call(
            "com.atproto.repo.createRecord", {"repo": session["did"], "collection": "com.example.note", "record": post}
        )
        cid = blob["ref"]["$link"]
        with urllib.request.urlopen(f"{call.url}/xrpc/com.atproto.sync.getBlob?did={session['did']}&cid={cid}") as got:
            assert got.read() == b"hello world"
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=30)
    assert "Traceback" not in errors
    journal = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [entry["happened"] for entry in journal] == ["started", "sign-in", "blob", "create"]
    assert journal[1] == {
        "happened": "sign-in",
        "did": session["did"],
        "client_ip": "127.0.0.1",
        "method": "password",
        "surface": "api",
    }
    assert any(path.read_bytes() == b"hello world" for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    assert not any((tmp_path / "data" / "blobs").iterdir())


def test_example_passes_the_conformance_kit() -> None:
    """In this environment, from its sources: the kit's own dependencies are here."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", "tests"]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLE / "src")}
    run = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
