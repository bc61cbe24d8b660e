"""The command as an operator meets it: a process, its output and its exit code."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


def environment(folder: Path, **settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "PORT"))}
    return {**inherited, "TEMPEST_DATA_DIR": str(folder / "data"), **settings}


def run(*arguments: str, env: dict[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tempest_pds.cli.main", *arguments],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str, code: int = 2) -> None:
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.stderr


def test_help_lists_every_subcommand(tmp_path: Path) -> None:
    result = run("--help", env=environment(tmp_path))
    assert result.returncode == 0
    assert all(f"  {name}" in result.stdout for name in ("serve", "config", "plugins", "hash-token", "version"))


def test_help_and_version_are_quick_because_they_import_little(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from tempest_pds.cli.main import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "assert CliRunner().invoke(cli, ['version']).exit_code == 0;"
        "print([name for name in ('blacksheep', 'sqlalchemy', 'uvicorn', 'aiohttp') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_config_shows_what_is_in_force_with_secrets_hidden(tmp_path: Path) -> None:
    secret = "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"
    result = run("config", env=environment(tmp_path, SECRET_KEY_BASE=secret, PORT="4999"))
    assert result.returncode == 0, result.stderr
    assert secret not in result.stdout
    assert "* PORT" in result.stdout
    assert "4999" in result.stdout
    assert "  TEMPEST_HOSTNAME" in result.stdout


def test_a_misspelt_setting_is_a_warning_with_the_real_name(tmp_path: Path) -> None:
    result = run("config", env=environment(tmp_path, TEMPEST_HOSTNAMES="x"))
    assert result.returncode == 0
    assert "TEMPEST_HOSTNAMES: did you mean TEMPEST_HOSTNAME?" in result.stderr


@pytest.mark.parametrize("command", ["config", "serve"])
def test_a_public_server_without_secrets_refuses_in_one_line(tmp_path: Path, command: str) -> None:
    result = run(command, env=environment(tmp_path, TEMPEST_HOSTNAME="pds.example.com"))
    assert_one_line(result, "SECRET_KEY_BASE", "TEMPEST_PUBLIC_URL")


def test_an_unknown_command_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    result = run("sreve", env=environment(tmp_path))
    assert result.returncode == 2
    assert "sreve" in result.stderr


def test_a_token_becomes_a_hash_that_settings_take(tmp_path: Path) -> None:
    result = run("hash-token", env=environment(tmp_path), stdin="my token\n")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("$argon2id$")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = run("serve", env=environment(tmp_path, PORT=str(listener.getsockname()[1])))
    assert_one_line(result, "cannot listen", "in use", code=75)


def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    result = run("serve", env=environment(tmp_path, PORT=str(free_port())))
    assert_one_line(result, "data")


def test_the_server_says_when_it_is_ready_refuses_a_second_one_and_stops_on_a_signal(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tempest_pds.cli.main", "serve"],
        env=environment(tmp_path, PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert f"http://localhost:{port}" in line, server.stderr.read() if server.stderr and not line else line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/xrpc/_health", timeout=5) as answer:
            assert b"version" in answer.read()
        second = run("serve", env=environment(tmp_path, PORT=str(free_port())))
        assert_one_line(second, "in use by another Tempest", str(server.pid), code=75)
        started = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) in {0, -signal.SIGTERM}
        assert time.monotonic() - started < 10
    finally:
        server.kill()
        _, errors = server.communicate()
    assert "Traceback" not in errors
