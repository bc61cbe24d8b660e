"""The cut: every database as it was at one moment, copied while the server goes on writing.

An account's file is written by the writer thread alone, or by another thread while it is set aside. So a watch on the
writer tells which files changed since they were copied:

1. Every file is copied, each as it is when its turn comes.
2. Those that were written meanwhile are copied again, until few are left, or it does not get fewer.
3. Between two batches of the writer, the files that are still behind, `account.sqlite` and the log are pinned. That
   takes half a millisecond a file, is all that anybody has to wait for, and makes the moment: what was copied before
   has not changed since, and what is pinned is copied at leisure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from tempest_pds.services.backup.errors import BackupFailed
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import ALL_DIDS
from tempest_pds.stores.actor.stores import ActorStores, RepoNotFound
from tempest_pds.stores.database import DatabaseDamaged
from tempest_pds.stores.pinned import PinnedDatabase
from tempest_pds.stores.sequencer.store import SequencerStore

T = TypeVar("T")

FEW: Final = 16
_ROUNDS: Final = 5
_TRIES: Final = 100
_CLOCK_MARGIN_US: Final = 60_000_000

_log = structlog.get_logger("tempest_pds.backup")


@dataclass(frozen=True, slots=True)
class Cut:
    """The moment, pinned.

    Attributes:
        repos: the files of accounts that have to be copied (again), by DID.
        dids: every account there is at the moment.
        last_seq: the newest event in the log.
        applied_seq: the newest event that every account's file holds.
    """

    accounts: PinnedDatabase
    sequencer: PinnedDatabase
    repos: dict[str, PinnedDatabase]
    dids: tuple[str, ...]
    last_seq: int
    applied_seq: int


class _FileIsLent(Exception):
    """Another thread writes the file, for an import or a removal."""


class Cutter:
    """Takes the databases of a running server apart from its writers."""

    def __init__(
        self, *, accounts: AccountStore, sequencer: SequencerStore, stores: ActorStores, log: CommitLog
    ) -> None:
        self._accounts = accounts
        self._sequencer = sequencer
        self._stores = stores
        self._log = log
        self._copied: set[str] = set()
        self._began = 0
        self.unreadable: set[str] = set()
        """The accounts whose file SQLite could not read."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch what is written, from before the first copy to the cut; one at a time."""
        unsettled = self._log.unsettled
        self._copied.clear()
        self.unreadable.clear()
        self._began = now_us() - _CLOCK_MARGIN_US

        def begin() -> None:
            unsettled.watched = set()

        def end() -> None:
            unsettled.watched = None

        await self._log.call(begin)
        try:
            yield
        finally:
            await self._log.call(end)

    async def repos(self) -> AsyncGenerator[tuple[str, PinnedDatabase], None]:
        """Yield the file of every account, pinned, and again those that changed; the caller copies and closes each."""
        dids = sorted(self._stores.dids())
        before = None
        for _ in range(_ROUNDS):
            for did in dids:
                pinned = await self._pin(did)
                if pinned is not None:
                    self._copied.add(did)
                    yield did, pinned
            dids = await self._log.call(lambda: sorted(self._log.unsettled.watched or ()))
            if len(dids) <= FEW or (before is not None and len(dids) >= before):
                return
            before = len(dids)

    async def _pin(self, did: str) -> PinnedDatabase | None:
        unsettled = self._log.unsettled

        def pin() -> PinnedDatabase | None:
            if did in unsettled.lent:
                raise _FileIsLent
            assert unsettled.watched is not None, "watching() comes first"
            unsettled.watched.discard(did)
            return self._pin_file(did)

        return await self._when_none_is_lent(pin)

    def _pin_file(self, did: str) -> PinnedDatabase | None:
        """Pin one file, whole with its tree; None when there is none to be read. In the writer thread."""
        try:
            with self._stores.open(did) as store:
                store.flush()
                return PinnedDatabase(store.database)
        except RepoNotFound:
            return None
        except DatabaseDamaged as error:
            # One broken file must not keep all the others from being backed up.
            _log.error("backup.file_unreadable", did=did, error=str(error))
            self.unreadable.add(did)
            return None

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[Cut]:
        """Pin the moment; what is pinned is closed at the end."""
        unsettled = self._log.unsettled

        def pin() -> Cut:
            if unsettled.lent:
                raise _FileIsLent
            return self._pin_all()

        cut = await self._when_none_is_lent(pin)
        async with AsyncExitStack() as stack:
            for pinned in (cut.accounts, cut.sequencer, *cut.repos.values()):
                stack.callback(pinned.close)
            yield cut

    def _pin_all(self) -> Cut:
        """Pin what is behind, and the two databases of the server; in the writer thread, which waits meanwhile."""
        unsettled, opened = self._log.unsettled, list[PinnedDatabase]()
        try:
            accounts = PinnedDatabase(self._accounts.database)
            opened.append(accounts)
            rows = accounts.all(ALL_DIDS)
            dids = tuple(str(row[0]) for row in rows)
            # A sign-up makes its file beside the writer thread, and in place of one that an earlier attempt left.
            new = {str(row[0]) for row in rows if row[1] >= self._began}
            repos: dict[str, PinnedDatabase] = {}
            for did in sorted((unsettled.watched or set()) | new | (set(dids) - self._copied)):
                pinned = self._pin_file(did)
                if pinned is not None:
                    opened.append(pinned)
                    repos[did] = pinned
            sequencer = PinnedDatabase(self._sequencer.database)
            opened.append(sequencer)
            last = self._sequencer.last_seq()
            # While a file waits to be brought up to date from the log, the log has to be replayed from there.
            applied = self._sequencer.applied_seq() if unsettled.held else last
            return Cut(accounts, sequencer, repos, dids, last, applied)
        except BaseException:
            for pinned in opened:
                pinned.close()
            raise

    async def _when_none_is_lent(self, work: Callable[[], T]) -> T:
        """Run `work` in the writer thread, again while it says that another thread is writing a file."""
        for _ in range(_TRIES):
            await self._log.none_set_aside()
            try:
                return await self._log.call(work)
            except _FileIsLent:
                continue
        raise BackupFailed("repositories are being imported one after the other; try again when they are done")
