"""`docs/cli.md`, from the commands themselves."""

import inspect

import click

from tempest_pds.cli.main import cli

_HEAD = """# The `tempest` command

This page is generated from the commands themselves; `tempest COMMAND --help` shows the same. Settings are never
arguments: all commands read them from the environment, as [settings](settings.md) lists them.

"""
_EXIT_CODES = """
## Exit codes

| Code | Meaning |
|---|---|
| 0 | Done. `tempest serve` was told to stop, and did. |
| 1 | `tempest plugins` found what would keep the server from starting, or `tempest health` no server that is well. |
| 2 | A mistake in the command line, the settings, the plugins or the data directory; one line says what to change. |
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
        parts.append(f"\n## `tempest {name}`\n\n{_text(command)}\n")
        parts += _options(command, context)
    return "".join(parts) + _EXIT_CODES


def _options(command: click.Command, context: click.Context) -> list[str]:
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [f"| `{record[0]}` | {record[1]} |\n" for record in records if record is not None]
    return ["\n| Option | |\n|---|---|\n", *rows] if rows else []


def _text(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").strip()


def _first_sentence(command: click.Command | None) -> str:
    return "" if command is None else _text(command).split("\n\n")[0].replace("\n", " ")
