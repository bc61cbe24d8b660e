"""What commands that ask the server have in common: reaching it, naming accounts, asking back, printing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tempest_pds.protocol.errors import TempestError

if TYPE_CHECKING:
    from tempest_pds.cli.operator import Operator


class Mistake(TempestError):
    """A command that cannot be done as it was given; one line that says what to change."""


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script to read.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask whether you are sure.")


@contextmanager
def operator() -> Iterator[Operator]:
    """Reach the server that runs on the data directory, or open the directory where none runs."""
    # Imported here: a command's help needs none of it.
    from tempest_pds.cli.operator import Operator

    with Operator.connect(os.environ) as reached:
        yield reached


def find_did(server: Operator, account: str) -> str:
    """Give the DID of an account that is named by its handle or DID, whatever its status."""
    return str(find_account(server, account)["did"])


def find_account(server: Operator, account: str) -> dict[str, Any]:
    """Find an account by handle or DID: `did`, `handle`, `status`."""
    return server.call("/xrpc/_admin/account", params={"account": account.removeprefix("@")})


def confirm(question: str, *, yes: bool) -> None:
    """Ask whether the operator is sure; raise Mistake where there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Mistake("nobody is there to be asked: give --yes")
    click.confirm(question, abort=True, err=True)


def print_json(value: object) -> None:
    """Print a value for a script."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
