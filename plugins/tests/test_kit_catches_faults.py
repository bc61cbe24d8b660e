"""The conformance kit fails each of a crowd of broken adapters, by the test that names its fault."""

import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The adapters beside the tests; importlib mode puts no folder on the path by itself.
sys.path.insert(0, str(HERE))
BROKEN: dict[str, tuple[type, str]] = importlib.import_module("faults").BROKEN
for _module in ("broken_blob_stores", "broken_adapters"):
    importlib.import_module(_module)

SUITE = """
import sys

sys.path.insert(0, {here!r})

import pytest
import broken_adapters
import broken_blob_stores
from faults import BROKEN
from tempest_pds_plugins import BackupSink, BlobStore, Mailer, TelemetryExporter
from tempest_pds_plugins.testing import *
from tempest_pds_plugins.testing.chunks import MIB

KINDS = {{
    BlobStore: (BlobStoreContract, "blob_store"),
    BackupSink: (BackupSinkContract, "backup_sink"),
    Mailer: (MailerContract, "mailer"),
    TelemetryExporter: (TelemetryExporterContract, "telemetry_exporter"),
}}


async def delivered(self, mailer):
    return mailer.sent


def suite(name, adapter):
    contract, fixture = next(KINDS[kind] for kind in KINDS if issubclass(adapter, kind))
    members = {{
        fixture: pytest.fixture(lambda self: adapter()),
        "large_size": 16 * MIB,
        "memory_limit": 8 * MIB,
        "delivered": delivered,
    }}
    return type(f"Test{{name}}", (contract,), members)


globals().update({{f"Test{{name}}": suite(name, adapter) for name, (adapter, _) in BROKEN.items()}})
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run the test that each must fail, in a process of its own; return those that failed, by the name of the fault."""
    folder = tmp_path_factory.mktemp("kit")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_broken.py").write_text(SUITE.format(here=str(HERE)))
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    tests = [f"test_broken.py::Test{name}::{test}" for name, (_, test) in BROKEN.items()]
    run = subprocess.run([*command, *tests], cwd=folder, capture_output=True, text=True, check=False)
    failed = defaultdict(set)
    for name, test in re.findall(r"^(?:FAILED|ERROR) test_broken\.py::Test(\w+)::(\w+)", run.stdout, re.MULTILINE):
        failed[name].add(test)
    assert failed, run.stdout + run.stderr
    return failed


@pytest.mark.parametrize("name", BROKEN)
def test_fault_is_caught(failures: dict[str, set[str]], name: str) -> None:
    _, expected = BROKEN[name]
    assert expected in failures[name]
