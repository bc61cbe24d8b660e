"""The example as a third party's plugin: built, installed beside Tempest in an environment of its own, and selected."""

import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

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

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "PYTHON"))}
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.folder,
            env=environment | settings,
            capture_output=True,
            text=True,
            check=False,
        )


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
    assert [entry["happened"] for entry in journal] == ["started", "create"]
    assert any((tmp_path / "blobs").rglob("*bafk*"))


def test_example_passes_the_conformance_kit() -> None:
    """In this environment, from its sources: the kit's own dependencies are here."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", "tests"]
    environment = os.environ | {"PYTHONPATH": str(EXAMPLE / "src")}
    run = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
