"""The write path on real files, without HTTP around it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tempest_pds.adapters.disk_blob_store import DiskBlobStore
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.crypto.keys import PublicKey, generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.blob_scrub import BlobScrub
from tempest_pds.services.blobs import Blobs, UploadedBlob
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.new_repositories import create_repository
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.record_writes import RequestedWrite, WriteChecker
from tempest_pds.services.records import Records, WriteOutcome
from tempest_pds.services.recovery import Replayed, catch_up, replay
from tempest_pds.services.repo_checks import RepoChecks
from tempest_pds.services.repo_list import RepoList
from tempest_pds.services.repo_rebuild import RepoRebuild
from tempest_pds.services.repos import Repos
from tempest_pds.services.sync_reads import SyncReads
from tempest_pds.services.write_gate import WriteGate
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds.telemetry import Instruments

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
POST = Nsid("app.bsky.feed.post")
NOW = "2026-01-01T00:00:00.000Z"


@dataclass(kw_only=True)
class WritePath:
    """Everything that a test may want to look at, and the few things that most tests do."""

    directory: DataDirectory
    accounts: AccountStore
    sequencer: SequencerStore
    stores: ActorStores
    keys: KeyFiles
    log: CommitLog
    firehose: Firehose
    open_repos: OpenRepos
    records: Records
    blobs: Blobs
    blob_store: DiskBlobStore
    sync: SyncReads
    repos: Repos
    rebuild: RepoRebuild
    scrub: BlobScrub
    checks: RepoChecks
    repo_list: RepoList
    revs: TidClock
    replayed: Replayed
    closing: AsyncExitStack
    alive: bool = True
    created: int = field(default=0)

    def create(self, did: Did = ALICE, *, active: bool = True) -> Did:
        """Begin a repository, and the account it is of."""
        key = generate_k256()
        self.keys.put_signing_key(did, key)
        create_repository(self.stores, did, key, self.revs.next())
        self.created += 1
        self.accounts.accounts.create(
            Account(
                did=did,
                handle=None,
                created_at=self.created,
                email=f"{self.created}@example.com",
                password_hash="",
                deactivated_at=None if active else 1,
            )
        )
        return did

    async def write(self, *writes: RequestedWrite, did: Did = ALICE, **options: Any) -> WriteOutcome:
        return await self.records.write(did, writes, **options)

    async def post(self, text: str, did: Did = ALICE, rkey: str | None = None) -> WriteOutcome:
        """Create a post, under a record key of any kind when one is given."""
        key = None if rkey is None else RecordKey(rkey)
        value = {"text": text, "createdAt": NOW}
        return await self.write(
            RequestedWrite("create", POST, key, value), did=did, validate=None if key is None else False
        )

    async def upload(self, data: bytes, mime_type: str = "text/plain", did: Did = ALICE) -> UploadedBlob:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self.blobs.upload(did, mime_type, chunks())

    async def export(self, did: Did = ALICE, since: str | None = None) -> bytes:
        return b"".join([chunk async for chunk in self.sync.export(did, since)])

    def key(self, did: Did = ALICE) -> PublicKey:
        return self.keys.signing_key(did).public

    async def contents(self, did: Did = ALICE) -> dict[str, Any]:
        """Export a repository, verify all of it, and give its records by path."""
        roots, blocks = car.decode(await self.export(did))
        head = self.sync.head(did)
        assert roots == [head.commit]
        commit, records = verify_repo(MemoryBlockSource(blocks), roots[0], did=did, key=self.key(did))
        assert (commit.rev, commit.data) == (head.rev, head.data)
        return {record.path: record.value for record in records}

    def listed(self, did: Did = ALICE) -> dict[str, Any]:
        """Read the records from the tables beside the tree."""
        with self.stores.open(did) as store:
            rows = [
                row
                for collection in store.collections()
                for row in store.list_records(collection, 1_000_000, reverse=True)
            ]
        return {row.path: dag_cbor.decode(row.value) for row in rows}

    def events(self, after: int = 0) -> list[tuple[int, str, dict[str, Any]]]:
        """Read the log: (seq, kind, body)."""
        events = []
        for row in self.sequencer.rows_after(after):
            header = dag_cbor.encode({"op": 1, "t": f"#{row.kind}"})
            assert row.frame.startswith(header)
            body = dag_cbor.decode(row.frame[len(header) :])
            assert isinstance(body, dict)
            assert body["seq"] == row.seq
            events.append((row.seq, row.kind, body))
        return events

    async def stop(self) -> None:
        """Stop in order."""
        if self.alive:
            self.alive = False
            await self.closing.aclose()

    def copy_files(self, target: Path) -> Path:
        """Copy the data directory as it lies on the disk now: what a process that dies now leaves behind.

        The log first: a file that is copied later may only be ahead of it by writes that nobody heard of.
        """
        shutil.copytree(self.directory.root, target, ignore=shutil.ignore_patterns("*-shm", "tmp"))
        return target


class OpenWritePath(Protocol):
    def __call__(self, root: Path | None = None, **options: Any) -> Awaitable[WritePath]: ...


# The helpers beside the tests; importlib mode puts no folder on the path by itself.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def open_write_path(tmp_path: Path) -> AsyncIterator[OpenWritePath]:
    """Open the write path over a data directory; what is still open at the end of the test is closed."""
    opened: list[WritePath] = []

    async def open_one(root: Path | None = None, **options: Any) -> WritePath:
        path = await _open(tmp_path / "data" if root is None else root, **options)
        opened.append(path)
        return path

    yield open_one
    for path in reversed(opened):
        await path.stop()


@pytest.fixture
def write_path_factory() -> Callable[..., Awaitable[WritePath]]:
    """Open write paths on an event loop of one's own; whoever does closes them."""
    return _open


@pytest.fixture
async def write_path(open_write_path: OpenWritePath) -> WritePath:
    """A write path with one empty repository, Alice's."""
    path = await open_write_path()
    path.create(ALICE)
    return path


async def _open(
    root: Path,
    *,
    max_lag: int = 500,
    retention_seconds: float = 3600.0,
    repo_capacity: int = 200,
    revs: TidClock | None = None,
    plugins: PluginManager | None = None,
) -> WritePath:
    directory = DataDirectory(root)
    directory.create()
    instruments = Instruments()
    async with AsyncExitStack() as stack:
        accounts = AccountStore(directory.accounts)
        stack.callback(accounts.close)
        sequencer = SequencerStore(directory.sequencer)
        stack.callback(sequencer.close)
        stores = ActorStores(directory.repos, capacity=repo_capacity)
        stack.callback(stores.close)
        replayed = replay(sequencer, stores)
        keys = KeyFiles(directory.keys)
        firehose = Firehose(sequencer, max_lag=max_lag, retention_seconds=retention_seconds, instruments=instruments)
        broken = bool(replayed.broken)
        log = CommitLog(sequencer, firehose.publish, lambda store: catch_up(sequencer, store), held=broken)
        log.start()
        stack.push_async_callback(log.stop)
        plugins = PluginManager([]) if plugins is None else plugins
        blob_store = DiskBlobStore(directory.blobs)
        await blob_store.open()
        blobs = Blobs(
            temporary=directory.tmp,
            stores=stores,
            log=log,
            blob_store=blob_store,
            plugins=plugins,
            instruments=instruments,
        )
        stack.push_async_callback(blobs.close)
        writer = AccountWriter()
        stack.callback(writer.close)
        repo_list = RepoList(accounts, writer)
        revs = TidClock() if revs is None else revs
        open_repos = OpenRepos(stores, keys, capacity=repo_capacity, unfit=replayed.broken)
        records = Records(
            repos=open_repos,
            stores=stores,
            log=log,
            blobs=blobs,
            checker=WriteChecker(_LEXICONS, TidClock()),
            revs=revs,
            plugins=plugins,
            repo_list=repo_list,
            gate=WriteGate(accounts),
            instruments=instruments,
        )
        repos = Repos(
            stores=stores,
            repos=open_repos,
            keys=keys,
            log=log,
            blobs=blobs,
            hosting=Hosting(accounts.accounts),
            repo_list=repo_list,
            revs=revs,
            temporary=directory.tmp,
        )
        scrub = BlobScrub(accounts=accounts.accounts, stores=stores, blobs=blobs, blob_store=blob_store)
        rebuild = RepoRebuild(
            stores=stores,
            repos=open_repos,
            keys=keys,
            log=log,
            sequencer=sequencer,
            blobs=blobs,
            hosting=Hosting(accounts.accounts),
            repo_list=repo_list,
            revs=revs,
            temporary=directory.tmp,
        )
        return WritePath(
            directory=directory,
            accounts=accounts,
            sequencer=sequencer,
            stores=stores,
            keys=keys,
            log=log,
            firehose=firehose,
            open_repos=open_repos,
            records=records,
            blobs=blobs,
            blob_store=blob_store,
            sync=SyncReads(stores, open_repos),
            repos=repos,
            rebuild=rebuild,
            scrub=scrub,
            checks=RepoChecks(accounts=accounts.accounts, stores=stores, repos=open_repos, keys=keys, scrub=scrub),
            repo_list=repo_list,
            revs=revs,
            replayed=replayed,
            closing=stack.pop_all(),
        )
    raise AssertionError("not reached")


# Compiled schemas are worth keeping between tests.
_LEXICONS = Lexicons()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Any]:
    from account_world import World

    made = World(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Any]:
    """Posts mails over an account file, to a mailer that does what the test says."""
    from mail_office import Office

    office = Office(tmp_path)
    office.outbox.start()
    yield office
    office.relay.open_for_mail.set()
    await office.outbox.close()
    office.writer.close()
    office.store.close()


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """What is logged meanwhile."""
    structlog.reset_defaults()
    with capture_logs() as events:
        yield events
