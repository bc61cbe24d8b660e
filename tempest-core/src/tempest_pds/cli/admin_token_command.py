"""`tempest admin-token`: the token that the administrator proves himself with."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

import click

from tempest_pds.cli.hash_token_command import hash_token
from tempest_pds.cli.operation import Mistake
from tempest_pds.services.passwords import Passwords

_HASH_SETTING = "TEMPEST_ADMIN_TOKEN_HASH"


@click.group("admin-token")
def admin_token() -> None:
    """Make and check the administrator's token.

    The server knows its hash alone, from TEMPEST_ADMIN_TOKEN_HASH. To rotate it, make a new one, put its hash into the
    settings, and restart: the old token is worth nothing from then on.
    """


@admin_token.command("new")
def new() -> None:
    """Make a token up, and show it this once with its hash."""
    token = secrets.token_urlsafe(32)
    click.echo(f"Token  {token}")
    click.echo(f"Hash   {_hash(token)}")


@admin_token.command("check")
def check() -> None:
    """Tell whether a token, read from standard input, is the one in force; ends with 1 if it is not."""
    stored = os.environ.get(_HASH_SETTING, "").strip()
    if not stored:
        raise Mistake(f"{_HASH_SETTING} is not set: make one with `tempest admin-token new`")
    if sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True, err=True)
    else:
        token = sys.stdin.readline().strip()
    passwords = Passwords()
    try:
        right = asyncio.run(passwords.verify(stored, token))
    finally:
        passwords.close()
    click.echo("This is the administrator's token." if right else "This is not the administrator's token.")
    if not right:
        sys.exit(1)


admin_token.add_command(hash_token, "hash")


def _hash(token: str) -> str:
    passwords = Passwords()
    try:
        return asyncio.run(passwords.hash(token))
    finally:
        passwords.close()
