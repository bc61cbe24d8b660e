"""`tempest hash-token`: what goes into TEMPEST_ADMIN_TOKEN_HASH."""

import asyncio
import secrets
import sys

import click

from tempest_pds.services.passwords import Passwords


@click.command("hash-token")
def hash_token() -> None:
    """Make the hash of an administrator's token.

    The token is read from standard input, or asked for on a terminal; an empty one has a new one made up, and shown
    once. The hash goes to standard output.
    """
    if sys.stdin.isatty():
        token = click.prompt("Token (empty for a new one)", hide_input=True, default="", show_default=False, err=True)
    else:
        token = sys.stdin.readline().strip()
    if not token:
        token = secrets.token_urlsafe(32)
        click.echo(f"The new token, shown this once: {token}", err=True)
    passwords = Passwords()
    try:
        click.echo(asyncio.run(passwords.hash(token)))
    finally:
        passwords.close()
