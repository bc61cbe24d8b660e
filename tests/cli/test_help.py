"""The help of every command: it is there, fits a terminal, and says what the command is for."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tempest_pds.cli.main import cli


def every(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*names, name)
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from every(found, (*names, name))


COMMANDS = list(every(cli))


def test_the_groups_are_among_them() -> None:
    assert {("account", "list"), ("repo", "rebuild"), ("blob", "scrub"), ("admin-token", "new")} <= set(COMMANDS)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_it_reads_well(names: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*names, "--help"], prog_name="tempest")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"Usage: tempest {' '.join(names)} ")
    summary = done.output.split("\n\n")[1].strip()
    assert summary.endswith((".", ":"))
    assert all(len(line) <= 80 for line in done.output.splitlines())
    # An option without a word of explanation is of no use to anybody.
    for line in done.output.partition("Options:")[2].splitlines():
        assert not line.startswith("  -") or "  " in line.strip() or len(line.strip()) > 25, line
