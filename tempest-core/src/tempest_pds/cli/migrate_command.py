"""`tempest migrate`: an account moves from one server to another, whichever they are."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tempest_pds.cli.operation import Mistake, yes_option
from tempest_pds.cli.progress_line import ProgressLine

if TYPE_CHECKING:
    from tempest_pds.migration.owner import Side
    from tempest_pds.protocol.crypto.keys import PrivateKey

T = TypeVar("T")

_file = click.Path(path_type=Path, dir_okay=False, exists=True)
PASSWORDS: Final = {"source": "TEMPEST_MIGRATE_SOURCE_PASSWORD", "target": "TEMPEST_MIGRATE_TARGET_PASSWORD"}


@click.command("migrate")
@click.argument("account")
@click.argument("target", metavar="TARGET-URL")
@click.option("--source", metavar="URL", help="The server to move from; else the one that the DID names.")
@click.option("--handle", metavar="HANDLE", help="The handle at the target; else the same one, or its first part.")
@click.option("--email", metavar="ADDRESS", help="The e-mail address at the target; else the same one.")
@click.option("--invite-code", metavar="CODE", help="For a target that wants one.")
@click.option(
    "--source-password-file",
    type=_file,
    help="A file with the password at the source, else it is asked for. [env: TEMPEST_MIGRATE_SOURCE_PASSWORD]",
)
@click.option(
    "--target-password-file",
    type=_file,
    help="A file with the password for the target, else it is asked for. [env: TEMPEST_MIGRATE_TARGET_PASSWORD]",
)
@click.option("--auth-factor-token", "factor", metavar="CODE", help="A code of the source's second factor.")
@click.option("--plc-token", metavar="CODE", help="The code that the source has mailed for the change of the DID.")
@click.option(
    "--plc-url",
    metavar="URL",
    envvar="TEMPEST_PLC_URL",
    default="https://plc.directory",
    show_default=True,
    help="The PLC directory. [env: TEMPEST_PLC_URL]",
)
@click.option(
    "--plc-rotation-key",
    type=_file,
    help="A file with a rotation key of your own: it signs the change of the DID, and the source mails no code.",
)
@click.option("--self-custody", is_flag=True, help="Leave the target's rotation key out of the DID.")
@click.option(
    "--recovery-key",
    "recovery_keys",
    multiple=True,
    metavar="DID:KEY",
    help="A public key to put above all other rotation keys of the DID. May be repeated.",
)
@click.option(
    "--drop-rotation-key",
    "dropped_keys",
    multiple=True,
    metavar="DID:KEY",
    help="A rotation key to take out of the DID, beside the source's. May be repeated.",
)
@click.option("--car", type=_file, help="The repository, in place of a source that is gone; with --plc-rotation-key.")
@click.option(
    "--blobs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="With --car: a folder of blobs, each in a file named by its CID.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that the move is written down in; else tempest-migration-DID, here.",
)
@click.option("--dry-run", is_flag=True, help="Compare, show what would be moved, and change nothing.")
@click.option("--strict", is_flag=True, help="Stop when a blob or the preferences cannot be moved.")
@click.option("--deep", is_flag=True, help="Read every blob back from the target in the end, and hash it.")
@click.option("--keep-source", is_flag=True, help="Do not deactivate the account at the source.")
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="How many blobs to move at a time."
)
@click.option(
    "--retry",
    "retry_seconds",
    type=click.FloatRange(0),
    default=120,
    show_default=True,
    help="Seconds to wait for a server that is away.",
)
@yes_option
def migrate(
    source_password_file: Path | None,
    target_password_file: Path | None,
    plc_rotation_key: Path | None,
    yes: bool,
    **given: Any,
) -> None:
    """Move an account with all it has to another server.

    ACCOUNT is its handle or DID, TARGET-URL the server to move to. Both servers may be of any kind, and are only
    spoken to over HTTP. First source and target are compared, then the account is made at the target and its
    repository, blobs and preferences are moved; you are asked before the DID is changed, which is what cannot be
    undone from the source. In the end both sides are compared record by record and blob by blob.

    The same command goes on where it stopped, whatever stopped it.

    Ends with 1 if something was found that is not as it should be, with 2 where something has to be given otherwise,
    and with 75 where the same command may go on later.
    """
    from tempest_pds.migration.errors import CodeAwaited, NotNow, Undone
    from tempest_pds.migration.migration import migrate as run
    from tempest_pds.migration.plan import Plan

    key = None if plc_rotation_key is None else _read_key(plc_rotation_key)
    if given["car"] is not None and key is None:
        raise click.UsageError("--car needs --plc-rotation-key: without the source, only your own key moves the DID")
    if given["self_custody"] and key is None and not given["recovery_keys"]:
        raise click.UsageError("--self-custody needs a key of your own: --plc-rotation-key, or --recovery-key")
    plan = Plan(rotation_key=key, **given)
    passwords = {"source": source_password_file, "target": target_password_file}
    with ProgressLine() as progress:
        try:
            asyncio.run(run(plan, Person(passwords, progress, yes=yes)))
        except (KeyboardInterrupt, click.Abort):
            click.echo("tempest: stopped; the same command goes on from here", err=True)
            sys.exit(130)
        except OSError as error:
            raise Mistake(f"{error.filename or 'the folder of the move'}: {error.strerror or error}") from error
        except Undone as error:
            click.echo(f"tempest: {error}", err=True)
            sys.exit(1)
        except CodeAwaited as error:
            click.echo(f"tempest: {error.told}: give\n  {_command_with(error.option)}", err=True)
            sys.exit(75)
        except NotNow as error:
            click.echo(f"tempest: {error}", err=True)
            sys.exit(75)


class Person:
    """The owner at the terminal, or the files and variables that he left in his place."""

    def __init__(self, files: dict[str, Path | None], progress: ProgressLine, *, yes: bool) -> None:
        self._files = files
        self._progress = progress
        self._yes = yes
        self._known: dict[str, str] = {}

    def tell(self, line: str) -> None:
        """Print a line."""
        self._progress.clear()
        click.echo(line)
        sys.stdout.flush()

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Show how far something is."""
        self._progress(what, done, total)

    def password(self, side: Side, *, new: bool) -> str:
        """Take a password from its file or variable, or ask for it, once."""
        if side not in self._known:
            self._known[side] = self._find_password(side, new)
        return self._known[side]

    def forget_password(self, side: Side) -> bool:
        """Have a password asked for again, unless a file or variable has it."""
        if self._files[side] is not None or PASSWORDS[side] in os.environ:
            return False
        return self._known.pop(side, None) is not None

    def code(self, question: str) -> str | None:
        """Ask for a code."""
        if not sys.stdin.isatty():
            return None
        return self._asked(lambda: str(click.prompt(question, err=True)))

    def confirm(self, question: str) -> bool:
        """Ask for a yes."""
        if self._yes:
            return True
        if not sys.stdin.isatty():
            raise Mistake("nobody is there to be asked: give --yes")
        return self._asked(lambda: click.confirm(question, err=True))

    def wait_for(self, what: str) -> bool:
        """Wait for Enter."""
        if not sys.stdin.isatty():
            return False
        self._asked(lambda: click.prompt(what, default="", show_default=False, prompt_suffix=" ", err=True))
        return True

    def _find_password(self, side: Side, new: bool) -> str:
        path, variable = self._files[side], PASSWORDS[side]
        if path is not None:
            found = path.read_text().partition("\n")[0].rstrip("\r")
        elif variable in os.environ:
            found = os.environ[variable]
        elif not sys.stdin.isatty():
            raise Mistake(f"there is no password for the {side}: give {variable}, or --{side}-password-file")
        else:
            question = f"A new password for the {side}" if new else f"The password at the {side}"
            found = self._asked(lambda: str(click.prompt(question, hide_input=True, confirmation_prompt=new, err=True)))
        if not found:
            raise Mistake(f"the password for the {side} is empty")
        return found

    def _asked(self, ask: Callable[[], T]) -> T:
        self._progress.clear()
        with _interruptible():
            return ask()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: the event loop would wait until it is answered."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _command_with(option: str) -> str:
    """Give the command as it was given, but for a code; no password can be in it."""
    words: list[str] = []
    given = iter(sys.argv[1:])
    for word in given:
        if word == option:
            next(given, None)
        elif not word.startswith(f"{option}="):
            words.append(word)
    return f"tempest {shlex.join(words)} {option} CODE"


def _read_key(path: Path) -> PrivateKey:
    from tempest_pds.migration.secret_key import parse_secret_key

    return parse_secret_key(path.read_text(errors="replace"), str(path))
