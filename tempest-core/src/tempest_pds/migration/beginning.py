"""How a move begins, and how it goes on: what is known of it is written down, and has to fit what is asked for now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.move import Description, Move, is_same_server
from tempest_pds.migration.preflight import choose_handle, typed_handle
from tempest_pds.migration.steps.account import account_at_target

_REMEMBERED: Final = {
    "recovery_keys": "--recovery-key",
    "dropped_keys": "--drop-rotation-key",
    "self_custody": "--self-custody",
}


async def begin(move: Move) -> None:
    """Find out what the move needs to know, and write it down; once the account is made, it is known.

    Raises MigrationError where an earlier run settled what is asked for otherwise now.
    """
    journal, plan = move.journal, move.plan
    _check_that_it_is_here_still(move)
    if journal.step("account") is not None:
        journal.begin(did=str(move.did), target=move.target.url)
        _check_what_is_settled(move)
        _remember_keys(move)
        if move.source is not None and (journal.step("did") is not None or move.is_pointed_at_target):
            await _pass_over_lost_source(move)
        return
    facts: dict[str, Any] = {"source": None, "source_handle": move.document.handle, "email": plan.email}
    description = None
    if move.source is not None:
        description = await Description.of(move.source)
        told = (await move.at_source()).account
        facts |= {
            "source": move.source.url,
            "source_handle": told.get("handle"),
            "email": plan.email or told.get("email"),
            "source_domains": list(description.domains),
            "source_rotation_keys": await _rotation_keys(move),
        }
    there = await _account_there(move)
    handle = choose_handle(plan.handle, facts["source_handle"], description, move.target_description)
    journal.begin(
        did=str(move.did),
        target=move.target.url,
        target_did=move.target_description.did,
        handle=there.get("handle") or handle,
        handle_there=there.get("handle"),
        email_there=there.get("email"),
        **facts,
    )
    _note_keys(move)


async def _account_there(move: Move) -> Mapping[str, Any]:
    """Give what the target tells the owner of an account that lies there deactivated; nothing where there is none."""
    found = await account_at_target(move)
    if found is None or found.get("active") is True:
        return {}
    return (await move.at_target()).account


def _check_that_it_is_here_still(move: Move) -> None:
    """Raise MigrationError when the account moved on since this folder's move changed its DID."""
    changed = move.journal.step("did")
    if changed is None or is_same_server(move.document.pds_endpoint, str(changed["endpoint"])):
        return
    ended = move.journal.step("farewell") or move.journal.step("verification") or changed
    raise MigrationError(
        f"{move.journal.folder} is of a move to {move.journal.move['target']} that was finished on "
        f"{_day(str(ended['at']))}; the account has moved on to {move.document.pds_endpoint} since. To move it again, "
        "name another folder with --state, or remove this one"
    )


def _day(at: str) -> str:
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y}"


def _check_what_is_settled(move: Move) -> None:
    """Raise MigrationError for options that come too late, as the account is made."""
    facts, plan = move.journal.move, move.plan
    anew = "or begin anew with another --state (the account at the target has to go first)"
    if plan.handle is not None and typed_handle(plan.handle) != facts["handle"]:
        raise MigrationError(f"this move was begun as {facts['handle']}: leave out --handle, {anew}")
    known = facts.get("email_there") or facts.get("email")
    if plan.email is not None and known and plan.email.lower() != str(known).lower():
        raise MigrationError(f"this move was begun with the address {known}: leave out --email, {anew}")
    source = facts.get("source")
    if plan.source is not None and move.source is not None and source and not is_same_server(source, move.source.url):
        raise MigrationError(f"this move was begun from {source}: leave out --source, {anew}")


def _remember_keys(move: Move) -> None:
    """Have what was said of the DID's keys hold once the account is made, unless it is said anew in time.

    A command that goes on is often given without it, and the DID would get other keys than its owner asked for.
    """
    facts, missing = move.journal.move, []
    for name, option in _REMEMBERED.items():
        given, known = getattr(move.plan, name), facts.get(name)
        before = tuple(known) if isinstance(known, list) else known
        if not given and before:
            kept: dict[str, Any] = {name: before}
            move.plan = replace(move.plan, **kept)
            missing.append(option)
        elif given and given != before and move.journal.step("did") is not None:
            raise MigrationError(f"the DID points at the target already, and {option} comes too late: leave it out")
    if missing and move.journal.step("did") is None:
        move.owner.tell(
            f"As an earlier run was given it: {', '.join(missing)}. To do without, name another folder with --state."
        )
    _note_keys(move)


def _note_keys(move: Move) -> None:
    move.journal.note(**{name: getattr(move.plan, name) for name in _REMEMBERED})


async def _pass_over_lost_source(move: Move) -> None:
    """Go on without a source that is away: once the DID points at the target, it is needed no more."""
    assert move.source is not None
    try:
        await Description.of(move.source)
    except (ServerAway, MigrationError):
        move.owner.tell("The source does not answer. It is needed no more: the move goes on without it.")
        move.source = None


async def _rotation_keys(move: Move) -> list[str] | None:
    if move.did.method != "plc":
        return None
    session = await move.at_source()
    try:
        told = await session.query("com.atproto.identity.getRecommendedDidCredentials")
    except CallRefused:
        return None
    keys = told.get("rotationKeys")
    return [str(key) for key in keys] if isinstance(keys, list) else None
