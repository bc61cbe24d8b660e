"""The Lexicon documents in the package are the published ones without their prose, as the script brings them."""

import importlib.util
import json
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import lexrpc
import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tempest-core" / "scripts" / "vendor_lexicons.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor_lexicons", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documents_are_those_of_the_package_that_is_named(script: ModuleType) -> None:
    stated = (script.DATA / "PROVENANCE").read_text()
    found = re.search(r"from lexrpc (\S+) \(CC0\), (\d+) documents", stated)
    assert found
    if found[1] != version("lexrpc"):
        pytest.skip(f"the documents are those of lexrpc {found[1]}, and {version('lexrpc')} is installed")
    published: dict[str, Any] = {}
    for path in (Path(lexrpc.__file__).parent / "lexicons").rglob("*.json"):
        document = json.loads(path.read_bytes())
        if document["id"].startswith(script.NAMESPACES):
            published[document["id"]] = script.without_prose(document)
    ours = {path.stem: json.loads(path.read_bytes()) for path in script.DATA.glob("*.json")}
    assert ours == published
    assert len(ours) == int(found[2])


def test_the_licence_is_that_of_the_script(script: ModuleType) -> None:
    assert (script.DATA / "LICENSE").read_text() == script.LICENSE
