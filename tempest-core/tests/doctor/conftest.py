"""The command as an operator runs it on a data directory of this machine."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner

from tempest_pds.cli.doctor_command import doctor
from tempest_pds.stores.data_directory import DataDirectory

Findings = list[tuple[str, str, str]]
Examine = Callable[..., Findings]


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """A data directory as the first start of a server makes it."""
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    return directory


@pytest.fixture
def public() -> dict[str, str]:
    """The settings of a server on the internet that has no fault."""
    return {
        "TEMPEST_HOSTNAME": "pds.example.com",
        "TEMPEST_PUBLIC_URL": "https://pds.example.com",
        "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
        "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "TEMPEST_PLC_RECOVERY_KEY": "did:key:zQ3shunBKsXixLxKtC5qeSG9E4J5RkGN57im31pcTzbNQnm5w",
    }


@pytest.fixture
def examine(data: DataDirectory) -> Iterator[Examine]:
    """`examine("data", "--min-free", "5", TEMPEST_…="…")`: run one check, and give status, detail and cure of each."""

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(check: str, *arguments: str, **settings: str) -> Findings:
        inherited: dict[str, Any] = {name: None for name in os.environ if name.startswith(("TEMPEST_", "SECRET_KEY"))}
        environment = {**inherited, "TEMPEST_DATA_DIR": str(data.root), **settings}
        done = CliRunner().invoke(doctor, ["--json", "--only", check, *arguments], env=environment)
        report = json.loads(done.stdout)
        assert done.exit_code == (0 if report["ok"] else 1)
        return [(found["status"], found["detail"], found.get("cure", "")) for found in report["results"]]

    yield run
    # The command sets up the logs of its process, which here is that of the tests.
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
