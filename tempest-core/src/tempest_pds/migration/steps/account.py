"""The account at the target: made with a token of the source, or found as an earlier run made it."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.migration.errors import CallRefused, MigrationError
from tempest_pds.migration.move import Move
from tempest_pds.migration.steps import stand_in

_CREATE: Final = "com.atproto.server.createAccount"


async def account_at_target(move: Move) -> dict[str, Any] | None:
    """Give what the target publicly says of the account, None if it has none."""
    try:
        return await move.target.query("com.atproto.sync.getRepoStatus", {"did": move.did})
    except CallRefused:
        return None


async def choose_password(move: Move) -> None:
    """Have a password for an account that is to be made, before what takes long; raise MigrationError."""
    if move.journal.step("account") is None and await account_at_target(move) is None:
        move.new_password()


async def make_account(move: Move) -> None:
    """Have the account at the target, deactivated, and logged in to."""
    if move.journal.step("account") is None and await account_at_target(move) is None:
        await _create(move)
    await move.at_target()
    if move.journal.step("account") is None:
        move.journal.done("account")


async def _create(move: Move) -> None:
    facts = move.journal.move
    password = move.new_password()
    given = {
        "did": str(move.did),
        "handle": facts["handle"],
        "email": facts["email"],
        "password": password,
        **({"inviteCode": move.plan.invite_code} if move.plan.invite_code else {}),
    }
    headers = {"Authorization": f"Bearer {await _service_token(move)}"}
    try:
        await move.target.procedure(_CREATE, given, headers, repeatable=False)
    except CallRefused as error:
        if error.error != "AlreadyExists" and "already exists" not in error.reason.lower():
            raise _explained(error) from error
    else:
        move.owner.tell(f"The target has made the account, deactivated, as {facts['handle']}.")


async def _service_token(move: Move) -> str:
    if move.source is None:
        return await stand_in.service_token(move, _CREATE)
    session = await move.at_source()
    params = {"aud": move.target_description.did, "lxm": _CREATE}
    try:
        return str((await session.query("com.atproto.server.getServiceAuth", params))["token"])
    except CallRefused as error:
        raise MigrationError(
            f"the source gives no token to move with ({error.reason or error}): with --car and --plc-rotation-key none "
            "is needed"
        ) from error


def _explained(error: CallRefused) -> MigrationError:
    """Say what to change, for what an owner can change."""
    cure = {
        "InvalidInviteCode": "give a code of the target's operator with --invite-code",
        "HandleNotAvailable": "give another handle with --handle",
        "InvalidHandle": "give another handle with --handle",
        "UnsupportedDomain": "give a handle under a domain of the target, or one that leads here, with --handle",
        "InvalidPassword": "give another password for the target",
    }.get(error.error)
    reason = error.reason or str(error)
    if cure is None and "handle" in reason.lower():
        cure = "give another handle with --handle"
    if cure is None and "email" in reason.lower():
        cure = "give another address with --email"
    return MigrationError(f"the target does not take the account: {reason}" + (f": {cure}" if cure else ""))
