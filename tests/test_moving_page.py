"""The page about moving says what the command does: its commands parse, and what it quotes is said."""

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from tempest_pds.cli.main import cli

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "moving.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("tempest ")
]
EXITS = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
QUOTED = re.findall(r"^\| (the .*?|… .*?) \|", PAGE.partition("## When it stops")[2], re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_is_understood(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my-rotation.key", "repo.car"):
        (tmp_path / name).touch()
    (tmp_path / "blobs").mkdir()
    found = cli.get_command(click.Context(cli), command[1])
    assert found is not None
    context = found.make_context(command[1], command[2:])
    assert context.params["account"]
    assert context.params["target"].startswith(("https://", "http://localhost:"))


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_it_quotes_is_in_the_source(quoted: str) -> None:
    """As far as one string of the source goes: a server's name, or what stands for an ellipsis, differs."""
    between = r"…|the source (?=does not)|the target (?=does not|has|takes)"
    pieces = [piece.strip(" :…") for piece in re.split(between, quoted)]
    pieces = [piece for piece in pieces if piece]
    assert pieces
    assert all(any(piece in source for source in sources()) for piece in pieces), pieces


def test_the_exit_codes_are_those_of_the_command() -> None:
    found = cli.get_command(click.Context(cli), "migrate")
    assert found is not None
    told = set(re.findall(r"with (\d+)", found.help or ""))
    assert set(EXITS) == told | {"0", "130"}


@cache
def sources() -> list[str]:
    """Give the text of the modules that move accounts, strings that are split over lines put together."""
    folder = ROOT / "tempest-core" / "src" / "tempest_pds"
    paths = [*(folder / "migration").glob("**/*.py"), folder / "cli" / "migrate_command.py"]
    return [re.sub(r'"\s*\n\s*f?"', "", path.read_text()) for path in paths]
