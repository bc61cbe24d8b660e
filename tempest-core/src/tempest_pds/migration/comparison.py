"""After the move: source and target side by side, record by record and blob by blob."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from tempest_pds.http.pages.formats import count
from tempest_pds.migration.errors import CallRefused, MigrationError, ServerAway
from tempest_pds.migration.finding import Findings
from tempest_pds.migration.move import Move
from tempest_pds.migration.repo_file import RepoFile, compare, open_repo_file
from tempest_pds.migration.session import Session
from tempest_pds.migration.steps.blobs import download_blob
from tempest_pds.migration.steps.did import Credentials
from tempest_pds.migration.steps.preferences import differences, stored
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.block_spool import BlockSpool
from tempest_pds.stores.files import write_atomically

_PAGE: Final = 1000
_NAMED: Final = 5


async def verify(move: Move) -> Findings:
    """Compare, and write down what was found."""
    findings = Findings()
    await _fetch_source_again(move, findings)
    await _repository(move, findings)
    await _preferences(move, findings)
    await _identity(move, findings)
    report = {
        "did": str(move.did),
        "source": move.journal.move.get("source"),
        "target": move.target.url,
        "ok": not findings.failed,
        "findings": [row.as_json() for row in findings.rows],
        "blobsNotMoved": (move.journal.step("blobs") or {}).get("failed", {}),
    }
    write_atomically(
        move.journal.folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False).encode(), mode=0o600
    )
    if not findings.failed:
        move.journal.done("verification")
    return findings


async def _fetch_source_again(move: Move, findings: Findings) -> None:
    """Have what was written at the source up to the very end in the comparison."""
    exported = move.journal.step("export")
    assert exported is not None
    if move.source is None:
        findings.note("source", "gone: the target is compared with the file that took its place")
        return
    try:
        session = await move.at_source()
        if not await move.is_written_since(exported["rev"]):
            return
        part = move.car.with_name("repo.car.part")
        await session.download("com.atproto.sync.getRepo", {"did": move.did}, part)
        part.replace(move.car)
    except (CallRefused, ServerAway) as error:
        findings.note("source", f"does not answer any more ({error}): the target is compared with what it gave")


async def _repository(move: Move, findings: Findings) -> None:
    session = await move.at_target()
    path = move.journal.folder / "target.car"
    seen = 0

    def tell(chunk: bytes) -> None:
        nonlocal seen
        seen += len(chunk)
        move.owner.progress("Bytes of the repository back from the target", seen, None)

    try:
        await session.download("com.atproto.sync.getRepo", {"did": move.did}, path, on_chunk=tell)
        with open_repo_file(move.car, move.did) as source, open_repo_file(path, move.did) as target:
            contents = source.check()
            target.check()
            _records(findings, source, target)
            await _rev(move, findings, session, str(contents.commit.rev))
            await _blobs(move, findings, session, source, target)
    except CallRefused as error:
        findings.failure("records", f"the target does not give the repository back: {error.reason or error}")
    finally:
        path.unlink(missing_ok=True)


def _records(findings: Findings, source: RepoFile, target: RepoFile) -> None:
    found = compare(source.walk(), target.walk())
    named = f": {'; '.join(found.named[:_NAMED])}" if found.named else ""
    if found.missing or found.changed:
        findings.failure(
            "records",
            f"{count(found.same, 'record')} the same, {found.missing:,} missing at the target, {found.changed:,} "
            f"different, {found.added:,} only there{named}",
        )
        return
    findings.ok("records", f"{count(found.same, 'record')}, the same on both sides")
    if found.added:
        findings.note("records", f"{count(found.added, 'record')} more at the target{named}")


async def _rev(move: Move, findings: Findings, session: Session, before: str) -> None:
    after = await move.latest_rev(session)
    if after > before:
        findings.ok("revision", f"risen from {before} to {after}")
    else:
        findings.failure(
            "revision", f"{after} at the target is not above {before} at the source: relays will refuse it"
        )


async def _blobs(move: Move, findings: Findings, target: Session, source_repo: RepoFile, target_repo: RepoFile) -> None:
    failed = (move.journal.step("blobs") or {}).get("failed", {})
    held = BlockSpool(move.journal.folder / "held.blobs")
    held.close()
    held.open()
    there = lost = strange = 0
    # Servers list the blobs that records refer to, whether they have them or not.
    missing = {cid async for cid in _missed(target)}
    try:
        async for cid in _listed(target):
            if str(cid) in missing or held.refers_to(cid):
                continue
            held.note_blobs([cid])
            there += 1
            if not source_repo.refers_to(cid) and not target_repo.refers_to(cid):
                strange += 1
            if move.plan.deep and not await _is_whole(move, target, cid):
                lost += 1
                findings.failure("blobs", f"{cid} is damaged at the target")
            move.owner.progress("Blobs compared", there, None)
        missing.update([str(cid) async for cid in _source_blobs(move) if not held.refers_to(cid)])
    finally:
        held.close()
    unexpected = sorted(missing - failed.keys())
    read = ", each read back and held to its hash" if move.plan.deep else ""
    if unexpected:
        findings.failure(
            "blobs", f"{count(len(unexpected), 'blob')} missing at the target: {', '.join(unexpected[:_NAMED])}"
        )
    if failed:
        add = findings.failure if move.plan.strict else findings.warning
        add("blobs", f"{count(len(failed), 'blob')} could not be moved: {', '.join(list(failed)[:_NAMED])}")
    if not lost:
        findings.ok("blobs", f"{count(there, 'blob')} at the target{read}")
    if strange:
        findings.note("blobs", f"{count(strange, 'blob')} at the target that no record shows")


async def _source_blobs(move: Move) -> AsyncIterator[CID]:
    """Give the blobs that the source has; none where it cannot be asked any more."""
    if move.source is None:
        return
    try:
        async for cid in _listed(await move.at_source()):
            yield cid
    except (CallRefused, ServerAway):
        return


async def _missed(target: Session) -> AsyncIterator[str]:
    """Give the blobs that the target itself misses."""
    cursor = ""
    while True:
        params: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
        page = await target.query("com.atproto.repo.listMissingBlobs", params)
        blobs = page.get("blobs") or []
        for blob in blobs:
            yield str(blob["cid"])
        cursor = str(page.get("cursor") or "")
        if not blobs or not cursor:
            return


async def _listed(session: Session) -> AsyncIterator[CID]:
    cursor = ""
    while True:
        params: dict[str, str | int] = {"did": session.did, "limit": _PAGE, **({"cursor": cursor} if cursor else {})}
        page = await session.query("com.atproto.sync.listBlobs", params)
        cids = page.get("cids") or []
        for text in cids:
            try:
                yield CID.parse(str(text))
            except InvalidEncoding as error:
                raise MigrationError(f"{session.server.name} lists a blob under {text!r}, which is no CID") from error
        cursor = str(page.get("cursor") or "")
        if not cids or not cursor:
            return


async def _is_whole(move: Move, session: Session, cid: CID) -> bool:
    path = move.journal.folder / "blob.part"
    try:
        _, digest = await download_blob(session, cid, path)
    except CallRefused:
        return False
    finally:
        path.unlink(missing_ok=True)
    return digest == cid.digest


async def _preferences(move: Move, findings: Findings) -> None:
    if move.source is None:
        return
    try:
        before, after = await stored(await move.at_source()), await stored(await move.at_target())
    except (CallRefused, ServerAway) as error:
        findings.note("preferences", f"cannot be compared ({error})")
        return
    different = differences(before, after)
    if different:
        findings.warning("preferences", f"differ in {', '.join(different)}")
    else:
        findings.ok("preferences", f"{count(len(after), 'preference')}, the same on both sides")


async def _identity(move: Move, findings: Findings) -> None:
    session = await move.at_target()
    credentials = await Credentials.of_target(move)
    document = await move.identities.document(move.did)
    if credentials.are_in(document):
        findings.ok("DID", f"points at {credentials.endpoint}, with the target's key and as {credentials.handle}")
    else:
        findings.failure("DID", "does not say what the target wants it to say")
    await _handle(move, findings, credentials.handle)
    standing: dict[str, Any] = await move.standing(session)
    if standing.get("activated") is True and standing.get("validDid") is True:
        findings.ok("account", "active at the target")
    else:
        findings.failure("account", "not active at the target, or its DID is not valid there")


async def _handle(move: Move, findings: Findings, handle: str) -> None:
    try:
        found = await move.target.query("com.atproto.identity.resolveHandle", {"handle": handle})
    except CallRefused as error:
        found = {"did": str(error)}
    if found.get("did") != move.did:
        findings.failure("handle", f"{handle} does not lead to the account at the target: {found.get('did')}")
        return
    public = await move.identities.claimed_by(Handle.parse(handle))
    if public == move.did:
        findings.ok("handle", f"{handle} leads to the account, at the target and on the network")
    else:
        findings.warning("handle", f"{handle} leads to the account at the target, and {_advice(handle)}")


def _advice(handle: str) -> str:
    if handle.endswith(".test"):
        return "nowhere else: names that end in .test are for trying things out"
    return (
        f"not yet on the network: https://{handle}/.well-known/atproto-did has to answer the DID; if it stays so, ask "
        "the target's operator about the wildcard record"
    )
