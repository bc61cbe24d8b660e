"""Account and identity changes on their way to the firehose.

A change writes its events into the outbox of `account.sqlite`, in the transaction that makes the change; here they are
appended to the log and then taken out of the outbox. A crash in between announces them once more at the next start, which
the firehose allows; it never leaves one out, nor changes their order.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.event_frames import AccountEvent, Event, FirstCommitEvent, IdentityEvent, SyncEvent
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.sync_reads import SyncReads
from tempest_pds.stores.account.pending_events import PendingEvent, PendingEvents

IDENTITY: Final = "identity"
ACCOUNT: Final = "account"
FIRST_COMMIT: Final = "first_commit"
SYNC: Final = "sync"


class Announcements:
    """Moves events from the outbox to the log."""

    def __init__(self, *, pending: PendingEvents, writer: AccountWriter, log: CommitLog, sync: SyncReads) -> None:
        self._pending = pending
        self._writer = writer
        self._log = log
        self._sync = sync
        self._lock = asyncio.Lock()

    async def announce_pending(self) -> None:
        """Append all that is in the outbox to the log; when this returns it is on the firehose."""
        async with self._lock:
            while waiting := self._pending.oldest():
                events = [event for item in waiting if (event := self._event(item)) is not None]
                if events:
                    await self._log.append(events)
                await self._writer.run(self._pending.delete_through, waiting[-1].id)

    def _event(self, item: PendingEvent) -> Event | None:
        match item.kind:
            case "identity":
                handle = item.detail.get("handle")
                return IdentityEvent(item.did, None if handle is None else Handle(handle))
            case "account":
                return AccountEvent(item.did, item.detail.get("status"))
        try:
            head, block = self._sync.commit_block(item.did)
        except RepoNotFound:
            # The account was deleted before its events got here; what comes after this one says so.
            return None
        if item.kind == SYNC:
            return SyncEvent(item.did, head.rev, head.commit, block)
        assert item.kind == FIRST_COMMIT and head.data == EMPTY_ROOT, "a first commit is over the empty tree"
        blocks = car.encode(head.commit, [(head.commit, block), (EMPTY_ROOT, EMPTY_BLOCK)])
        return FirstCommitEvent(item.did, head.rev, head.commit, blocks)
