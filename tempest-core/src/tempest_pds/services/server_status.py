"""How the server is doing, for its operator: `GET /xrpc/_admin/status`, and the pages at /admin.

The report is plain JSON and a stable one: members may be added, never renamed. It tells no secret, and no path of the
file system; who reads it holds the administrator's token all the same, for it tells of accounts and of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.remote.relays import Relays, RelayStanding
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.status_problems import Circumstances, problems_of
from tempest_pds.services.storage_usage import StorageUsage
from tempest_pds.services.timestamps import to_datetime
from tempest_pds.services.upkeep import Upkeep
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import AccountStatus
from tempest_pds.stores.directory_sizes import DirectorySizes
from tempest_pds.stores.sequencer.store import SequencerStore

Source = Callable[[], Mapping[str, Any] | None]
"""Gives a part of the report, JSON-able; None when there is no such thing here. A member `problems`, if there is one,
is a list of lines that join the report's own."""

LOCAL: Final = "local"


def nothing() -> None:
    """Be the source of a part that this server does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """What does not change while the server runs."""

    version: str
    hostname: str
    public_url: str
    did: str
    blob_store: str
    firehose_retention_hours: int
    firehose_max_lag: int
    circumstances: Circumstances


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """Makes the report from what every part says of itself when it is asked.

    Args:
        plugins: the loaded plugins, as the report shows them.
        backups: tells of them; a time since which none succeeded is for it to judge, and a line in its `problems`.
        mail: tells what waits and what could not be delivered.
        clock: seconds since 1970.
    """

    facts: StatusFacts
    accounts: AccountStore
    sequencer: SequencerStore
    firehose: Firehose
    repos: OpenRepos
    relays: Relays
    storage: StorageUsage
    upkeep: Upkeep
    plugins: Sequence[Mapping[str, Any]]
    started_at: float
    backups: Source = nothing
    mail: Source = nothing
    clock: Callable[[], float] = time.time

    async def report(self) -> dict[str, Any]:
        """Give the report. Waits some seconds for the storage to be measured, a minute's measurement at most is kept.

        Times are ISO 8601 in UTC, sizes bytes. A part that is not configured, or not known yet, is null.
        """
        sizes = await self.storage.current()
        facts = self.facts
        now = self.clock()
        standings = self.relays.standings()
        report: dict[str, Any] = {
            "version": facts.version,
            "hostname": facts.hostname,
            "publicUrl": facts.public_url,
            "did": facts.did,
            "startedAt": _iso(self.started_at),
            "uptimeSeconds": max(0, int(now - self.started_at)),
            "accounts": self._count_accounts(),
            "repositories": {
                "total": None if sizes is None else sizes.repo_files,
                "notWritable": self.repos.not_writable(),
            },
            "sequencer": self._sequencer(),
            "firehose": {
                "subscribers": self.firehose.subscriber_count,
                "retentionHours": facts.firehose_retention_hours,
                "maxLag": facts.firehose_max_lag,
            },
            "blobStore": self._blob_store(sizes),
            "storage": None if sizes is None else self._storage(sizes, now),
            "upkeep": {"sweptAt": None if self.upkeep.swept_at is None else to_datetime(self.upkeep.swept_at)},
            "relays": [_relay(standing) for standing in standings],
            "backups": _part(self.backups),
            "mail": _part(self.mail),
            "plugins": [dict(plugin) for plugin in self.plugins],
        }
        report["problems"] = problems_of(report, facts.circumstances)
        return report

    async def request_crawls(self) -> list[dict[str, Any]]:
        """Ask every relay to crawl this server now, and tell what they answered."""
        return [_relay(standing) for standing in await self.relays.ask_now()]

    def _count_accounts(self) -> dict[str, int]:
        counts = self.accounts.accounts.count_by_status()
        return {
            "total": sum(counts.values()),
            "active": counts[AccountStatus.ACTIVE],
            "deactivated": counts[AccountStatus.DEACTIVATED],
            "suspended": counts[AccountStatus.SUSPENDED],
            "takendown": counts[AccountStatus.TAKENDOWN],
        }

    def _sequencer(self) -> dict[str, int | None]:
        last, applied = self.sequencer.last_seq(), self.sequencer.applied_seq()
        return {
            "lastSeq": last,
            "firstSeq": self.sequencer.first_seq(),
            "appliedSeq": applied,
            "eventsBehind": max(0, last - applied),
        }

    def _blob_store(self, sizes: DirectorySizes | None) -> dict[str, Any]:
        # What a store elsewhere holds would take a listing of the whole of it to know.
        if self.facts.blob_store != LOCAL or sizes is None:
            return {"name": self.facts.blob_store, "bytes": None, "freeBytes": None}
        return {"name": LOCAL, "bytes": sizes.parts["blobs/"], "freeBytes": sizes.disk_free}

    def _storage(self, sizes: DirectorySizes, now: float) -> dict[str, Any]:
        return {
            "measuredAt": _iso(now - self.storage.age),
            "parts": dict(sizes.parts),
            "totalBytes": sizes.total,
            "diskFreeBytes": sizes.disk_free,
            "diskTotalBytes": sizes.disk_total,
            "largestRepositories": [{"did": did, "bytes": size} for did, size in sizes.largest_repos],
        }


def _part(source: Source) -> dict[str, Any] | None:
    part = source()
    return None if part is None else dict(part)


def _relay(standing: RelayStanding) -> dict[str, Any]:
    return {
        "url": standing.relay,
        "state": standing.state,
        "askedAt": None if standing.asked_at is None else _iso(standing.asked_at),
        "reason": standing.reason,
    }


def _iso(seconds: float) -> str:
    return to_datetime(int(seconds * 1_000_000))
