"""`tempest backup`: make backups, look at them, check them, and bring a server back from one."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempest_pds.http.pages.formats import size

if TYPE_CHECKING:
    from tempest_pds.services.backup.manifest import Manifest
    from tempest_pds.services.backup.tar import Member
    from tempest_pds.services.backup.verification import Verified

_identity = click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TEMPEST_BACKUP_IDENTITY_FILE",
    help="The file with the key of an encrypted backup. [env: TEMPEST_BACKUP_IDENTITY_FILE]",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_scratch = click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where there is room for a copy of everything, for a while; else the folder for temporary files ($TMPDIR).",
)


@click.group("backup")
def backup() -> None:
    """Make backups, look at them, check them, and restore from one.

    A backup is one archive of everything durable: accounts, repositories, the log of events, keys and blobs. Whoever
    has one has the keys of every account, unless TEMPEST_BACKUP_RECIPIENT has it encrypted.
    """


@backup.command("create")
@click.option(
    "--upload", "--upload-s3", is_flag=True, help="Keep it in TEMPEST_BACKUP_STORE instead of the data directory."
)
@_as_json
def create(upload: bool, as_json: bool) -> None:
    """Make a backup, while the server runs or while it does not."""
    from tempest_pds.cli.operator import Operator
    from tempest_pds.cli.progress_line import ProgressLine

    with Operator.connect(os.environ) as operator, ProgressLine() as progress:
        made = operator.stream("/xrpc/_admin/backups/create", {"upload": upload}, on_progress=progress)
    if as_json:
        click.echo(json.dumps(made, indent=1))
        return
    click.echo(made["location"])
    click.echo(
        f"{made['accounts']:,} accounts, {made['blobs']:,} blobs, {size(made['size'])}, "
        f"as of event {made['lastSeq']:,}, in {made['seconds']:.2f} s",
        err=True,
    )
    if made["unreadable"]:
        click.echo(f"Damaged, and kept as they are: the repositories of {', '.join(made['unreadable'])}", err=True)
    if made["missingBlobs"]:
        click.echo(f"{len(made['missingBlobs'])} blobs are not in the blob store, and so not in the backup", err=True)
    if made["secretsElsewhere"]:
        click.echo(f"Keep elsewhere, as they are in no backup: {', '.join(made['secretsElsewhere'])}", err=True)
    if not made["encrypted"]:
        click.echo("It holds private keys and is not encrypted: keep it as you keep those.", err=True)


@backup.command("list")
@_as_json
def list_backups(as_json: bool) -> None:
    """List the backups in TEMPEST_BACKUP_STORE and in the data directory, the newest first."""
    from tempest_pds.cli.backup_sinks import BackupStores, run_to_end

    async def run() -> tuple[list[dict[str, Any]], str | None]:
        stores = BackupStores(os.environ)
        async with stores.opened(tolerant=True) as sinks:
            found = [
                {"name": kept.stat.name, "store": kept.store, "size": kept.stat.size, "location": kept.location}
                for kept in await stores.backups(sinks)
            ]
            return found, stores.failure

    found, failure = run_to_end(run())
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        for row in found:
            click.echo(f"{row['name']}  {size(row['size']):>10}  {row['store']}")
        if not found and failure is None:
            click.echo("There are no backups yet: make one with `tempest backup create`.", err=True)
    if failure is not None:
        click.echo(f"tempest: {failure}", err=True)
        sys.exit(1)


@backup.command("verify")
@click.argument("backup_name", metavar="[BACKUP]", required=False)
@_identity
@_scratch
@_as_json
def verify(backup_name: str | None, identity: Path | None, scratch: Path | None, as_json: bool) -> None:
    """Check a backup: every signature, tree, record and blob in it. The newest one, unless BACKUP names another.

    BACKUP is a file, a folder that one was extracted into, or a name that `tempest backup list` shows.
    """
    from tempest_pds.cli.backup_sinks import run_to_end
    from tempest_pds.cli.progress_line import ProgressLine
    from tempest_pds.services.backup.hashing_store import HashingBlobStore
    from tempest_pds.services.backup.restore import verify as verify_members
    from tempest_pds.stores.data_directory import DataDirectory

    async def run(folder: Path, progress: ProgressLine) -> tuple[str, Manifest, Verified]:
        async with _members(backup_name, identity) as (where, members):
            manifest, verified = await verify_members(
                members, DataDirectory(folder), HashingBlobStore(), progress=progress
            )
            return where, manifest, verified

    with _scratch_folder(scratch) as folder, ProgressLine() as progress:
        where, manifest, verified = run_to_end(run(folder, progress))
    _report(f"{where} is {'damaged' if verified.problems else 'whole'}", where, manifest, verified, as_json)
    sys.exit(1 if verified.problems else 0)


@backup.command("restore")
@click.option(
    "--input", "source", metavar="BACKUP", help="A file, a folder it was extracted into, or a name; else the newest."
)
@click.option(
    "--target",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data directory to fill, empty or not there yet; else TEMPEST_DATA_DIR.",
)
@click.option("--force", is_flag=True, help="Put aside what the target holds, in a folder within it.")
@click.option("--accept-problems", is_flag=True, help="Finish although something in the backup is damaged.")
@_identity
@_as_json
def restore(
    source: str | None, target: Path | None, force: bool, accept_problems: bool, identity: Path | None, as_json: bool
) -> None:
    """Fill a data directory from a backup, and check all of it.

    The server that is started on it afterwards goes on safely: its events are numbered above all that was announced,
    and every account is announced anew. Stop the server that the backup is of first, for good: two servers of one
    name would contradict each other.
    """
    from tempest_pds.cli.backup_sinks import BackupStores, data_directory, run_to_end
    from tempest_pds.cli.progress_line import ProgressLine
    from tempest_pds.services.backup.restore import Restored, RestoreDamaged, check_target, make_room
    from tempest_pds.services.backup.restore import restore as restore_members
    from tempest_pds.stores.data_directory import DataDirectory

    directory = DataDirectory(target or data_directory(os.environ))
    check_target(directory, force=force)

    stores = BackupStores(os.environ)

    async def run(progress: ProgressLine) -> Restored:
        async with _members(source, identity) as (_, members):
            with directory.lock(restoring=True):
                blob_store = stores.blob_store(directory.root)
                try:
                    # One elsewhere is opened before anything is touched: it may not answer.
                    if not stores.blobs_are_local:
                        await blob_store.open()
                    replaced = make_room(directory, force=force)
                    if stores.blobs_are_local:
                        await blob_store.open()
                    return await restore_members(
                        members,
                        directory,
                        blob_store,
                        progress=progress,
                        accept_problems=accept_problems,
                        replaced=replaced,
                    )
                finally:
                    await blob_store.close()

    try:
        with ProgressLine() as progress:
            restored = run_to_end(run(progress))
    except RestoreDamaged as error:
        for problem in error.problems:
            click.echo(problem)
        click.echo(
            f"{directory.root} is not restored, and no server starts on it. Take another backup, or finish with what "
            "there is by --accept-problems.",
            err=True,
        )
        sys.exit(1)
    verified = restored.verified
    verified.problems += restored.resumed.problems
    _report(f"{directory.root} is restored", str(directory.root), restored.manifest, verified, as_json)
    if not as_json:
        click.echo(f"Its events will be numbered above {restored.resumed.floor:,}.", err=True)
        if restored.replaced is not None:
            click.echo(f"What was there is in {restored.replaced}; remove it when you no longer need it.", err=True)
        if os.geteuid() == 0 and directory.root.stat().st_uid == 0:
            click.echo(f"It belongs to root. A server of another user needs: chown -R USER: {directory.root}", err=True)
        if restored.manifest.secrets_elsewhere:
            click.echo(f"Set before you start it: {', '.join(restored.manifest.secrets_elsewhere)}", err=True)
    sys.exit(1 if verified.problems else 0)


@backup.command("drill")
@click.argument("backup_name", metavar="[BACKUP]", required=False)
@click.option("--all", "every_account", is_flag=True, help="Read every account from outside, and not a sample of 50.")
@_identity
@_scratch
@_as_json
def drill(
    backup_name: str | None, every_account: bool, identity: Path | None, scratch: Path | None, as_json: bool
) -> None:
    """Prove that a backup can be restored: restore it into a scratch folder, start a server there, and ask that.

    The newest one, unless BACKUP names another. The server listens on this machine only, tells no relay, and is gone
    afterwards.
    """
    from tempest_pds.cli.backup_drill import run_drill
    from tempest_pds.cli.backup_sinks import data_directory, run_to_end
    from tempest_pds.services.backup.history import History

    with _scratch_folder(scratch) as folder:
        outcome = run_to_end(
            run_drill(
                folder,
                lambda: _members(backup_name, identity),
                every_account=every_account,
                show=None if as_json else lambda line: click.echo(line),
            )
        )
    folder = data_directory(os.environ) / "backups"
    if folder.is_dir():
        History(folder).note("drill", outcome.outcome())
    if as_json:
        click.echo(json.dumps(outcome.as_dict(), indent=1))
    sys.exit(1 if outcome.failed else 0)


@backup.command("new-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def new_key(file: Path) -> None:
    """Make a key for encrypted backups: the secret half into FILE, the other half as a setting to standard output.

    Take FILE away from this machine, and keep it where a fire here does not reach it. Without it no encrypted backup
    can ever be read. Any tool for age (https://age-encryption.org) understands it.
    """
    from tempest_pds.services.backup.encryption import new_identity

    secret, recipient = new_identity()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.UsageError(f"{file} exists already; name a new file") from None
    except OSError as error:
        raise click.UsageError(f"cannot write {file}: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"# for the backups of Tempest; public key: {recipient}\n{secret}\n")
    click.echo(f"TEMPEST_BACKUP_RECIPIENT={recipient}")


@asynccontextmanager
async def _members(name: str | None, identity: Path | None) -> AsyncIterator[tuple[str, AsyncIterator[Member]]]:
    """Open a backup by its path, its name, or as the newest one; gives what it is called, too."""
    from tempest_pds.cli.backup_sinks import BackupStores
    from tempest_pds.services.backup.encryption import identities
    from tempest_pds.services.backup.sources import file_chunks, folder_members, open_stream

    keys = () if identity is None else identities(identity)
    path = None if name is None else Path(name)
    if path is not None and path.is_dir():
        yield str(path), folder_members(path)
    elif path is not None and path.exists():
        async with open_stream(file_chunks(path), keys) as members:
            yield str(path), members
    else:
        stores = BackupStores(os.environ)
        async with stores.opened() as sinks:
            kept = await stores.find(sinks, name)
            async with open_stream(await kept.sink.get(kept.stat.name), keys) as members:
                yield kept.stat.name, members


@contextmanager
def _scratch_folder(parent: Path | None) -> Iterator[Path]:
    with ExitStack() as stack:
        yield Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tempest-backup-", dir=parent)))


def _report(headline: str, where: str, manifest: Manifest, verified: Verified, as_json: bool) -> None:
    """Tell what was found."""
    if as_json:
        found = {
            "backup": where,
            "createdAt": manifest.created_at,
            "hostname": manifest.hostname,
            "lastSeq": manifest.last_seq,
            "accounts": verified.accounts,
            "records": verified.records,
            "blobs": verified.blobs,
            "missingBlobs": list(manifest.missing_blobs),
            "problems": verified.problems,
        }
        click.echo(json.dumps(found, indent=1))
        return
    for problem in verified.problems:
        click.echo(problem)
    if verified.problems:
        headline += f", with {len(verified.problems)} problems"
    click.echo(
        f"{headline}: of {manifest.hostname}, {manifest.created_at}, as of event {manifest.last_seq:,}; "
        f"{verified.accounts:,} accounts, {verified.records:,} records, {verified.blobs:,} blobs"
    )
    if manifest.missing_blobs:
        click.echo(f"{len(manifest.missing_blobs):,} blobs were missing already when it was made.", err=True)
    if not manifest.blobs_included:
        click.echo("It holds no blobs: they are where the server kept them.", err=True)
