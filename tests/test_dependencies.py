"""What the packages import is what they say they need, and nothing else."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("plugins", "tempest-core", "tempest-blob-s3", "tempest-backup-s3", "tempest-smtp", "tempest-otel")
# uvicorn's WebSocket protocol, which the core extends, is written upon it.
NEEDED_BY_WHAT_IS_IMPORTED = {"websockets"}


@functools.cache
def installed() -> Mapping[str, list[str]]:
    """List the distributions that bring each module."""
    return packages_distributions()


def imported(folder: str) -> dict[str, str]:
    """List the modules from elsewhere that a package imports, each with a file that does."""
    found: dict[str, str] = {}
    for path in (ROOT / folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found.update((name.partition(".")[0], str(path.relative_to(ROOT))) for name in names)
    own = {path.name for path in (ROOT / folder / "src").iterdir()}
    # Stubs are read by the type checker alone.
    passed_over = {*sys.stdlib_module_names, *own, *(name for name in found if name.startswith("types_"))}
    return {name: path for name, path in found.items() if name not in passed_over}


def declared(folder: str) -> tuple[set[str], set[str]]:
    """List the distributions that a package needs, and those that its extras bring."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    extras = [item for extra in project.get("optional-dependencies", {}).values() for item in extra]
    return {normal(item) for item in project["dependencies"]}, {normal(item) for item in extras}


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder: str) -> None:
    distributions = installed()
    needed, extra = declared(folder)
    for module, path in imported(folder).items():
        owners = {normal(name) for name in distributions.get(module, [module])}
        assert owners & (needed | extra), f"{path} imports {module}, which {folder}/pyproject.toml does not name"


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_declared_is_imported(folder: str) -> None:
    distributions = installed()
    used = {normal(name) for module in imported(folder) for name in distributions.get(module, [module])}
    needed, _ = declared(folder)
    assert needed - used - NEEDED_BY_WHAT_IS_IMPORTED == set()
