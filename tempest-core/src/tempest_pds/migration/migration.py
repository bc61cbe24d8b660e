"""The move from its beginning to its end, one step after the other; what is done already is passed over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tempest_pds.migration.beginning import begin
from tempest_pds.migration.comparison import verify
from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway, Undone
from tempest_pds.migration.finding import Findings, lines
from tempest_pds.migration.identity import Identities
from tempest_pds.migration.journal import Journal, find_did
from tempest_pds.migration.move import Description, Move
from tempest_pds.migration.origins import advice_on_ledgers, find_source, origin
from tempest_pds.migration.owner import Owner
from tempest_pds.migration.patience import Patience
from tempest_pds.migration.plan import Plan
from tempest_pds.migration.preflight import examine_contents, examine_servers, typed_handle
from tempest_pds.migration.steps.account import choose_password, make_account
from tempest_pds.migration.steps.activation import activate, say_farewell
from tempest_pds.migration.steps.blobs import move_blobs
from tempest_pds.migration.steps.did import point_at_target
from tempest_pds.migration.steps.preferences import move_preferences
from tempest_pds.migration.steps.repository import export, import_repo, settle
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.safe_fetch import SafeFetch

_FOLDER: Final = "tempest-migration"


async def migrate(plan: Plan, owner: Owner) -> None:
    """Move an account, or go on where an earlier run stopped.

    Raises:
        Undone: what was found stands in the way, or is not as it should be; the owner was told.
        MigrationError: one line that says what to change.
        NotNow: it may go on later, by the same command.
    """
    # Both servers are of the owner's choice, and may be on his own machine or network.
    fetch = SafeFetch(allow_private=True, user_agent="Tempest migrate")
    patience = Patience(plan.retry_seconds, owner.tell)
    identities = Identities(fetch, plan.plc_url, patience, plan.rotation_key)

    def server(url: str, name: str) -> Server:
        return Server(fetch, url, name, patience)

    try:
        _check_keys(plan)
        target = server(await origin(plan.target), "the target")
        named = None if plan.source is None else server(await origin(plan.source), "the source")
        did = await _find_did(plan, identities, named)
        document = await identities.document(did, advice_on_ledgers(plan, named, target))
        with _journal(plan, did) as journal:
            source = named or await find_source(plan, journal, document, target, server)
            description = await Description.of(target)
            move = Move(
                plan=plan,
                owner=owner,
                journal=journal,
                identities=identities,
                did=did,
                document=document,
                source=source,
                target=target,
                target_description=description,
            )
            await begin(move)
            await _run(move)
    finally:
        await identities.close()
        await fetch.close()


async def _run(move: Move) -> None:
    tell = move.owner.tell
    if move.journal.step("did") is None:
        await _look(move)
        if move.plan.dry_run:
            tell("Nothing was changed.")
            return
        await _bring(move)
        await point_at_target(move, lambda: _catch_up(move))
    elif _is_all_done(move):
        tell("Nothing is left to do.")
        _tell_the_end(move)
        return
    elif move.plan.dry_run:
        raise MigrationError(
            "the DID points at the target already: the same command without --dry-run finishes the move"
        )
    else:
        tell("The DID points at the target already; going on with what is left.")
    await activate(move)
    if await _is_to_be_compared(move):
        findings = await verify(move)
        _show(move, findings)
        if findings.failed:
            raise Undone("the target is not as the source: the account at the source stays as it is")
    await say_farewell(move)
    _tell_the_end(move)
    tell(
        "Log in anew in every app with the new password, confirm the e-mail address there, and delete the account at "
        "the old server when you are content."
    )


def _is_all_done(move: Move) -> bool:
    """Tell whether an earlier run came to the end, and nothing more is asked for."""
    farewell = move.plan.keep_source or move.source is None or move.journal.step("farewell") is not None
    return farewell and not move.plan.deep and all(move.journal.step(name) for name in ("activation", "verification"))


def _tell_the_end(move: Move) -> None:
    kept = "" if move.plan.dry_run else f". The report and a copy of the repository: {move.journal.folder}"
    move.owner.tell(f"{move.did} lives at {move.target.url}{kept}")


async def _is_to_be_compared(move: Move) -> bool:
    """Tell whether both sides have to be compared: once, as the account at the target is used from then on."""
    if move.journal.step("verification") is None or move.plan.deep:
        return True
    exported = move.journal.step("export")
    assert exported is not None
    try:
        return move.source is not None and await move.is_written_since(exported["rev"])
    except (CallRefused, ServerAway):
        return False


def _show(move: Move, findings: Findings) -> None:
    for line in ("", *lines(findings.rows), ""):
        move.owner.tell(line)


async def _look(move: Move) -> None:
    """Compare before anything is changed; raise Undone when something stands in the way."""
    findings = Findings()
    await examine_servers(move, findings)
    if not findings.failed:
        if not move.plan.dry_run:
            await choose_password(move)
        await examine_contents(move, await export(move), findings)
    if findings.failed or move.plan.dry_run or move.journal.step("account") is None:
        _show(move, findings)
    else:
        move.owner.tell(f"Going on: {move.did} moves to {move.target.url}, as {move.journal.move['handle']}.")
    if findings.failed:
        raise Undone(f"the move cannot begin: {findings.failures[0]}")


async def _bring(move: Move) -> None:
    """Bring everything to the target that it keeps for the account."""
    await make_account(move)
    await import_repo(move)
    await move_blobs(move)
    await move_preferences(move)
    await _catch_up(move)
    indexed = (await move.standing(await move.at_target())).get("indexedRecords")
    exported = move.journal.step("export")
    assert exported is not None
    if isinstance(indexed, int) and indexed < exported["records"]:
        move.journal.undo("import")
        raise MigrationError(
            f"the target has {indexed:,} of {exported['records']:,} records: the same command sends them again"
        )


async def _catch_up(move: Move) -> None:
    """Bring over what was written at the source meanwhile, with its blobs."""
    if await settle(move):
        await move_blobs(move)


async def _find_did(plan: Plan, identities: Identities, source: Server | None) -> Did:
    """Find the account; a handle that leads nowhere since the account moved is known from the folder of its move."""
    try:
        return await identities.did(plan.account, source)
    except MigrationError:
        folders = [plan.state] if plan.state is not None else sorted(Path().glob(f"{_FOLDER}-*"))
        did = find_did(folders, typed_handle(plan.account))
        if did is None:
            raise
        return did


@contextmanager
def _journal(plan: Plan, did: Did) -> Iterator[Journal]:
    folder = plan.state or Path(f"{_FOLDER}-{did.replace(':', '-').replace('%', '-')}")
    if not plan.dry_run:
        journal = Journal.open(folder)
        try:
            yield journal
        finally:
            journal.close()
        return
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}-") as scratch:
        if (folder / "state.json").exists():
            shutil.copy(folder / "state.json", scratch)
        journal = Journal.open(Path(scratch))
        try:
            yield journal
        finally:
            journal.close()


def _check_keys(plan: Plan) -> None:
    for key in (*plan.recovery_keys, *plan.dropped_keys):
        try:
            parse_did_key(key)
        except InvalidSyntax as error:
            raise MigrationError(f"{key} is no public key such as did:key:zQ3sh…") from error
