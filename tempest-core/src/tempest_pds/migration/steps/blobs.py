"""The blobs: those that the target misses, several at a time, each held to its hash on the way."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tempest_pds.http.pages.formats import count, size
from tempest_pds.migration.errors import CallRefused, MigrationError
from tempest_pds.migration.move import Move
from tempest_pds.migration.session import Session
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, TempestError

_PAGE: Final = 500
_TRIES: Final = 2
_UNKNOWN_TYPE: Final = "application/octet-stream"


class BlobLost(TempestError):
    """A blob that cannot be moved; the text says why."""


async def move_blobs(move: Move) -> None:
    """Move what the target misses. What cannot be moved is noted, with the reason, and ends the move only if strict."""
    target = await move.at_target()
    standing = await move.standing(target)
    total = max(0, int(standing.get("expectedBlobs", 0)) - int(standing.get("importedBlobs", 0)))
    folder = move.journal.folder / "blobs"
    # What a command that was killed left there.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    slots = asyncio.Semaphore(max(1, move.plan.parallel))
    failed: dict[str, dict[str, str]] = {}
    moved = 0

    async def carry(cid: str, uri: str) -> None:
        nonlocal moved
        async with slots:
            try:
                await _carry(move, cid, uri, folder / cid)
                moved += 1
            except BlobLost as error:
                failed[cid] = {"record": uri, "reason": str(error)}
        move.owner.progress("Blobs to the target", moved + len(failed), total)

    cursor = ""
    while True:
        params: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
        page = await target.query("com.atproto.repo.listMissingBlobs", params)
        missing = page.get("blobs") or []
        try:
            async with asyncio.TaskGroup() as tasks:
                for blob in missing:
                    tasks.create_task(carry(str(blob["cid"]), str(blob.get("recordUri", ""))))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        cursor = str(page.get("cursor") or "")
        if not missing or not cursor:
            break
    folder.rmdir()
    move.journal.done("blobs", moved=moved + int((move.journal.step("blobs") or {}).get("moved", 0)), failed=failed)
    if moved or failed:
        move.owner.tell(f"{count(moved, 'blob')} moved" + (f", {len(failed):,} could not be." if failed else "."))
    for cid, told in list(failed.items())[:10]:
        move.owner.tell(f"  {cid} ({told['record']}): {told['reason']}")
    if failed and move.plan.strict:
        raise MigrationError(
            f"{count(len(failed), 'blob')} could not be moved: the same command tries again, "
            "and without --strict it goes on"
        )


async def _carry(move: Move, cid: str, uri: str, path: Path) -> None:
    try:
        wanted = CID.parse(cid)
    except InvalidEncoding as error:
        raise BlobLost("its name is not a CID of a blob") from error
    try:
        mime_type = await _fetch(move, wanted, path)
        limit = move.target_description.blob_limit
        if limit is not None and path.stat().st_size > limit:
            raise BlobLost(f"it has {size(path.stat().st_size)}, and the target takes {size(limit)}")
        if mime_type in ("", _UNKNOWN_TYPE):
            mime_type = await _mime_type_in_record(move, wanted, uri) or _UNKNOWN_TYPE
        await _send(move, wanted, path, mime_type)
    finally:
        path.unlink(missing_ok=True)


async def _fetch(move: Move, cid: CID, path: Path) -> str:
    """Write a blob to a file, and give its type; raise BlobLost."""
    if move.source is None:
        return _copy(move, cid, path)
    for _ in range(_TRIES):
        try:
            mime_type, digest = await download_blob(await move.at_source(), cid, path)
        except CallRefused as error:
            raise BlobLost(f"the source does not have it ({error.reason or error})") from error
        if digest == cid.digest:
            return mime_type
    raise BlobLost("the source's bytes are damaged: they do not hash to its name")


async def download_blob(session: Session, cid: CID, path: Path) -> tuple[str, bytes]:
    """Write a blob to a file; give its type and the SHA-256 of its bytes."""
    digest = sha256()

    def start() -> None:
        nonlocal digest
        digest = sha256()

    headers = await session.download(
        "com.atproto.sync.getBlob",
        {"did": session.did, "cid": str(cid)},
        path,
        on_chunk=lambda chunk: digest.update(chunk),
        on_start=start,
    )
    return headers.get("content-type", ""), digest.digest()


def _copy(move: Move, cid: CID, path: Path) -> str:
    if move.plan.blobs is None:
        raise BlobLost("the source is gone, and no folder of blobs was given (--blobs)")
    kept = move.plan.blobs / str(cid)
    try:
        data = kept.read_bytes()
    except OSError as error:
        raise BlobLost(f"it is not in {move.plan.blobs}") from error
    if not cid.verifies(data):
        raise BlobLost(f"{kept} is damaged: it does not hash to its name")
    path.write_bytes(data)
    return ""


async def _send(move: Move, cid: CID, path: Path, mime_type: str) -> None:
    session = await move.at_target()
    try:
        answer = await session.upload("com.atproto.repo.uploadBlob", path, mime_type)
    except CallRefused as error:
        if error.status in (401, 403):
            raise
        raise BlobLost(f"the target does not take it ({error.reason or error})") from error
    if _ref(answer) != str(cid):
        raise BlobLost(f"the target keeps it under another name, {_ref(answer)}")


def _ref(answer: dict[str, Any]) -> str | None:
    try:
        return str(answer["blob"]["ref"]["$link"])
    except (KeyError, TypeError):
        return None


async def _mime_type_in_record(move: Move, cid: CID, uri: str) -> str | None:
    """Ask the target for the record that shows a blob, and give the type that it says the blob has."""
    parts = uri.removeprefix("at://").split("/")
    if len(parts) != 3:
        return None
    session = await move.at_target()
    params = {"repo": parts[0], "collection": parts[1], "rkey": parts[2]}
    try:
        record = await session.query("com.atproto.repo.getRecord", params)
    except CallRefused:
        return None
    return _find_type(record.get("value"), str(cid))


def _find_type(value: object, cid: str) -> str | None:
    """Look for a blob reference, new or old form, in a record as JSON."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            mime_type, ref = item.get("mimeType"), item.get("ref")
            named = ref.get("$link") if isinstance(ref, dict) else item.get("cid")
            if isinstance(mime_type, str) and named == cid:
                return mime_type
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    return None
