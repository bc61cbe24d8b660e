"""Deleting an account, so that nothing of it is left, and so that a crash in the middle is no way out.

The order, and why:

1. Writers are locked out of the repository: no commit is announced behind the end of its account.
2. One transaction deletes the account's row with its sessions and app passwords, puts the `#account` event into the
   outbox, and notes that a deletion is under way. From here on the account is gone: nobody can log in, its handle is
   free, and nothing of it is served.
3. The network is told.
4. The repository's file, the signing key and the blobs are deleted, then the account's events in the log, all but the
   one that tells of its end.
5. The note is deleted, and the name in a did:web that was made here is reserved for good: whoever had that name next
   would have the DID, and be taken for whom it was. Only the administrator gives it away, as a handle of another DID.

What was interrupted after step 2 is finished at the next start, and, where a blob store had failed, by the hourly
sweep. Each step may be taken again. Nobody waits long for step 4, neither who asked for the deletion nor who stops the
server: thousands of blobs in an object store take minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.announcer import Announcer, add_account
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import AccountNotFound
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.repos import Repos
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.sequencer.store import SequencerStore

START_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 5.0

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
        documents: HostedDocuments,
        hooks: AccountHooks,
        outbox: CodeOutbox,
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
        self._documents = documents
        self._hooks = hooks
        self._outbox = outbox
        self._now = now
        self._under_way: set[Did] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def delete(self, did: Did, condition: Callable[[Account], None] | None = None) -> None:
        """Delete an account and all that it has.

        When this returns the account is gone. What is left to clear away after some seconds is cleared away in the
        background; a failure of that is logged, and made good later. A caller who is cancelled stops nothing.

        Args:
            condition: called with the account as it is then, in the transaction that deletes it and in its thread; what
                it raises comes out here, and nothing has happened. A mail that it adds to the outbox is sent.

        Raises:
            AccountNotFound: no such account.
            RepoBusy: its repository is being replaced; nothing has happened.
        """
        account = self._store.accounts.get(did)
        if account is None or did in self._under_way:
            raise AccountNotFound("Account not found")
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(did)
        task = self._begin(self._delete(account, condition, gone))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({task}, timeout=ANSWER_SECONDS)
        if task.done():
            task.result()

    async def resume_at_start(self, patience: float = START_SECONDS) -> None:
        """Finish what a crash has interrupted; goes on by itself when that takes longer than `patience` seconds.

        A blob store that does not answer must not keep the server from starting.
        """
        await asyncio.wait({self._begin(self.resume())}, timeout=patience)

    async def close(self) -> None:
        """Wait some seconds for what is under way, and leave the rest to the next start."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        if late:
            _log.warning("account.deletion_unfinished", error="the server stops")
            await asyncio.wait(late, timeout=1)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio complains where the caller is gone

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

    async def _delete(
        self, account: Account, condition: Callable[[Account], None] | None, gone: asyncio.Future[None]
    ) -> None:
        did = account.did

        async def end() -> None:
            await self._writer.run(self._store_deletion, did, condition)
            self._outbox.stir()
            self._dids.forget(did)
            self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="deleted")
            await self._announcer.announce_pending()
            gone.set_result(None)

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
        await self._writer.run(self._store_end, did)
        _log.info("account.deleted", did=did)

    # In the thread that writes accounts

    def _store_deletion(self, did: Did, condition: Callable[[Account], None] | None) -> None:
        store = self._store
        with store.transaction():
            account = store.accounts.get(did)
            if account is None:
                raise AccountNotFound("Account not found")
            if condition is not None:
                condition(account)
            store.account_deletions.add(did, account.handle, self._now())
            store.accounts.delete(did)
            add_account(store, did, "deleted")

    def _store_end(self, did: Did) -> None:
        name = self._documents.name_in(did)
        with self._store.transaction():
            if name is not None:
                self._store.reserved_handles.add(name, self._now())
            self._store.account_deletions.finish(did)

    # In the thread that writes the log

    def _purge(self, did: Did, from_seq: int) -> Sequence[int]:
        """Delete the account's events but the last, which tells of its end; return those from a number on."""
        last = self._sequencer.latest_for(did)
        if last is None:
            return ()
        recent = self._sequencer.seqs_of(did, last.seq, from_seq)
        self._sequencer.purge_account(did, last.seq)
        return recent
