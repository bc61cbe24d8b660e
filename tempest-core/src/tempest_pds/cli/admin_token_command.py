"""`tempest admin-token`: the token that the administrator proves himself with."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import sys

import click

from tempest_pds.cli.hash_token_command import hash_token
from tempest_pds.cli.operation import Mistake
from tempest_pds.cli.settings_report import load_or_explain
from tempest_pds.services.passwords import Passwords
from tempest_pds.stores.data_directory import DataDirectory

_HASH_SETTING = "TEMPEST_ADMIN_TOKEN_HASH"
_KEPT = "secret_admin_token"


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
    kept = None if stored else _kept_token()
    if not stored and kept is None:
        raise Mistake(f"{_HASH_SETTING} is not set: make one with `tempest admin-token new`")
    if sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True, err=True)
    else:
        token = sys.stdin.readline().strip()
    right = _verify(stored, token) if kept is None else hmac.compare_digest(kept.encode(), token.encode())
    click.echo("This is the administrator's token." if right else "This is not the administrator's token.")
    if not right:
        sys.exit(1)


admin_token.add_command(hash_token, "hash")


def _kept_token() -> str | None:
    """Read the token that the server made up for itself on localhost; None where there is none."""
    settings = load_or_explain(os.environ)
    path = DataDirectory(settings.data_dir).keys / _KEPT
    try:
        return path.read_text("ascii").strip() if settings.is_local else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise Mistake(f"{path} belongs to another user; run this command as that user") from None


def _verify(stored: str, token: str) -> bool:
    passwords = Passwords()
    try:
        return asyncio.run(passwords.verify(stored, token))
    finally:
        passwords.close()


def _hash(token: str) -> str:
    passwords = Passwords()
    try:
        return asyncio.run(passwords.hash(token))
    finally:
        passwords.close()
