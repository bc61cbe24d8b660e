"""`tempest plugins` on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tempest_pds.cli.plugins_command import context_of, plugins


def test_lists_what_is_installed_and_selected(tmp_path: Path) -> None:
    result = CliRunner().invoke(plugins, env={"TEMPEST_DATA_DIR": str(tmp_path), "TEMPEST_BLOB_STORE": ""})
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[0] == ["PLUGIN", "VERSION", "DISTRIBUTION", "KIND", "NAME", "SELECTED", "PROBLEM"]
    assert ["core", "0.1.0", "tempest-pds", "blob", "store", "local", "yes", "-"] in lines


def test_ends_with_1_and_says_why_if_a_selected_adapter_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(plugins, env={"TEMPEST_DATA_DIR": str(tmp_path), "TEMPEST_BLOB_STORE": "floppy"})
    assert result.exit_code == 1
    assert "TEMPEST_BLOB_STORE=floppy: no installed plugin offers this blob store; installed: local" in result.output


def test_makes_nothing_in_the_data_directory(tmp_path: Path) -> None:
    CliRunner().invoke(plugins, env={"TEMPEST_DATA_DIR": str(tmp_path / "data")})
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("environment", "is_local", "public_url"),
    [
        ({}, True, "http://localhost:4000"),
        ({"PORT": "8080"}, True, "http://localhost:8080"),
        ({"TEMPEST_HOSTNAME": "pds.example.com"}, False, "https://pds.example.com"),
    ],
)
def test_context_follows_the_environment(environment: dict[str, str], is_local: bool, public_url: str) -> None:
    context = context_of(environment)
    assert (context.is_local, context.public_url) == (is_local, public_url)
    assert context.data_dir.is_absolute()
