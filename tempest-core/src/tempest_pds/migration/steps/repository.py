"""The repository: from the source to a file here, checked, and from the file to the target."""

from __future__ import annotations

import shutil
from typing import Final

from tempest_pds.http.pages.formats import count, size
from tempest_pds.migration.errors import CallRefused, MigrationError
from tempest_pds.migration.move import Move
from tempest_pds.migration.repo_file import Contents, open_repo_file
from tempest_pds.migration.xrpc import private_file

_CAR: Final = "application/vnd.ipld.car"
_ROUNDS: Final = 5


async def export(move: Move) -> Contents:
    """Have the source's repository in `move.car`, as it is now, and all of it checked.

    A file of an earlier run is taken where the source has not been written to since.
    """
    known = move.journal.step("export")
    if move.source is None:
        if known is None:
            assert move.plan.car is not None
            with move.plan.car.open("rb") as given, private_file(move.car) as kept:
                shutil.copyfileobj(given, kept)
    else:
        if known is None or not move.car.exists() or await move.is_written_since(known["rev"]):
            await _download(move)
    with open_repo_file(move.car, move.did) as file:
        contents = file.check(move.target_description.blob_limit)
    rev = str(contents.commit.rev)
    if known is None or known["rev"] != rev:
        move.journal.done("export", rev=rev, root=str(contents.root), records=contents.records, bytes=contents.size)
        move.journal.undo("import")
        move.owner.tell(
            f"The repository is here: {count(contents.records, 'record')}, {size(contents.size)}, and whole."
        )
    return contents


async def _download(move: Move) -> None:
    session = await move.at_source()
    part = move.car.with_name("repo.car.part")
    seen = 0

    def start() -> None:
        nonlocal seen
        seen = 0

    def count_bytes(chunk: bytes) -> None:
        nonlocal seen
        seen += len(chunk)
        move.owner.progress("Bytes of the repository from the source", seen, None)

    try:
        await session.download(
            "com.atproto.sync.getRepo", {"did": move.did}, part, on_chunk=count_bytes, on_start=start
        )
    except CallRefused as error:
        raise MigrationError(f"the source does not give the repository: {error.reason or error}") from error
    part.replace(move.car)


async def import_repo(move: Move) -> None:
    """Send the file to the target, unless it has just that."""
    exported = move.journal.step("export")
    imported = move.journal.step("import")
    assert exported is not None
    if imported is not None and imported["rev"] == exported["rev"]:
        return
    session = await move.at_target()
    total = move.car.stat().st_size
    try:
        await session.upload(
            "com.atproto.repo.importRepo",
            move.car,
            _CAR,
            on_chunk=lambda sent: move.owner.progress("Bytes of the repository to the target", sent, total),
        )
    except CallRefused as error:
        if error.status == 413 or error.error == "PayloadTooLarge":
            raise MigrationError(
                f"the target takes no repository of {size(total)}: its operator can raise the limit "
                "(TEMPEST_REPO_IMPORT_MAX_BYTES, PDS_MAX_REPO_IMPORT_SIZE)"
            ) from error
        raise MigrationError(f"the target does not take the repository: {error.reason or error}") from error
    move.journal.done("import", rev=exported["rev"])
    move.owner.tell("The target has the repository.")


async def settle(move: Move) -> bool:
    """Bring over what was written at the source meanwhile; tell whether there was anything.

    Raises MigrationError when the source is written to without a pause.
    """
    if move.source is None:
        return False
    behind = False
    for _ in range(_ROUNDS):
        exported = move.journal.step("export")
        assert exported is not None
        if not await move.is_written_since(exported["rev"]):
            return behind
        behind = True
        move.owner.tell("The account was written to at the source meanwhile; its repository is fetched again.")
        await export(move)
        await import_repo(move)
    raise MigrationError("the account is written to at the source all the time: close its apps, and try again")
