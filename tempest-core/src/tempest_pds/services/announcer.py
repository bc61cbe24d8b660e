"""From the outbox of `account.sqlite` to the log of events.

A change of an account and the events that tell of it are written in one transaction, but the log is another file. So
the events wait in the outbox until the log has them. After a crash in between they are still there, and are told then;
at worst twice, which says the same thing twice for an identity, an account or a state. A commit is never told twice:
one that the log already has is left out.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.event_frames import AccountEvent, Event, FirstCommitEvent, IdentityEvent, SyncEvent
from tempest_pds.services.new_repositories import FirstCommit
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.pending_events import PendingEvent

_log = structlog.get_logger("tempest_pds.announcer")


class EventLog(Protocol):
    """Where events go: `commit_log.CommitLog`."""

    async def append(self, events: Sequence[Event]) -> None:
        """Append events, all or none of them; they are on the firehose when this returns."""
        ...


class Announcer:
    """Tell the network what changed with accounts.

    Args:
        is_logged: tells whether the log has the commit of an account with that revision.
    """

    def __init__(
        self, store: AccountStore, writer: AccountWriter, log: EventLog, is_logged: Callable[[Did, str], bool]
    ) -> None:
        self._store = store
        self._writer = writer
        self._log = log
        self._is_logged = is_logged
        self._announcing = asyncio.Lock()

    async def announce_pending(self) -> None:
        """Hand over what waits in the outbox; once at start, and after each change."""
        async with self._announcing:
            while pending := self._store.pending_events.oldest():
                events = [event for event in map(self._event, pending) if event is not None]
                if events:
                    await self._log.append(events)
                await self._writer.run(self._store.pending_events.delete_through, pending[-1].id)

    def _event(self, pending: PendingEvent) -> Event | None:
        detail = pending.detail
        match pending.kind:
            case "identity":
                return IdentityEvent(pending.did, _handle(detail))
            case "account":
                return AccountEvent(pending.did, detail.get("status"))
            case "sync":
                return SyncEvent(pending.did, Tid(detail["rev"]), CID.parse(detail["commit"]), _block(detail))
            case "commit":
                if self._is_logged(pending.did, detail["rev"]):
                    return None
                return _first_commit(pending.did, detail)
        _log.error("announcer.unknown_kind", kind=pending.kind, did=pending.did)
        return None


def add_identity(store: AccountStore, did: Did, handle: Handle | None) -> None:
    """Put an #identity event into the outbox, in the transaction of the change."""
    store.pending_events.add(did, "identity", {"handle": handle})


def add_account(store: AccountStore, did: Did, status: str | None) -> None:
    """Put an #account event into the outbox; `status` is None for an active account."""
    store.pending_events.add(did, "account", {"status": status})


def add_sync(store: AccountStore, did: Did, rev: str, commit: CID, commit_block: bytes) -> None:
    """Put a #sync event into the outbox."""
    store.pending_events.add(did, "sync", _commit_detail(rev, commit, commit_block))


def add_first_commit(store: AccountStore, first: FirstCommit) -> None:
    """Put the #commit event of a new repository into the outbox."""
    store.pending_events.add(first.did, "commit", _commit_detail(first.rev, first.commit, first.commit_block))


def _commit_detail(rev: str, commit: CID, block: bytes) -> dict[str, Any]:
    return {"rev": rev, "commit": str(commit), "block": base64.b64encode(block).decode()}


def _block(detail: dict[str, Any]) -> bytes:
    return base64.b64decode(detail["block"])


def _handle(detail: dict[str, Any]) -> Handle | None:
    handle = detail.get("handle")
    return None if handle is None else Handle(handle)


def _first_commit(did: Did, detail: dict[str, Any]) -> FirstCommitEvent:
    commit = CID.parse(detail["commit"])
    blocks = car.encode(commit, [(commit, _block(detail)), (EMPTY_ROOT, EMPTY_BLOCK)])
    return FirstCommitEvent(did, Tid(detail["rev"]), commit, blocks)
