"""Deleting an account, so that nothing of it is left, and so that a crash in the middle is no way out.

The order, and why:

1. Writers are locked out of the repository: no commit is announced behind the end of its account.
2. One transaction deletes the account's row with its sessions and app passwords, puts the `#account` event into the
   outbox, and notes that a deletion is under way. From here on the account is gone: nobody can log in, its handle is
   free, and nothing of it is served.
3. The network is told.
4. The repository's file, the signing key and the blobs are deleted, then the account's events in the log, all but the
   one that tells of its end.
5. The note is deleted.

What was interrupted after step 2 is finished at the next start, and, where a blob store had failed, by the hourly
sweep. Each step may be taken again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_account
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import AccountNotFound
from tempest_pds.services.finishing import finish
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.repos import Repos
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.sequencer.store import SequencerStore

START_SECONDS: Final = 10.0

_log = structlog.get_logger("tempest_pds.account_deletion")


class AccountDeletion:
    """Delete accounts for good.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        repos: Repos,
        log: CommitLog,
        sequencer: SequencerStore,
        firehose: Firehose,
        announcer: Announcer,
        dids: DidResolver,
        hooks: AccountHooks,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._repos = repos
        self._log = log
        self._sequencer = sequencer
        self._firehose = firehose
        self._announcer = announcer
        self._dids = dids
        self._hooks = hooks
        self._now = now
        self._under_way: set[Did] = set()
        self._resuming: asyncio.Task[None] | None = None

    async def delete(self, did: Did) -> None:
        """Delete an account and all that it has.

        When this returns the account is gone; a failure to clear something away after that is logged, and made good
        later.

        Raises:
            AccountNotFound: no such account.
            RepoBusy: its repository is being replaced; nothing has happened.
        """
        account = self._store.accounts.get(did)
        if account is None or did in self._under_way:
            raise AccountNotFound("Account not found")
        await finish(self._delete(account))

    async def resume_at_start(self, patience: float = START_SECONDS) -> None:
        """Finish what a crash has interrupted; goes on by itself when that takes longer than `patience` seconds.

        A blob store that does not answer must not keep the server from starting.
        """
        self._resuming = asyncio.create_task(self.resume())
        await asyncio.wait({self._resuming}, timeout=patience)

    async def close(self) -> None:
        """Wait for the deletion that a start has left under way."""
        if self._resuming is not None:
            await asyncio.wait({self._resuming})

    async def resume(self) -> None:
        """Finish the deletions that a crash or a failure has interrupted."""
        for deletion in self._store.account_deletions.all():
            if deletion.did in self._under_way:
                continue
            self._under_way.add(deletion.did)
            try:
                if self._store.accounts.get(deletion.did) is None:
                    await self._clear(deletion.did)
            except Exception as error:  # noqa: BLE001 - one that cannot be finished must hold up neither the others nor a start
                _log.warning("account.deletion_unfinished", did=deletion.did, error=repr(error))
            finally:
                self._under_way.discard(deletion.did)

    async def _delete(self, account: Account) -> None:
        did = account.did

        async def end() -> None:
            await self._writer.run(self._store_deletion, account)
            self._dids.forget(did)
            self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="deleted")
            await self._announcer.announce_pending()

        self._under_way.add(did)
        try:
            await self._clear(did, end)
        except Exception as error:
            if self._store.accounts.get(did) is not None:
                raise
            _log.warning("account.deletion_unfinished", did=did, error=repr(error))
        finally:
            self._under_way.discard(did)

    async def _clear(self, did: Did, first: Callable[[], Awaitable[None]] | None = None) -> None:
        await self._repos.remove(did, first or self._announcer.announce_pending)
        in_memory = self._firehose.ring_start
        self._firehose.forget(await self._log.call(lambda: self._purge(did, in_memory)))
        await self._writer.run(self._store.account_deletions.finish, did)
        _log.info("account.deleted", did=did)

    # In the thread that writes accounts

    def _store_deletion(self, account: Account) -> None:
        store, did = self._store, account.did
        with store.transaction():
            store.account_deletions.add(did, account.handle, self._now())
            if not store.accounts.delete(did):
                raise AccountNotFound("Account not found")
            add_account(store, did, "deleted")

    # In the thread that writes the log

    def _purge(self, did: Did, from_seq: int) -> Sequence[int]:
        """Delete the account's events but the last, which tells of its end; return those from a number on."""
        last = self._sequencer.latest_for(did)
        if last is None:
            return ()
        recent = self._sequencer.seqs_of(did, last.seq, from_seq)
        self._sequencer.purge_account(did, last.seq)
        return recent
