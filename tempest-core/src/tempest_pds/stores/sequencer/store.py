"""The log of events: what the firehose sends, and what repo files are rebuilt from after a crash.

Terms: `seq` is the number of an event. It is given by the one writer, rises strictly, and is never used again,
pruned or not. `frame` is the WebSocket message as it is sent, encoded once. `applied_seq` is the newest event of
which every repo file is known to hold the effect on the disk; later rows are replayed at start.

A commit of this file is the acknowledgement of a write, so it runs with `synchronous=FULL`
unless the operator says not to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Text, bindparam, column, delete, func, literal_column, select, table
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.database import Database, QueryObserver, Synchronous
from tempest_pds.stores.sequencer.tables import EVENT, META, SCHEMA
from tempest_pds.stores.statement import Statement, paged

_APPLIED_SEQ: Final = "applied_seq"
_FLOOR: Final = "seq_floor"
_OUTBOX_ID: Final = "outbox_id"
_PRUNE_CHUNK: Final = 2_000

_columns = (EVENT.c.seq, EVENT.c.did, EVENT.c.kind, EVENT.c.rev, EVENT.c.time_us, EVENT.c.frame)
_sqlite_sequence = table("sqlite_sequence", column("name"), column("seq"))
_after = EVENT.c.seq > bindparam("seq")

_APPEND = Statement(
    insert(EVENT).values({name.name: bindparam(name.name) for name in _columns}), *(name.name for name in _columns)
)
_LAST_SEQ = Statement(
    select(_sqlite_sequence.c.seq).where(_sqlite_sequence.c.name == literal_column("'event'", Text()))
)
_LAST = Statement(paged(select(EVENT.c.seq, EVENT.c.time_us).order_by(EVENT.c.seq.desc())), "count")
_KINDS = Statement(select(EVENT.c.kind, func.count()).group_by(EVENT.c.kind).order_by(EVENT.c.kind))
_OLDEST = Statement(paged(select(EVENT.c.time_us).order_by(EVENT.c.seq)), "count")
_FIRST = Statement(select(func.min(EVENT.c.seq)))
_AFTER = Statement(paged(select(EVENT.c.seq, EVENT.c.frame).where(_after).order_by(EVENT.c.seq)), "seq", "count")
_ROWS_AFTER = Statement(paged(select(*_columns).where(_after).order_by(EVENT.c.seq)), "seq", "count")
_AT_OR_AFTER = Statement(
    paged(select(EVENT.c.seq, EVENT.c.time_us).where(EVENT.c.seq >= bindparam("seq")).order_by(EVENT.c.seq)),
    "seq",
    "count",
)
_LATEST_FOR = Statement(
    paged(select(*_columns).where(EVENT.c.did == bindparam("did")).order_by(EVENT.c.seq.desc())), "did", "count"
)
_HAS_COMMIT = Statement(
    paged(
        select(EVENT.c.seq).where(
            EVENT.c.did == bindparam("did"),
            EVENT.c.kind == literal_column("'commit'"),
            EVENT.c.rev >= bindparam("rev"),
        )
    ),
    "did",
    "rev",
    "count",
)
_PRUNE = Statement(delete(EVENT).where(EVENT.c.seq < bindparam("seq"), EVENT.c.seq >= bindparam("low")), "seq", "low")
_SEQS_OF = Statement(
    select(EVENT.c.seq)
    .where(EVENT.c.did == bindparam("did"), EVENT.c.seq >= bindparam("low"), EVENT.c.seq < bindparam("seq"))
    .order_by(EVENT.c.seq),
    "did",
    "low",
    "seq",
)
_COMMITS_OF = Statement(
    select(EVENT.c.seq)
    .where(EVENT.c.did == bindparam("did"), EVENT.c.kind == literal_column("'commit'"))
    .order_by(EVENT.c.seq),
    "did",
)
_PURGE = Statement(delete(EVENT).where(EVENT.c.did == bindparam("did"), EVENT.c.seq < bindparam("seq")), "did", "seq")
_GET_META = Statement(select(META.c.value).where(META.c.key == bindparam("key")), "key")
_set_meta = insert(META).values(key=bindparam("key"), value=bindparam("value"))
_SET_META = Statement(
    _set_meta.on_conflict_do_update(index_elements=[META.c.key], set_={"value": _set_meta.excluded.value}),
    "key",
    "value",
)


class SequenceNotRising(TempestError):
    """An event numbered at or below one that was written before."""


class EventRow(NamedTuple):
    """One event. `kind` is commit, sync, identity or account; `rev` is set for the first two; `time_us` since 1970."""

    seq: int
    did: str
    kind: str
    rev: str | None
    time_us: int
    frame: bytes


class SequencerStore:
    """The open `sequencer.sqlite`."""

    def __init__(self, path: Path, *, synchronous: Synchronous = "FULL", observe: QueryObserver | None = None) -> None:
        self.database = Database(path, SCHEMA, synchronous=synchronous, cache_kib=2048, observe=observe)
        row = self.database.one(_LAST_SEQ)
        self._last_seq = max(int(row[0]) if row else 0, self._meta(_FLOOR))
        newest = self.database.one(_LAST, (1,))
        self._last_time_us = int(newest[1]) if newest else 0

    def last_seq(self) -> int:
        """Return the newest number ever given; 0 before the first. Costs no query."""
        return self._last_seq

    def first_seq(self) -> int | None:
        """Return the oldest event still kept; None when there is none."""
        row = self.database.one(_FIRST)
        return None if row is None or row[0] is None else int(row[0])

    def append(self, rows: Sequence[EventRow], *, applied_seq: int | None = None, outbox_id: int | None = None) -> None:
        """Write events in one transaction; it has happened, durably, when this returns.

        `applied_seq` is recorded in the same transaction, and so is `outbox_id`, the last id of the accounts' outbox
        (`PendingEvents`) that these events come from: an event of the outbox is then never appended twice.
        Times are stored no lower than the one before, so that they can be searched even when the clock steps back.
        Raises SequenceNotRising, writing nothing, when a number does not rise.
        """
        last, last_time = self._last_seq, self._last_time_us
        kept: list[EventRow] = []
        for row in rows:
            if row.seq <= last:
                raise SequenceNotRising(f"event {row.seq} after {last}")
            last = row.seq
            if row.time_us < last_time:
                row = row._replace(time_us=last_time)
            last_time = row.time_us
            kept.append(row)
        with self.database.transaction() as transaction:
            transaction.run_many(_APPEND, kept)
            if applied_seq is not None:
                transaction.run(_SET_META, (_APPLIED_SEQ, str(applied_seq)))
            if outbox_id is not None:
                transaction.run(_SET_META, (_OUTBOX_ID, str(outbox_id)))
        self._last_seq, self._last_time_us = last, last_time

    def raise_floor(self, seq: int) -> None:
        """Promise that every later event is numbered above `seq`: after a restore from an older copy."""
        with self.database.transaction() as transaction:
            transaction.run(_SET_META, (_FLOOR, str(max(seq, self._last_seq))))
        self._last_seq = max(seq, self._last_seq)

    def census(self) -> tuple[dict[str, int], int | None]:
        """Count the events of each kind, and tell when the oldest was written; for a thread that may wait."""
        reader = self.database.open_reader()
        try:
            kinds = {kind: int(count) for kind, count in reader.execute(_KINDS.sql)}
            oldest = reader.execute(_OLDEST.sql, (1,)).fetchone()
        finally:
            reader.close()
        return kinds, None if oldest is None else int(oldest[0])

    def size(self) -> int:
        """Return how many bytes the file takes, with its write-ahead log."""
        path = self.database.path
        files = (path, path.with_name(path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def frames_after(self, seq: int, limit: int = 500) -> list[tuple[int, bytes]]:
        """Return up to `limit` (seq, frame) above `seq`, in order: a step of a backfill."""
        return self.database.all(_AFTER, (seq, limit))

    def rows_after(self, seq: int, kind: str | None = None, *, chunk: int = 200) -> Iterator[EventRow]:
        """Yield whole events above `seq`, in order, of one kind when it is named; read in chunks."""
        while rows := self.database.all(_ROWS_AFTER, (seq, chunk)):
            for row in rows:
                if kind is None or row[2] == kind:
                    yield EventRow(*row)
            seq = rows[-1][0]

    def latest_for(self, did: str) -> EventRow | None:
        """Return the newest event of an account that is still kept."""
        row = self.database.one(_LATEST_FOR, (did, 1))
        return None if row is None else EventRow(*row)

    def has_commit(self, did: str, rev: str) -> bool:
        """Tell whether the log has a commit of an account with this revision or a later one."""
        return self.database.one(_HAS_COMMIT, (did, rev, 1)) is not None

    def seq_at_or_after(self, time_us: int) -> int | None:
        """Return the first event written at `time_us` or later; None when all are older.

        Numbers and times rise together, so this is a binary search of some twenty lookups and needs no index.
        """
        low = self.first_seq()
        if low is None:
            return None
        high = self._last_seq + 1
        while low < high:
            middle = (low + high) // 2
            row = self.database.one(_AT_OR_AFTER, (middle, 1))
            if row is None or row[1] >= time_us:
                high = middle
            else:
                low = int(row[0]) + 1
        found = self.database.one(_AT_OR_AFTER, (low, 1))
        return None if found is None else int(found[0])

    def outbox_id(self) -> int:
        """Return the last id of the accounts' outbox that was appended; 0 at first."""
        return self._meta(_OUTBOX_ID)

    def applied_seq(self) -> int:
        """Return the newest event that need not be replayed; 0 at first."""
        return self._meta(_APPLIED_SEQ)

    def set_applied_seq(self, seq: int) -> None:
        """Record that every repo file holds, on the disk, the effect of every event up to `seq`."""
        with self.database.transaction() as transaction:
            transaction.run(_SET_META, (_APPLIED_SEQ, str(seq)))

    def prune_before(self, time_us: int, *, keep_unapplied: bool = True) -> int:
        """Delete the events older than `time_us` and return how many, in short transactions.

        Events above `applied_seq` are the only copy of an acknowledged write, and stay unless told otherwise.
        """
        first = self.first_seq()
        if first is None:
            return 0
        bound = self.seq_at_or_after(time_us)
        if bound is None:
            bound = self._last_seq + 1
        if keep_unapplied:
            bound = min(bound, self.applied_seq() + 1)
        deleted = 0
        while first < bound:
            upper = min(first + _PRUNE_CHUNK, bound)
            with self.database.transaction() as transaction:
                deleted += transaction.run(_PRUNE, (upper, first))
            first = upper
        return deleted

    def seqs_of(self, did: str, below_seq: int, from_seq: int = 0) -> list[int]:
        """Return the numbers of an account's events in a range, in order."""
        return [row[0] for row in self.database.all(_SEQS_OF, (did, from_seq, below_seq))]

    def commits_of(self, did: str) -> list[int]:
        """Return the numbers of an account's commits that are still kept, in order."""
        return [row[0] for row in self.database.all(_COMMITS_OF, (did,))]

    def purge_account(self, did: str, keep_from_seq: int) -> int:
        """Delete the events of a deleted account below `keep_from_seq`; return how many."""
        with self.database.transaction() as transaction:
            return transaction.run(_PURGE, (did, keep_from_seq))

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file; called by the owner of the writing connection, between batches."""
        return self.database.checkpoint()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def _meta(self, key: str) -> int:
        row = self.database.one(_GET_META, (key,))
        return int(row[0]) if row else 0
