"""The move from its beginning to its end, one step after the other; what is done already is passed over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tempest_pds.migration.comparison import verify
from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway, Undone
from tempest_pds.migration.finding import Findings, lines
from tempest_pds.migration.identity import Identities
from tempest_pds.migration.journal import Journal
from tempest_pds.migration.move import Description, Move
from tempest_pds.migration.owner import Owner
from tempest_pds.migration.patience import Patience
from tempest_pds.migration.plan import Plan
from tempest_pds.migration.preflight import choose_handle, examine_contents, examine_servers
from tempest_pds.migration.steps.account import make_account
from tempest_pds.migration.steps.activation import activate, say_farewell
from tempest_pds.migration.steps.blobs import move_blobs
from tempest_pds.migration.steps.did import point_at_target
from tempest_pds.migration.steps.preferences import move_preferences
from tempest_pds.migration.steps.repository import export, import_repo, settle
from tempest_pds.migration.xrpc import Server
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.addresses import is_public
from tempest_pds.remote.guarded_sessions import look_up_addresses
from tempest_pds.remote.safe_fetch import SafeFetch


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
        target = server(await _origin(plan.target), "the target")
        named = None if plan.source is None else server(await _origin(plan.source), "the source")
        did = await identities.did(plan.account, named)
        document = await identities.document(did)
        with _journal(plan, did) as journal:
            source = named or await _source(plan, journal, document, target, server)
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
            await _begin(move)
            await _run(move)
    finally:
        await identities.close()
        await fetch.close()


async def _run(move: Move) -> None:
    if move.journal.step("did") is None:
        await _look(move)
        if move.plan.dry_run:
            move.owner.tell("Nothing was changed.")
            return
        await _bring(move)
        await point_at_target(move, lambda: _catch_up(move))
    elif move.plan.dry_run:
        raise MigrationError(
            "the DID points at the target already: the same command without --dry-run finishes the move"
        )
    else:
        move.owner.tell("The DID points at the target already; what is left is done.")
    await activate(move)
    if await _is_to_be_compared(move):
        findings = await verify(move)
        _show(move, findings)
        if findings.failed:
            raise Undone("the target is not as the source: the account at the source stays as it is")
    await say_farewell(move)
    move.owner.tell(
        f"{move.did} lives at {move.target.url}. The report and a copy of the repository: {move.journal.folder}"
    )


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
        await examine_contents(move, await export(move), findings)
    _show(move, findings)
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


# How it begins


async def _begin(move: Move) -> None:
    """Find out what the move needs to know, and write it down; once the account is made, it is known."""
    journal, plan = move.journal, move.plan
    if journal.step("account") is not None:
        journal.begin(did=str(move.did), target=move.target.url)
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
    handle = choose_handle(plan.handle, facts["source_handle"], description, move.target_description)
    journal.begin(
        did=str(move.did),
        target=move.target.url,
        target_did=move.target_description.did,
        handle=handle,
        **facts,
    )


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


async def _source(
    plan: Plan, journal: Journal, document: DidDocument, target: Server, server: Callable[[str, str], Server]
) -> Server | None:
    if plan.car is not None:
        return None
    known = journal.move.get("source")
    if journal.move and known is None:
        return None
    url = known or document.pds_endpoint
    if url is None:
        raise MigrationError(f"{document.did} names no server: give the one that has the account with --source")
    origin = await _origin(url)
    if origin == target.url:
        raise MigrationError(f"{document.did} is at {target.url} already: there is nothing to move")
    return server(origin, "the source")


@contextmanager
def _journal(plan: Plan, did: Did) -> Iterator[Journal]:
    folder = plan.state or Path(f"tempest-migration-{did.replace(':', '-').replace('%', '-')}")
    if not plan.dry_run:
        journal = Journal.open(folder)
        try:
            yield journal
        finally:
            journal.close()
        return
    with tempfile.TemporaryDirectory(prefix="tempest-migration-") as scratch:
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


async def _origin(url: str) -> str:
    """Give the origin of a server that was named; raise MigrationError for what would carry passwords in the open."""
    text = url if "://" in url else f"https://{url}"
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.path.strip("/"):
        raise MigrationError(f"{url} is no address of a server, such as https://pds.example.com")
    if parts.scheme == "http":
        try:
            addresses = await look_up_addresses(host, port or 80)
        except OSError:
            addresses = []
        if any(is_public(address) for address, _ in addresses):
            raise MigrationError(f"{url} is plain http, and passwords would be read on the way: give https://{host}")
    return f"{parts.scheme}://{host if ':' not in host else f'[{host}]'}" + ("" if port is None else f":{port}")
