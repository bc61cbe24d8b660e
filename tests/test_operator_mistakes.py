"""What an operator can get wrong: `tempest serve` refuses it in one line that says what to change, and ends with 2.

Where the cause may pass by itself it ends with 75, so that whatever supervises it tries again.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.process import free_port

from tempest_pds.cli.main import main
from tempest_pds.http.server import bind
from tempest_pds.stores.data_directory import DataDirectory

PUBLIC = {
    "TEMPEST_HOSTNAME": "pds.example.com",
    "TEMPEST_PUBLIC_URL": "https://pds.example.com",
    "TEMPEST_DATA_DIR": "/var/lib/tempest",
    "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
    "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
}


RUN = ("-m", "tempest_pds.cli.main")
FULL_BY_NOW = """
import sqlite3
from tempest_pds.cli.main import main
from tempest_pds.composition import root

def replay(*files):
    raise sqlite3.OperationalError("database or disk is full")

root.replay = replay
main()
"""


def serve(folder: Path, *, program: Sequence[str] = RUN, **settings: str) -> tuple[int, list[str]]:
    """Run the server, which is expected not to start; return its exit code and what it wrote on standard error."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "PORT", "SECRET_KEY"))
    }
    environment = {**inherited, "PORT": str(free_port()), "TEMPEST_DATA_DIR": str(folder), **settings}
    command = [sys.executable, *program, "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"PORT": "http"}, "PORT must be a whole number"),
        ({"TEMPEST_HOSTNAME": "https://pds.example.com"}, "TEMPEST_HOSTNAME must be a bare hostname"),
        ({"TEMPEST_HOSTNAME": "pds.example.com"}, "also needs TEMPEST_PUBLIC_URL (https://pds.example.com)"),
        ({**PUBLIC, "TEMPEST_PUBLIC_URL": "https://example.com"}, "TEMPEST_PUBLIC_URL must be https://pds.example.com"),
        ({**PUBLIC, "SECRET_KEY_BASE": "changeme"}, "SECRET_KEY_BASE must be 32 random characters"),
        ({**PUBLIC, "TEMPEST_ADMIN_TOKEN_HASH": "hunter2"}, "made by `tempest hash-token`"),
        ({"TEMPEST_PUBLIC_URL": "https://pds.example.com"}, "set TEMPEST_HOSTNAME to it as well"),
        ({"TEMPEST_DURABILITY": "none"}, "TEMPEST_DURABILITY must be power or process"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_wrong_setting(
    settings: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, as nothing has been opened when settings are read."""
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], **settings})
    monkeypatch.setattr(sys, "argv", ["tempest", "serve"])
    with pytest.raises(SystemExit) as stopped:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert len(lines) == 1
    assert lines[0].startswith("tempest: ")
    assert wanted in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("TEMPEST_BLOB_STORE", "floppy", "no installed plugin offers this blob store"),
        ("TEMPEST_MAILER", "pigeon", "no installed plugin offers this mailer"),
        ("TEMPEST_TELEMETRY", "smoke", "no installed plugin offers this telemetry exporter"),
    ],
)
def test_an_adapter_that_is_not_installed(name: str, value: str, wanted: str, tmp_path: Path) -> None:
    code, lines = serve(tmp_path / "data", **{name: value})
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"tempest: {name}={value}: {wanted}; installed: ")
    assert not (tmp_path / "data").exists()


def test_a_misspelt_setting_is_a_warning_of_one_line(tmp_path: Path) -> None:
    code, lines = serve(tmp_path, PORT="http", TEMPEST_HOSTNMAE="pds.example.com")
    assert code == 2
    assert lines[0] == "tempest: warning: unknown setting TEMPEST_HOSTNMAE: did you mean TEMPEST_HOSTNAME?"
    assert len(lines) == 2


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        code, lines = serve(tmp_path, PORT=str(port))
    assert code == 75
    where = f"127.0.0.1 port {port}"
    assert lines == [f"tempest: cannot listen on {where}: Address already in use; stop what listens there, or set PORT"]


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    """The machine's own may come only after a start that follows the boot."""
    code, lines = serve(tmp_path, TEMPEST_BIND_ADDRESS="192.0.2.1")
    assert code == 75
    assert len(lines) == 1
    assert "cannot listen on 192.0.2.1 port" in lines[0]


def test_a_data_directory_that_another_server_uses(tmp_path: Path) -> None:
    with DataDirectory(tmp_path).lock():
        code, lines = serve(tmp_path)
    assert code == 75
    owner = f"another Tempest (process {os.getpid()})"
    assert lines == [f"tempest: the data directory {tmp_path} is in use by {owner}; stop that one first"]


def test_a_file_in_place_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    code, lines = serve(tmp_path / "data")
    assert code == 2
    assert lines == [f"tempest: cannot use the data directory {tmp_path / 'data'}: it, or what is above it, is a file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, lines = serve(tmp_path / "data")
    assert code == 2
    assert lines == [f"tempest: cannot use the data directory {tmp_path / 'data'}: Permission denied"]


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "account.sqlite").write_text("This is no database, however long it may be.")
    code, lines = serve(tmp_path)
    assert code == 2
    assert lines == [f"tempest: cannot open {tmp_path / 'account.sqlite'}: file is not a database"]


def test_a_disk_that_is_full_once_the_files_are_open(tmp_path: Path) -> None:
    code, lines = serve(tmp_path, program=("-c", FULL_BY_NOW), TEMPEST_LOG_LEVEL="error")
    assert code == 75
    assert lines == ["tempest: cannot start: database or disk is full"]


def test_a_key_file_that_holds_none(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "secret_admin_token").write_text("hunter2")
    code, lines = serve(tmp_path, TEMPEST_LOG_LEVEL="error")
    assert code == 2
    assert lines == [f"tempest: {tmp_path / 'keys' / 'secret_admin_token'} does not hold a secret"]


def test_oauth_keys_that_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "oauth_jwks.json").write_text('{"keys": []}')
    code, lines = serve(tmp_path, TEMPEST_LOG_LEVEL="error")
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"tempest: {tmp_path / 'oauth_jwks.json'} is damaged (there is no key to sign with): ")
    assert "put it back from a backup, or remove it" in lines[0]
