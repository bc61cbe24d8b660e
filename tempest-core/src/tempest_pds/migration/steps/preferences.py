"""What apps keep with the account: read at the source, put at the target, read there again, compared."""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.http.pages.formats import count
from tempest_pds.migration.errors import CallRefused, MigrationError
from tempest_pds.migration.move import Move
from tempest_pds.migration.session import Session

_GET: Final = "app.bsky.actor.getPreferences"
_PUT: Final = "app.bsky.actor.putPreferences"
# Worked out from the birth date by each server for itself, and never stored.
_DERIVED: Final = frozenset({"app.bsky.actor.defs#declaredAgePref"})


async def move_preferences(move: Move) -> None:
    """Put the source's preferences at the target; one that keeps none, or takes none, is noted and no fault."""
    if move.source is None or move.journal.step("preferences") is not None:
        return
    try:
        kept = await stored(await move.at_source())
    except CallRefused as error:
        move.owner.tell(f"The source gives no preferences: {error.reason or error}")
        move.journal.done("preferences", moved=0, refused=str(error))
        return
    if kept:
        target = await move.at_target()
        try:
            await target.procedure(_PUT, {"preferences": kept})
        except CallRefused as error:
            if move.plan.strict:
                raise MigrationError(f"the target does not take the preferences: {error.reason or error}") from error
            move.owner.tell(f"The target does not take the preferences: {error.reason or error}")
            move.journal.done("preferences", moved=0, refused=str(error))
            return
        move.owner.tell(f"{count(len(kept), 'preference')} moved.")
    move.journal.done("preferences", moved=len(kept))


async def stored(session: Session) -> list[dict[str, Any]]:
    """Give the preferences that a server keeps, without those that it works out."""
    told = (await session.query(_GET)).get("preferences")
    return [
        each
        for each in told or []
        if isinstance(each, dict) and isinstance(each.get("$type"), str) and not _derived(each)
    ]


def differences(source: list[dict[str, Any]], target: list[dict[str, Any]]) -> list[str]:
    """Name the kinds of preferences that are not the same on both sides."""
    kinds = sorted({each["$type"] for each in (*source, *target)})
    return [kind for kind in kinds if _of(source, kind) != _of(target, kind)]


def _of(preferences: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in preferences if each["$type"] == kind]


def _derived(preference: dict[str, Any]) -> bool:
    return preference["$type"] in _DERIVED
