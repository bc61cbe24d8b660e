"""The `tempest` command: a group whose subcommands are imported when they are called, as imports take the time."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

# The name of each subcommand, where it is, and its line in the overview.
_COMMANDS: Final = {
    "serve": ("tempest_pds.cli.serve_command:serve", "Run the server."),
    "account": ("tempest_pds.cli.account_command:account", "List and change the accounts on this server."),
    "repo": ("tempest_pds.cli.repo_command:repo", "Verify, export, import and rebuild repositories."),
    "migrate": (
        "tempest_pds.cli.migrate_command:migrate",
        "Move an account with all it has to another server.",
    ),
    "blob": ("tempest_pds.cli.blob_command:blob", "Check the blobs of all accounts, and clear away what nobody uses."),
    "sequencer": (
        "tempest_pds.cli.sequencer_command:sequencer",
        "Look at the log of events, which the firehose is read from.",
    ),
    "config": ("tempest_pds.cli.config_command:config", "Show the settings in force, secrets hidden."),
    "plugins": ("tempest_pds.cli.plugins_command:plugins", "List plugins: installed, selected, failed and why."),
    "backup": (
        "tempest_pds.cli.backup_command:backup",
        "Make backups, look at them, check them, and restore from one.",
    ),
    "doctor": (
        "tempest_pds.cli.doctor_command:doctor",
        "Check a deployment, and say of each fault its cause and its cure.",
    ),
    "admin-token": ("tempest_pds.cli.admin_token_command:admin_token", "Make and check the administrator's token."),
    "oauth": (
        "tempest_pds.cli.oauth_command:oauth",
        "Look at and replace the keys that access tokens are signed with.",
    ),
    "mail": ("tempest_pds.cli.mail_command:mail", "Try the mail server."),
    "hash-token": ("tempest_pds.cli.hash_token_command:hash_token", "Make the hash of an administrator's token."),
    "health": ("tempest_pds.cli.health_command:health", "Ask the server on this machine whether it is well."),
    "version": ("tempest_pds.cli.version_command:version", "Show the version."),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands by name, and imports one only to run it or show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tempest-pds", prog_name="tempest-pds", message="%(prog)s %(version)s")
def cli() -> None:
    """Tempest, a Personal Data Server of the AT Protocol.

    Without any setting, `tempest serve` runs a server for this machine on port 4000, and keeps its data in
    ./tempest-data.
    """


def main() -> None:
    """Run the command; a mistake of the operator is one line on standard error and the exit code 2.

    What may pass by itself has a code of its own: see `serve_command.NotNow`.
    """
    from tempest_pds.protocol.errors import TempestError

    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except TempestError as error:
        click.echo(f"tempest: {' '.join(str(error).split())}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
