"""What has to be done from time to time while the server runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_deletion import AccountDeletion
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.browsers import Browsers
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.due_deletions import DueDeletions
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.errors import NotFound
from tempest_pds.services.oauth.kept_permission_sets import KeptPermissionSets
from tempest_pds.services.oauth.requests import AuthorizationRequests
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.quarantine import Quarantine
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.repo_list import RepoList
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sessions import Sessions
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore

SETTLE_SECONDS: Final = 60.0
DELETE_SECONDS: Final = 300.0
SWEEP_SECONDS: Final = 3_600.0
_PAUSE_BETWEEN_ACCOUNTS: Final = 0.01

_log = structlog.get_logger("tempest_pds.upkeep")


class Upkeep:
    """Settles the log every minute, and sweeps old events, ended sessions and unused blobs every hour.

    Accounts whose time has come are looked for at the start and every five minutes.

    Args:
        retention_seconds: how long events are kept.

    Attributes:
        swept_at: when the last sweep ended, in microseconds since 1970; None before the first since the start.
    """

    def __init__(
        self,
        *,
        log: CommitLog,
        sequencer: SequencerStore,
        stores: ActorStores,
        repo_list: RepoList,
        blobs: Blobs,
        sessions: Sessions,
        browsers: Browsers,
        oauth_requests: AuthorizationRequests,
        oauth_sessions: OAuthSessions,
        permission_sets: KeptPermissionSets,
        email_codes: EmailCodes,
        security_events: SecurityEvents,
        quarantine: Quarantine,
        deletions: AccountDeletion,
        keys: KeyFiles,
        due_deletions: DueDeletions,
        retention_seconds: float,
    ) -> None:
        self._log = log
        self._sequencer = sequencer
        self._stores = stores
        self._repo_list = repo_list
        self._blobs = blobs
        self._sessions = sessions
        self._browsers = browsers
        self._oauth_requests = oauth_requests
        self._oauth_sessions = oauth_sessions
        self._permission_sets = permission_sets
        self._email_codes = email_codes
        self._security_events = security_events
        self._quarantine = quarantine
        self._deletions = deletions
        self._keys = keys
        self._due_deletions = due_deletions
        self._retention = retention_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self.swept_at: int | None = None

    def start(self) -> None:
        """Begin; to be called on the event loop."""
        self._tasks = [
            asyncio.create_task(_every(SETTLE_SECONDS, self.settle)),
            asyncio.create_task(_every(SWEEP_SECONDS, self.sweep)),
            asyncio.create_task(_every(DELETE_SECONDS, self.delete_due, at_once=True)),
        ]

    async def stop(self) -> None:
        """End, and settle once more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.settle()

    async def settle(self) -> None:
        """Put the repositories' files on the disk, and note failed sign-ins and uses of sessions.

        Requests of apps that are over are forgotten, too: anybody may begin one.
        """
        # The heads first: what changes after them is replayed at start, and noted then.
        await self._repo_list.flush()
        await self._log.settle()
        await self._security_events.write_failures()
        await self._oauth_sessions.write_uses()
        await self._oauth_requests.forget_expired()

    async def delete_due(self) -> None:
        """Delete the accounts that their owners wanted deleted by now."""
        await self._due_deletions.run()

    async def sweep(self) -> None:
        """Forget events, sessions, sign-ins, codes and keys past their time, and remove blobs unused for a day."""
        before = int((time.time() - self._retention) * 1_000_000)
        await self._log.call(lambda: self._sequencer.prune_before(before))
        await self._sessions.forget_expired()
        await self._browsers.forget_expired()
        await self._oauth_sessions.forget_over()
        await self._permission_sets.forget_unused()
        await self._email_codes.forget_expired()
        await self._security_events.forget_old()
        await self._deletions.resume()
        await asyncio.to_thread(self._keys.forget_unclaimed_keys, time.time())
        for did in await asyncio.to_thread(lambda: list(self._stores.dids())):
            await self._sweep_account(Did(did))
            await asyncio.sleep(_PAUSE_BETWEEN_ACCOUNTS)
        await self._blobs.clear_strays()
        self.swept_at = now_us()

    async def _sweep_account(self, did: Did) -> None:
        try:
            await self._quarantine.sweep(did)
            await self._blobs.collect_garbage(did)
        except (NotFound, RepoNotFound):
            return  # deleted since its file was listed
        except Exception as error:  # noqa: BLE001 - a damaged file of one account must not keep the others from it
            _log.error("upkeep.account_failed", did=did, error=repr(error))


async def _every(seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    pause = 0.0 if at_once else seconds
    while True:
        await asyncio.sleep(pause)
        pause = seconds
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - it is tried again next time
            _log.error("upkeep.failed", work=getattr(work, "__name__", "work"), error=repr(error))
