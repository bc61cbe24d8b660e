"""`tempest oauth`: the keys that access tokens are signed with."""

from __future__ import annotations

import click

from tempest_pds.cli.operation import confirm, json_option, operator, print_json, yes_option


@click.group("oauth")
def oauth() -> None:
    """Look at and replace the keys that access tokens are signed with."""


@oauth.command("keys")
@json_option
def keys(as_json: bool) -> None:
    """List the keys that access tokens are verified with; the last one signs."""
    with operator() as server:
        found = server.call("/xrpc/_admin/oauth/keys")
    if as_json:
        print_json(found)
        return
    for key in found["keys"]:
        use = "signs" if key["ends"] is None else f"verifies until {key['ends']}"
        click.echo(f"{key['kid']}  made {key['created']}  {use}")


@oauth.command("rotate-keys")
@click.option("--now", is_flag=True, help="Refuse what former keys have signed: for keys that others may know.")
@yes_option
def rotate_keys(now: bool, yes: bool) -> None:
    """Have a new key sign access tokens.

    The former key still verifies what it has signed, for an hour: nobody notices. With --now it does not, and every app
    has to refresh its access at once, which it does by itself; nobody is signed out.
    """
    if now:
        confirm("Every access token in use is refused from now on. Go on?", yes=yes)
    with operator() as server:
        kid = server.call("/xrpc/_admin/oauth/keys/rotate", input={"now": now})["kid"]
    click.echo(f"{kid} signs from now on")
