"""What makes a restored server safe to let onto the network again.

Since the backup was made, the server may have announced events, and repositories may have got revisions, that nobody
here knows of. A consumer with a cursor above the log's end would be refused for good (FutureCursor), one that has seen
a higher revision would drop what comes. So after a restore:

* `seq` goes on above anything that can have been announced: far above the backup's, by its age.
* Every repository gets a new commit over the tree that it has, with a revision of now, above any that was made before.
* Every account is announced anew: #identity, #account and, of an active one, #sync, which tells consumers to fetch the
  repository. The events wait in the outbox, and are told when the server starts.
* No account is deleted at once because its owner had wanted it by now: it may have been activated since the backup.

https://atproto.com/specs/sync
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.commit import sign_commit
from tempest_pds.services.announcer import add_account, add_identity, add_sync
from tempest_pds.services.backup.manifest import Manifest
from tempest_pds.services.backup.verification import all_dids
from tempest_pds.services.progress import Progress
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore

MARGIN: Final = 1_000_000
EVENTS_PER_SECOND: Final = 10_000
"""More than any server of this kind can write: what may have been announced is bounded by time."""

_DAY_US: Final = 24 * 3_600 * 1_000_000
KEPT_DAYS: Final = 7
"""How long an account stays that was to be deleted since the backup, so that its owner can say otherwise again."""


@dataclass(slots=True)
class Resumed:
    """Where the server goes on: its events are numbered above `floor`; `problems` are one line each."""

    floor: int
    announced: int = 0
    problems: list[str] = field(default_factory=list)


def resume(
    manifest: Manifest,
    accounts: AccountStore,
    sequencer: SequencerStore,
    stores: ActorStores,
    keys: KeyFiles,
    progress: Progress,
) -> Resumed:
    """Prepare a restored data directory, verified before, for its first start."""
    for did in manifest.dropped:
        _drop(Did(did), accounts, stores, keys)
    age = max(0.0, time.time() - manifest.created_us / 1e6)
    sequencer.raise_floor(manifest.last_seq + MARGIN + int(age) * EVENTS_PER_SECOND)
    _forget_pending(accounts)
    # Mails that waited when the backup was made have been sent long since, or their codes have run out.
    accounts.waiting_mails.clear()
    # So have these: one that was used since would be good again.
    accounts.email_tokens.clear()
    accounts.accounts.put_off_deletions(now_us() + KEPT_DAYS * _DAY_US)
    resumed = Resumed(sequencer.last_seq())
    clock = TidClock()
    total = accounts.accounts.count()
    for did in all_dids(accounts):
        account = accounts.accounts.get(did)
        assert account is not None, "nobody else is at work here"
        try:
            _announce(account, accounts, stores, keys, clock)
            resumed.announced += 1
        except TempestError as error:
            resumed.problems.append(f"{did}: cannot go on: {error}")
        progress("announcements", resumed.announced, total)
    return resumed


def _drop(did: Did, accounts: AccountStore, stores: ActorStores, keys: KeyFiles) -> None:
    """Let an account stay deleted that was, while the backup was being made; the first start clears its blobs away."""
    account = accounts.accounts.get(did)
    with accounts.transaction():
        accounts.accounts.delete(did)
        accounts.account_deletions.add(did, None if account is None else account.handle, now_us())
    stores.delete(did)
    keys.delete_signing_key(did)


def _forget_pending(accounts: AccountStore) -> None:
    """Empty the outbox: of accounts that are there all is said again; what is told of others' end stays."""
    kept = []
    while pending := accounts.pending_events.oldest():
        kept += [event for event in pending if accounts.accounts.get(event.did) is None]
        accounts.pending_events.delete_through(pending[-1].id)
    for event in kept:
        accounts.pending_events.add(event.did, event.kind, event.detail)


def _announce(account: Account, accounts: AccountStore, stores: ActorStores, keys: KeyFiles, clock: TidClock) -> None:
    did = account.did
    with stores.open(did) as store:
        commit = _commit_anew(store, did, keys, clock)
    with accounts.transaction():
        accounts.repo_heads.put_many([(did, commit.commit_cid, commit.rev)])
        add_identity(accounts, did, account.handle)
        add_account(accounts, did, None if account.is_active else account.status)
        if account.is_active:
            add_sync(accounts, did, commit.rev, commit.commit_cid, commit.commit_block)


def _commit_anew(store: ActorStore, did: Did, keys: KeyFiles, clock: TidClock) -> CommitRow:
    root = store.root()
    if root is None:
        raise TempestError("its repository is empty")
    signed = sign_commit(did, clock.next(after=Tid(root.rev)), root.data, keys.signing_key(did))
    row = CommitRow(signed.rev, signed.cid, signed.encode(), root.data, {}, ())
    store.apply([row])
    store.flush()
    return row
