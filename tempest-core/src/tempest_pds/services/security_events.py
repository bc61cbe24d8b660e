"""What happened to the safety of an account, for its owner to read: who signed in, what was changed, which app came.

Events are kept for 90 days, and of each kind an account's newest 100: what happens again and again is therefore noted
once a day. Failed sign-ins are counted in memory and written down by the upkeep, so that nobody can tell from what a
wrong password costs the server whether there is such an account.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.security_events import EventRow

KEPT_DAYS: Final = 90
OFTEN: Final[Mapping[EventKind, int]] = {EventKind.SIGN_IN_FAILED: 10, EventKind.SECOND_FACTOR_FAILED: 3}
"""As many failures, of passwords within an hour and of second factors within a day, are noted as one event."""

_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US
# Who has the password may guess at twenty codes a day: one an hour must not go unseen.
_WITHIN: Final[Mapping[EventKind, int]] = {EventKind.SIGN_IN_FAILED: _HOUR_US, EventKind.SECOND_FACTOR_FAILED: _DAY_US}
_MOST_COUNTED: Final = 10_000
# Of a user agent, and of each fact of a detail: strangers choose some of them.
_LONGEST: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One event; `happened_at` in microseconds since 1970, `detail` by the kind, never a secret."""

    kind: str
    detail: Mapping[str, str]
    client_ip: str | None
    user_agent: str | None
    happened_at: int


@dataclass(slots=True)
class _Failures:
    """Of one account and kind, since a time; `origin` is that of the last one."""

    since: int
    origin: Origin
    count: int = 0
    noted: bool = False


class SecurityEvents:
    """Note and list events.

    Args:
        now: microseconds since 1970.
    """

    def __init__(self, store: AccountStore, writer: AccountWriter, now: Callable[[], int] = now_us) -> None:
        self._store = store
        self._writer = writer
        self._now = now
        self._failures: dict[tuple[Did, EventKind], _Failures] = {}

    async def note(
        self, did: Did, kind: EventKind, *, client_ip: str | None = None, user_agent: str | None = None, **detail: str
    ) -> None:
        """Note an event. An account that has been deleted meanwhile is no error."""
        await self._writer.run(self.add, did, kind, Origin(client_ip=client_ip, user_agent=user_agent), **detail)

    async def note_once_a_day(self, did: Did, kind: EventKind, origin: Origin, **detail: str) -> None:
        """Note an event as `add_once_a_day` does. An account that has been deleted meanwhile is no error."""
        await self._writer.run(self.add_once_a_day, did, kind, origin, **detail)

    def list_for(self, did: Did, newest: int = 100, of_each_kind: int = 10) -> list[SecurityEvent]:
        """List the newest events of an account, and more of the kinds that are rare among them; the newest first."""
        return [
            SecurityEvent(
                kind=row.kind,
                detail=json.loads(row.detail),
                client_ip=row.client_ip,
                user_agent=row.user_agent,
                happened_at=row.happened_at,
            )
            for row in self._store.security_events.list(did, newest, of_each_kind)
        ]

    def count_failure(self, did: Did, kind: EventKind, origin: Origin) -> None:
        """Count a failure; when there are many they become one event as the upkeep comes by, and one a day at most."""
        failures = self._failures.get((did, kind))
        if failures is None:
            if len(self._failures) >= _MOST_COUNTED:
                # The oldest: were the newest left out, who fills the table could then try passwords unseen.
                del self._failures[next(iter(self._failures))]
            failures = self._failures[did, kind] = _Failures(self._now(), origin)
        failures.count += 1
        failures.origin = origin

    async def write_failures(self) -> None:
        """Note what failed often, and forget what is long past; for the upkeep."""
        now = self._now()
        for key, failures in list(self._failures.items()):
            if not failures.noted and failures.count >= OFTEN[key[1]]:
                failures.noted = True
                await self._writer.run(self.add, *key, failures.origin)
            elif now - failures.since > (_DAY_US if failures.noted else _WITHIN[key[1]]):
                self._failures.pop(key, None)

    async def forget_old(self) -> None:
        """Sweep out events past their time."""
        await self._writer.run(self._store.security_events.delete_older_than, self._now() - KEPT_DAYS * _DAY_US)

    # In the thread that writes accounts

    def add(self, did: Did, kind: EventKind, origin: Origin = NOWHERE, **detail: str) -> None:
        """Note an event in the transaction of what it tells, or in one of its own."""
        self._add(did, self._row(kind, origin, detail))

    def add_once_a_day(self, did: Did, kind: EventKind, origin: Origin = NOWHERE, **detail: str) -> bool:
        """Note an event, unless one of the same detail from the same address was noted within a day; tell whether."""
        row = self._row(kind, origin, detail)
        if self._store.security_events.has_alike(did, row, row.happened_at - _DAY_US):
            return False
        return self._add(did, row)

    def _row(self, kind: EventKind, origin: Origin, detail: Mapping[str, str]) -> EventRow:
        agent = origin.user_agent
        return EventRow(
            kind=kind.value,
            detail=json.dumps({name: value[:_LONGEST] for name, value in sorted(detail.items())}),
            client_ip=origin.client_ip,
            user_agent=None if agent is None else agent[:_LONGEST],
            happened_at=self._now(),
        )

    def _add(self, did: Did, row: EventRow) -> bool:
        with self._store.transaction():
            if self._store.accounts.get(did) is None:
                return False
            self._store.security_events.add(did, row)
        return True
