"""`docs/cli.md`, from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

from tempest_pds.cli.main import cli
from tempest_pds.doctor.check import Check
from tempest_pds.doctor.table import CHECKS

_HEAD = """# The `tempest` command

This page is generated from the commands themselves; `tempest COMMAND --help` shows the same. Settings are never
arguments: all commands read them from the environment, as [settings](settings.md) lists them.

`tempest account`, `repo`, `blob` and `sequencer` ask the server that runs on `TEMPEST_DATA_DIR`, through a file in that
directory that only its owner can read. Where none runs, they open the directory themselves, as that user and with the
server's environment, and do the same.

"""
_EXIT_CODES = """
## Exit codes

| Code | Meaning |
|---|---|
| 0 | Done. `tempest serve` was stopped from its terminal; SIGTERM ends it by that signal (143 in a shell). |
| 1 | Something is wrong with what the command looks at: a plugin, a repository, a blob, a backup, the server… |
| 2 | A mistake in the command line, the settings, the plugins or the data directory; one line says what to change. |
| 75 | `tempest serve` may start later as it is: its port or data directory is in use, or a store does not answer. |
| 130 | Interrupted. |
"""


def command_line_page() -> str:
    """Write the page."""
    context = click.Context(cli, info_name="tempest")
    commands = [(name, cli.get_command(context, name)) for name in cli.list_commands(context)]
    parts = [_HEAD, _text(cli), "\n\n| Command | |\n|---|---|\n"]
    parts += [f"| [`tempest {name}`](#tempest-{name}) | {_first_sentence(command)} |\n" for name, command in commands]
    parts += _options(cli, context)
    for name, command in commands:
        assert command is not None, "a listed command exists"
        parts += _section(command, f"tempest {name}", context)
        if name == "doctor":
            parts += _checks()
    return "".join(parts) + _EXIT_CODES


def _section(command: click.Command, path: str, context: click.Context) -> Iterator[str]:
    level = "#" * (path.count(" ") + 1)
    arguments = " ".join(parameter.make_metavar(context) for parameter in command.params if _is_argument(parameter))
    yield f"\n{level} `{path}`\n\n"
    if arguments:
        yield f"`{path} {arguments}`\n\n"
    yield f"{_text(command)}\n"
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, "a listed command exists"
            yield from _section(found, f"{path} {name}", context)


def _is_argument(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


def _options(command: click.Command, context: click.Context) -> list[str]:
    records = [parameter.get_help_record(context) for parameter in command.params if not _is_argument(parameter)]
    rows = [f"| `{record[0]}` | {record[1]} |\n" for record in records if record is not None]
    return ["\n| Option | |\n|---|---|\n", *rows] if rows else []


def _checks() -> list[str]:
    rows = [f"| `{check.name}` | {check.summary} | {_where(check)} |\n" for check in CHECKS]
    return ["\n| Check | It looks at | From where |\n|---|---|---|\n", *rows]


def _where(check: Check) -> str:
    return "beside the server" if check.inside or check.name == "settings" else "anywhere"


def _text(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").strip()


def _first_sentence(command: click.Command | None) -> str:
    return "" if command is None else _text(command).split("\n\n")[0].replace("\n", " ")
