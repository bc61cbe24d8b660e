"""What is in the wheels of the six packages, as they are built to be published."""

import email
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("plugins", "tempest-core", "tempest-blob-s3", "tempest-backup-s3", "tempest-smtp", "tempest-otel")
LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


@pytest.fixture(scope="module")
def wheel(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Build the wheel of a package, and return its files by name."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    [path] = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: dict[str, bytes]) -> email.message.Message:
    [name] = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel[name])


def test_a_wheel_holds_every_file_of_its_package(folder: Path, wheel: dict[str, bytes]) -> None:
    """Migrations, templates, lexicon documents and `py.typed` among them."""
    source = folder / "src"
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    wanted = {str(path) for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts)}
    assert wanted == {name for name in wheel if ".dist-info/" not in name}


def test_a_wheel_brings_the_licences(folder: Path, wheel: dict[str, bytes]) -> None:
    stated = metadata(wheel)
    assert stated["License-Expression"] == "MIT OR Apache-2.0"
    assert set(LICENCES) <= set(stated.get_all("License-File", []))
    for name in LICENCES:
        [packed] = [content for path, content in wheel.items() if path.endswith(f".dist-info/licenses/{name}")]
        assert packed == (ROOT / name).read_bytes() == (folder / name).read_bytes()


def test_the_lexicon_documents_come_with_their_licence(folder: Path, wheel: dict[str, bytes]) -> None:
    data = "tempest_pds/protocol/lexicon/data/"
    documents = [name for name in wheel if name.startswith(data) and name.endswith(".json")]
    assert len(documents) > 350 or folder.name != "tempest-core"
    assert not documents or {f"{data}LICENSE", f"{data}PROVENANCE"} <= set(wheel)
    licence = "src/tempest_pds/protocol/lexicon/data/LICENSE"
    assert not documents or licence in metadata(wheel).get_all("License-File", [])


def test_nothing_installs_the_names_of_other_projects(folder: Path, wheel: dict[str, bytes]) -> None:
    """`tempest`, `tempest-core` and `tempest_core` belong to unrelated projects."""
    name = str(metadata(wheel)["Name"])
    assert name.startswith("tempest-pds")
    assert {path.split("/")[0] for path in wheel if ".dist-info/" not in path} == {name.replace("-", "_")}
    for needed in metadata(wheel).get_all("Requires-Dist", []):
        assert not needed.startswith("tempest") or needed.startswith("tempest-pds")


def test_the_packages_have_one_version_and_ask_for_it(folder: Path) -> None:
    versions = {tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]["version"] for name in FOLDERS}
    assert len(versions) == 1
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = [item for extra in project.get("optional-dependencies", {}).values() for item in extra]
    for needed in [*project["dependencies"], *extras]:
        if needed.startswith("tempest-pds") and "[" not in needed:
            assert needed.endswith(f"=={versions.copy().pop()}")
