"""The account is switched on at the target, and, when all has been seen to be there, off at the source."""

from __future__ import annotations

import asyncio
from typing import Final

from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.move import Move

_TRIES: Final = 8
_FIRST_PAUSE: Final = 0.5


async def activate(move: Move) -> None:
    """Activate the account at the target."""
    session = await move.at_target()
    for attempt in range(_TRIES):
        if (await move.standing(session)).get("activated") is True:
            break
        try:
            await session.procedure("com.atproto.server.activateAccount")
        except CallRefused as error:
            if error.status != 400 or attempt == _TRIES - 1:
                raise MigrationError(f"the target does not activate the account: {error.reason or error}") from error
            # It may remember the DID as it was a moment ago.
            await asyncio.sleep(_FIRST_PAUSE * 1.5**attempt)
    if move.journal.step("activation") is None:
        move.journal.done("activation")
        move.owner.tell("The account is active at the target.")


async def say_farewell(move: Move) -> None:
    """Deactivate the account at the source, once its owner agrees."""
    if move.journal.step("farewell") is not None:
        return
    if move.source is None:
        return
    if move.plan.keep_source:
        move.owner.tell("The account at the source stays as it is.")
        return
    try:
        session = await move.at_source()
        if session.account.get("status") != "deactivated":
            if not move.owner.confirm("Deactivate the account at the source? It keeps its data there."):
                move.owner.tell("The account at the source stays as it is. The same command asks again.")
                return
            await session.procedure("com.atproto.server.deactivateAccount", {})
    except (CallRefused, ServerAway) as error:
        move.owner.tell(f"The account at the source could not be deactivated ({error}). The same command tries again.")
        return
    move.journal.done("farewell")
    move.owner.tell("The account at the source is deactivated.")
