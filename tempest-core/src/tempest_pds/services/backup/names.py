"""What backups are called, and which of them may go."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tempest_pds_plugins.backup_sink import BackupStat
from tempest_pds_plugins.keys import MAX_NAME_LENGTH

ENCRYPTED_SUFFIX: Final = ".age"
_NAME: Final = re.compile(r"tempest-(?P<host>.+)-(?P<time>\d{8}T\d{6}Z)\.tar(?:\.age)?\Z")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_MAX_HOST: Final = MAX_NAME_LENGTH - len("tempest--20260101T000000Z.tar") - len(ENCRYPTED_SUFFIX)


def name_for(hostname: str, moment: datetime, *, encrypted: bool) -> str:
    """Name the backup of a server at a moment; names of one server sort by time."""
    suffix = ENCRYPTED_SUFFIX if encrypted else ""
    return f"tempest-{hostname[:_MAX_HOST]}-{moment.astimezone(UTC).strftime(_TIME)}.tar{suffix}"


def made_at(name: str, hostname: str | None = None) -> datetime | None:
    """Tell when a backup was made; None for anything else, and for one of another server than `hostname`."""
    match = _NAME.match(name)
    if match is None or hostname not in (None, match["host"]):
        return None
    try:
        return datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_of(name: str, hostname: str) -> bool:
    """Tell whether this is a backup of this server."""
    return made_at(name, hostname[:_MAX_HOST]) is not None


@dataclass(frozen=True, slots=True)
class Retention:
    """How many backups are kept: the newest `count`, and whatever is younger than `days`; at least one."""

    count: int = 7
    days: int = 0

    def superfluous(self, backups: Iterable[BackupStat], hostname: str, now: datetime) -> list[str]:
        """Return the names of those that may go, the oldest first. What is not of this server always stays."""
        dated = [
            (moment, stat.name) for stat in backups if (moment := made_at(stat.name, hostname[:_MAX_HOST])) is not None
        ]
        dated.sort(reverse=True)
        young = now - timedelta(days=self.days)
        return [name for moment, name in dated[max(1, self.count) :] if moment < young][::-1]
