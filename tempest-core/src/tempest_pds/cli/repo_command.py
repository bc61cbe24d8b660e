"""`tempest repo`: whole repositories."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

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
from tempest_pds.cli.progress_line import ProgressLine
from tempest_pds.http.pages.formats import count


@click.group("repo")
def repo() -> None:
    """Verify, export, import and rebuild repositories.

    ACCOUNT is a handle or a DID. A server that runs is asked; where none runs, the data directory is opened.
    """


@repo.command("verify")
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@click.option("--all", "everyone", is_flag=True, help="Verify every repository here.")
@click.option(
    "--blobs", "rehash", is_flag=True, help="Read the bytes of all blobs, too, and hold them to their hashes."
)
@json_option
def verify(accounts: tuple[str, ...], everyone: bool, rehash: bool, as_json: bool) -> None:
    """Check repositories from top to bottom, and end with 1 if any is damaged.

    The signature against the account's key, every node of the tree and every record against its hash, the tree against
    the index, and whether every blob has its bytes. Writes go on meanwhile.
    """
    if bool(accounts) == everyone:
        raise Mistake("name the accounts to verify, or give --all")
    with operator() as server, ProgressLine() as progress:
        # A repository whose account is not known any more can be named by its DID.
        dids = [name if name.startswith("did:") else find_did(server, name) for name in accounts]
        told = server.stream(
            "/xrpc/_admin/repo/verify",
            {"dids": dids, "all": everyone, "rehashBlobs": rehash},
            on_progress=progress,
        )
    if as_json:
        print_json(told)
    else:
        for report in told["reports"]:
            if report["problems"]:
                click.echo(f"{report['did']}  damaged")
                for problem in report["problems"]:
                    click.echo(f"  {problem}")
            else:
                click.echo(f"{report['did']}  sound at {report['rev']}")
        contents = ", ".join(count(told[name], name[:-1]) for name in ("records", "nodes", "blobs"))
        click.echo(f"{_repositories(told['repositories'])} verified, {told['damaged']:,} damaged: {contents}.")
        if told["blobsNeverUploaded"]:
            click.echo(f"{count(told['blobsNeverUploaded'], 'blob')} that records refer to never came here.")
    if told["damaged"]:
        sys.exit(1)


@repo.command("export")
@click.argument("account")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write; - is standard output.")
def export(account: str, output: str) -> None:
    """Write a repository into a CAR file, without its blobs."""
    with operator() as server:
        did = find_did(server, account)
        chunks = server.download("com.atproto.sync.getRepo", params={"did": did})
        with ProgressLine() as progress:
            if output == "-":
                size = _write(sys.stdout.buffer, chunks, progress)
                sys.stdout.buffer.flush()
            else:
                target = Path(output)
                try:
                    size = _write_to(target, chunks, progress)
                except OSError as error:
                    raise Mistake(f"cannot write {target}: {error.strerror or error}") from error
    click.echo(f"Wrote {size:,} bytes of {did}.", err=True)


@repo.command("import")
@click.argument("account")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes_option
def import_repo(account: str, file: Path, yes: bool) -> None:
    """Replace the repository of ACCOUNT by that of a CAR file.

    The file has to be a whole repository of the same DID. Its commit is signed anew with the account's key here, and
    the network is told to fetch it again. Blobs and preferences stay.
    """
    with operator() as server:
        found = find_account(server, account)
        confirm(f"Replace the repository of {found['handle'] or found['did']} by {file}?", yes=yes)
        with file.open("rb") as source, ProgressLine() as progress:
            reader = _Watched(source, file.stat().st_size, progress)
            made = server.call("/xrpc/_admin/repo/import", params={"did": found["did"]}, file=cast(BinaryIO, reader))
    click.echo(f"Imported {found['did']}: it is at {made['rev']}.")


@repo.command("rebuild")
@click.argument("account")
@click.option(
    "--leave-out-damaged",
    is_flag=True,
    help="Drop records whose bytes are not what they were, instead of refusing.",
)
@yes_option
def rebuild(account: str, leave_out_damaged: bool, yes: bool) -> None:
    """Build a repository anew from its records: a new tree, under a new signed commit.

    This mends a tree that lost nodes, a commit whose signature does not hold, and a repository that does not fit the
    server's log. The network is told to fetch the repository again.
    """
    with operator() as server, ProgressLine() as progress:
        found = find_account(server, account)
        confirm(f"Build the repository of {found['handle'] or found['did']} anew?", yes=yes)
        made = server.stream(
            "/xrpc/_admin/repo/rebuild",
            {"did": found["did"], "leaveOutDamaged": leave_out_damaged},
            on_progress=progress,
        )
    click.echo(f"Rebuilt {found['did']}: {count(made['records'], 'record')}, at {made['rev']}.")
    if made["fromLog"]:
        click.echo(f"{count(made['fromLog'], 'change')} came from the log.")
    for path in made["leftOut"]:
        click.echo(f"Left out {path}.")


def _write_to(target: Path, chunks: Iterable[bytes], progress: ProgressLine) -> int:
    if target.exists() and not target.is_file():
        # A device or a pipe: it takes bytes, and must not be replaced by a file.
        with target.open("wb") as file:
            return _write(file, chunks, progress)
    # Under its own name only when it is whole.
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            size = _write(file, chunks, progress)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size


def _write(file: BinaryIO, chunks: Iterable[bytes], progress: ProgressLine) -> int:
    size = 0
    for chunk in chunks:
        file.write(chunk)
        size += len(chunk)
        progress("bytes", size, None)
    return size


class _Watched:
    """A file whose reading is told."""

    def __init__(self, file: BinaryIO, size: int, progress: ProgressLine) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        self._progress("bytes", self._done, self._size)
        return data


def _repositories(number: int) -> str:
    return f"{number:,} repositor{'y' if number == 1 else 'ies'}"
