"""The repositories' files that were written since they were last known to be on the disk.

Their transactions are not synchronous, for the log has all they hold. So the log may only forget what the files have
been synced with, and a start after a loss of power replays from there. Write-ahead logs are moved into their files
here, too, between batches and on the writing connection."""

from __future__ import annotations

from typing import Final

from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.sequencer.store import SequencerStore

_WAL_LIMIT: Final = 4 * 1024 * 1024
_LOOK_EVERY: Final = 32


class Unsettled:
    """What the writer thread has written and not synced; for that thread alone."""

    def __init__(self, log: SequencerStore, *, held: bool = False) -> None:
        self._log = log
        self._stores: dict[ActorStore, int] = {}
        self._lent: set[ActorStore] = set()
        self._batches = 0
        self.held = held
        """Whether a file could not be written: the log stays as far back as it is, for that file to be brought up to
        date from it."""
        self.watched: set[str] | None = None
        """The DIDs whose file was written since somebody began to watch; None when nobody does."""

    def add(self, store: ActorStore) -> None:
        """Note a write to a file; it stays open until it is settled."""
        self._note(store)
        writes = self._stores.get(store)
        if writes is None:
            store.pin()
            writes = 0
        self._stores[store] = writes + 1

    def _note(self, store: ActorStore) -> None:
        if self.watched is not None:
            self.watched.add(store.did)

    @property
    def lent(self) -> frozenset[str]:
        """The DIDs whose file another thread is writing."""
        return frozenset(store.did for store in self._lent)

    def lend(self, store: ActorStore) -> None:
        """Leave a file alone that another thread is going to write; the log stays as far back as it is."""
        self._lent.add(store)
        if self._stores.pop(store, None) is not None:
            store.release()

    def give_back(self, store: ActorStore, *, settled: bool) -> None:
        """Look after a file again; `settled` when it is on the disk by now, or is no more."""
        self._note(store)
        self._lent.discard(store)
        if not settled:
            self.add(store)

    def bound(self) -> None:
        """Keep write-ahead logs from growing without end; to be called after each batch, cheap most of the time."""
        self._batches += 1
        if self._batches % _LOOK_EVERY:
            return
        for store, writes in list(self._stores.items()):
            if writes and store.database.wal_bytes() > _WAL_LIMIT:
                store.checkpoint()
                self._stores[store] = 0
        if self._log.database.wal_bytes() > _WAL_LIMIT:
            self._log.checkpoint()

    def settle(self, last_seq: int) -> None:
        """Sync and checkpoint every file, and tell the log that it need not replay up to `last_seq`."""
        if not self._stores and self._log.applied_seq() == last_seq:
            return
        while self._stores:
            store = next(iter(self._stores))
            store.sync()
            store.checkpoint()
            # Not before: a file that could not be synced is tried again, and the log waits for it.
            del self._stores[store]
            store.release()
        if not self.held and not self._lent:
            self._log.set_applied_seq(last_seq)
        self._log.checkpoint()
