"""`tempest account`: the accounts on this server."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from tempest_pds.cli.operation import (
    Mistake,
    confirm,
    find_account,
    find_did,
    json_option,
    operator,
    print_json,
    yes_option,
)

if TYPE_CHECKING:
    from tempest_pds.cli.operator import Operator

_PAGE: Final = 500
_REPO_REF: Final = "com.atproto.admin.defs#repoRef"
# What may keep an account from the network when a moderator has let go of it.
_LEFT: Final = {
    "takendown": " It is still taken down: tempest account untakedown",
    "suspended": " It is still suspended: tempest account unsuspend",
    "deactivated": " It is deactivated, as its owner left it.",
}
_FACTORS: Final = {"totp": "authenticator app", "passkey": "passkeys", "recovery_code": "recovery codes"}

password_option = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input, its first line."
)


@click.group("account")
def account() -> None:
    """List and change the accounts on this server.

    ACCOUNT is a handle or a DID. A server that runs is asked; where none runs, the data directory is opened.
    """


@account.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """List all accounts, the oldest first, with DID, status, handle and e-mail address."""
    with operator() as server:
        if as_json:
            print_json(list(_accounts(server)))
            return
        rows = [
            (found["did"], found["status"], found["handle"] or "-", found["email"] or "-")
            for found in _accounts(server)
        ]
    dids, handles = (max((len(row[column]) for row in rows), default=0) for column in (0, 2))
    for did, status, handle, email in rows:
        click.echo(f"{did:<{dids}}  {status:<11}  {handle:<{handles}}  {email}")


def _accounts(server: Operator) -> Iterator[dict[str, Any]]:
    params: dict[str, str | int] = {"limit": _PAGE}
    while True:
        page = server.call("/xrpc/_admin/accounts", params=params)
        yield from page["accounts"]
        if "cursor" not in page:
            return
        params["cursor"] = page["cursor"]


@account.command("info")
@click.argument("account")
@json_option
def info(account: str, as_json: bool) -> None:
    """Show what is known of an account."""
    with operator() as server:
        found = find_account(server, account)
        details = server.call("com.atproto.admin.getAccountInfo", params={"did": found["did"]})
        standing = server.call("com.atproto.admin.getSubjectStatus", params={"did": found["did"]})
    reference = standing.get("takedown", {}).get("ref")
    if as_json:
        more = {
            "takedownRef": reference,
            "deleteAfter": found["deleteAfter"],
            "secondFactors": found["secondFactors"],
        }
        shown = {name: value for name, value in more.items() if value}
        print_json({**details, "status": found["status"], **shown})
        return
    rows = (
        ("DID", found["did"]),
        ("Handle", found["handle"]),
        ("Status", found["status"]),
        ("Ref", reference),
        ("E-mail", details.get("email")),
        ("Confirmed", details.get("emailConfirmedAt")),
        ("Since", details.get("indexedAt")),
        ("Deactivated", found["deactivatedAt"]),
        ("Delete after", found["deleteAfter"]),
        ("Second step", ", ".join(_FACTORS[kind] for kind in found["secondFactors"]) or "off"),
        ("Invites", "disabled" if details.get("invitesDisabled") else "allowed"),
        ("Invite note", details.get("inviteNote")),
    )
    for label, value in rows:
        if value is not None:
            click.echo(f"{label:<12}  {value}")


@account.command("create")
@click.argument("handle")
@click.argument("email")
@password_option
def create(handle: str, email: str, from_stdin: bool) -> None:
    """Create an account with HANDLE and EMAIL.

    Without --password-stdin a password is made up and shown this once. An invite code is made where one is needed.
    """
    password = _password(from_stdin)
    given: dict[str, Any] = {"handle": handle, "email": email, "password": password}
    with operator() as server:
        if server.call("com.atproto.server.describeServer").get("inviteCodeRequired"):
            made = server.call("com.atproto.server.createInviteCode", input={"useCount": 1})
            given["inviteCode"] = made["code"]
        made = server.call("com.atproto.server.createAccount", input=given, anonymous=True)
    click.echo(f"DID       {made['did']}")
    click.echo(f"Handle    {made['handle']}")
    _show_password(password, from_stdin)


@account.command("delete")
@click.argument("account")
@yes_option
def delete(account: str, yes: bool) -> None:
    """Delete an account with its repository, its blobs and its key. There is no way back.

    The network is told. The identity (did:plc) stays where it is registered; without its signing key it can only be
    moved with a rotation key.
    """
    with operator() as server:
        found = find_account(server, account)
        confirm(f"Delete {found['handle'] or 'the account'} ({found['did']}) and all that it has, for good?", yes=yes)
        server.call("com.atproto.admin.deleteAccount", input={"did": found["did"]})
    click.echo(f"Deleted {found['did']}.")


@account.command("takedown")
@click.argument("account")
@click.option("--ref", "reference", help="What the takedown refers to, such as the number of a report.")
def takedown(account: str, reference: str | None) -> None:
    """Take an account down: nothing of it can be read, and it can no longer write."""
    made_up = f"operator-{secrets.token_hex(4)}"
    with operator() as server:
        did = find_did(server, account)
        _set_takedown(server, did, {"applied": True, "ref": reference or made_up})
    click.echo(f"Taken down {did}.")


@account.command("untakedown")
@click.argument("account")
def untakedown(account: str) -> None:
    """Undo the takedown of an account."""
    with operator() as server:
        found = find_account(server, account)
        name, did = found["handle"] or found["did"], found["did"]
        if found["status"] == "suspended":
            raise Mistake(f"{name} is suspended, not taken down: tempest account unsuspend")
        if found["status"] != "takendown":
            raise Mistake(f"{name} was not taken down")
        _set_takedown(server, did, {"applied": False})
        status = find_account(server, did)["status"]
    click.echo(f"Restored {did}.{_LEFT.get(status, '')}")


@account.command("suspend")
@click.argument("account")
def suspend(account: str) -> None:
    """Suspend an account for a while: as a takedown, but the network is told that it is suspended."""
    with operator() as server:
        did = server.call("/xrpc/_admin/account/suspend", input={"account": account})["did"]
    click.echo(f"Suspended {did}.")


@account.command("unsuspend")
@click.argument("account")
def unsuspend(account: str) -> None:
    """End the suspension of an account."""
    with operator() as server:
        now = server.call("/xrpc/_admin/account/unsuspend", input={"account": account})
    click.echo(f"Ended the suspension of {now['did']}.{_LEFT.get(now['status'], '')}")


def _set_takedown(server: Operator, did: str, takedown: dict[str, Any]) -> None:
    server.call(
        "com.atproto.admin.updateSubjectStatus",
        input={"subject": {"$type": _REPO_REF, "did": did}, "takedown": takedown},
    )


@account.command("reset-password")
@click.argument("account")
@password_option
def reset_password(account: str, from_stdin: bool) -> None:
    """Give an account another password, and end its sessions.

    Without --password-stdin one is made up and shown this once.
    """
    password = _password(from_stdin)
    with operator() as server:
        did = find_did(server, account)
        server.call("com.atproto.admin.updateAccountPassword", input={"did": did, "password": password})
    click.echo(f"DID       {did}")
    _show_password(password, from_stdin)


@account.group("second-factor")
def second_factor() -> None:
    """Help an owner who has lost what the account asks for beside the password."""


@second_factor.command("off")
@click.argument("account")
@yes_option
def turn_off_second_factor(account: str, yes: bool) -> None:
    """Remove authenticator app, passkeys and recovery codes of an account: its password alone opens it then.

    Be sure that it is the owner who asks. A password that is reset by mail does not do this.
    """
    with operator() as server:
        found = find_account(server, account)
        name, did = found["handle"] or "the account", found["did"]
        confirm(f"Let the password alone open {name} ({did})?", yes=yes)
        done = server.call("/xrpc/_admin/account/second-factor/off", input={"account": did})
    click.echo(f"Removed the second step of {did}." if done["wasOn"] else f"{did} had no second step.")


@account.command("update-email")
@click.argument("account")
@click.argument("email")
def update_email(account: str, email: str) -> None:
    """Give an account another e-mail address."""
    with operator() as server:
        did = find_did(server, account)
        server.call("com.atproto.admin.updateAccountEmail", input={"account": did, "email": email})
    click.echo(f"{did} has the address {email}.")


@account.command("update-handle")
@click.argument("account")
@click.argument("handle")
def update_handle(account: str, handle: str) -> None:
    """Give an account another handle. The network is told."""
    with operator() as server:
        did = find_did(server, account)
        server.call("com.atproto.admin.updateAccountHandle", input={"did": did, "handle": handle})
    click.echo(f"{did} has the handle {handle}.")


@account.command("create-invite")
@click.option(
    "--uses", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="How many accounts a code is for."
)
@click.option(
    "--count",
    "codes",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many codes to make.",
)
@click.option("--for", "owner", metavar="ACCOUNT", help="The account that gives the codes away.")
def create_invite(uses: int, codes: int, owner: str | None) -> None:
    """Make invite codes, one a line."""
    given: dict[str, Any] = {"useCount": uses, "codeCount": codes}
    with operator() as server:
        if owner is not None:
            given["forAccounts"] = [find_did(server, owner)]
        made = server.call("com.atproto.server.createInviteCodes", input=given)
    for batch in made["codes"]:
        for code in batch["codes"]:
            click.echo(code)


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        from tempest_pds.services.passwords import generate_password

        return generate_password()
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise Mistake("there is no password on standard input")
    return password


def _show_password(password: str, from_stdin: bool) -> None:
    if not from_stdin:
        click.echo(f"Password  {password}")
