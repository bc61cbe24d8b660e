"""Permission sets that somebody here has granted, as their publishers said them last.

They are kept when they are granted, follow what their publishers say whenever these are heard, and are forgotten once
nothing rests on them any more. What strangers merely ask for is not kept. The row of a set that is in use is written
once a day at most, unless it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.oauth.stored_permission_sets import read_set, write_set
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore

_DAY: Final = 24 * 60 * 60 * SECOND
UNUSED_DAYS: Final = 100
"""A session that lives for long is refreshed within three months, or ends."""


class KeptPermissionSets:
    """Know the sets.

    Args:
        clock: the time in microseconds since 1970.
    """

    def __init__(self, store: AccountStore, writer: AccountWriter, clock: Callable[[], int]) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock

    def get(self, nsid: str) -> PermissionSet | None:
        """Give a set; None when nobody here has granted it."""
        kept = self._store.oauth_permission_sets.get(nsid)
        return None if kept is None else read_set(nsid, kept.document)

    async def note(self, found: PermissionSet) -> None:
        """Note what a publisher says of a set that is kept, and that it is still of use."""
        kept = self._store.oauth_permission_sets.get(found.nsid)
        if kept is None:
            return
        document, now = write_set(found), self._clock()
        if document != kept.document or now - kept.used_at >= _DAY:
            await self._writer.run(self._store.oauth_permission_sets.put, found.nsid, document, now)

    async def forget_unused(self) -> None:
        """Sweep out the sets that nothing rests on any more."""
        before = self._clock() - UNUSED_DAYS * _DAY
        await self._writer.run(self._store.oauth_permission_sets.delete_unused, before)
