"""Permission sets (`include:`): found on the network, and remembered.

A set is asked for anew when what is remembered of it is five minutes old, so that its publisher's changes reach apps
with their next token. While he cannot be reached, what he last said holds: for a day in memory, and for as long as it
is of use where somebody here has granted it (`kept_permission_sets`). A set that he has withdrawn is not granted to
anybody any more; who was granted it before keeps what it stood for, as the reference has it: a domain that lapsed must
not end what people do with their apps. A publisher who wants that ended publishes less.

Questions for one set at one time are asked once, and `MAX_OUTSIDE` bounds those under way, as anybody may send a
request that names sets. Of one owner's domain are `MAX_OF_ONE_OWNER` of them at most: whoever lets his name servers
sleep must not hold up the sets of others. Nobody waits long for a publisher whose last word is at hand.

https://atproto.com/specs/permission#resolution-and-caching
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.lexicon.documents import Document
from tempest_pds.protocol.oauth.errors import InvalidPermissionSet, InvalidScope
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.errors import Busy, NotFound, RemoteError, TimedOut
from tempest_pds.remote.lexicon_resolver import LexiconResolver, PublishedLexicon
from tempest_pds.remote.slots import Slots
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.kept_permission_sets import KeptPermissionSets
from tempest_pds.services.oauth.stored_permission_sets import write_set

FRESH_SECONDS: Final = 5 * 60.0
RETRY_SECONDS: Final = 60.0
LOOK_UP_SECONDS: Final = 10.0
"""For how long a set is looked up: name servers, directories and hosts together may take longer than clients wait."""
PATIENCE_SECONDS: Final = 3.0
"""For how long a publisher is waited for whose last word is at hand."""
MAX_SETS: Final = 32
"""Values of `include:` that one request may have, which may name the same set."""
MAX_SET_BYTES: Final = 64 * 1024
"""Of one published set, and of all that a request names: each step of it, and each call later, goes through them."""
MAX_PERMISSIONS: Final = 500
"""Of all sets that a request names: each is read anew wherever what a session may do is looked at."""
MAX_OUTSIDE: Final = 32
MAX_OF_ONE_OWNER: Final = 8
SLOT_SECONDS: Final = 3.0
"""For how long a question waits for those under way."""
_MAX_OUTAGES: Final = 512
_MAX_REASON: Final = 200


class PermissionSetUnavailable(InvalidScope):
    """A permission set that cannot be had now, and may be had in a while."""


class _Found(NamedTuple):
    """A set, and how many bytes a stranger had published for it."""

    set: PermissionSet
    size: int


class PermissionSets:
    """Find what the `include:` values of a set of scopes stand for.

    Args:
        lexicons: goes to the publishers, and remembers for a day what they said.
        kept: knows what they said last of sets that were granted here.
        added: gives a document that the operator has added, which is believed before any publisher's.
        clock: seconds that only rise.
        slot_seconds: that a question waits for those under way.
    """

    def __init__(
        self,
        lexicons: LexiconResolver,
        kept: KeptPermissionSets,
        added: Callable[[str], Document | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        slot_seconds: float = SLOT_SECONDS,
    ) -> None:
        self._lexicons = lexicons
        self._kept = kept
        self._added = added
        self._clock = clock
        self._slots = Slots(MAX_OUTSIDE, MAX_OF_ONE_OWNER, seconds=slot_seconds)
        self._outages: dict[str, float] = {}

    async def find(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Find each set that is named, by NSID, for somebody who is to grant them.

        Raises:
            PermissionSetUnavailable: one cannot be had now.
            InvalidScope: one is not published, and why, or what is published is not a permission set; or they are too
                many or too large.
            NotEnoughResources: too many are being looked up.
        """
        return await self._find_each(scopes, self._grantable)

    async def find_granted(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Find each set that was granted before, as it was last where it cannot be had; raises as `find` does."""
        return await self._find_each(scopes, self._granted)

    def at_hand(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Give those of the sets that were granted here, as they were last, without asking anybody."""
        kept = {include.nsid: self._kept.get(include.nsid) for include in scopes.includes}
        return {nsid: found for nsid, found in kept.items() if found is not None}

    async def _find_each(
        self, scopes: ScopeSet, find: Callable[[str], Awaitable[_Found]]
    ) -> Mapping[str, PermissionSet]:
        includes = scopes.includes
        if len(includes) > MAX_SETS:
            raise InvalidScope(f"more than {MAX_SETS} permission sets")
        nsids = list(dict.fromkeys(include.nsid for include in includes))
        found = dict(zip(nsids, await asyncio.gather(*map(find, nsids)), strict=True))
        _check_size(sum(found[include.nsid].size for include in includes))
        if sum(len(found[include.nsid].set.permissions) for include in includes) > MAX_PERMISSIONS:
            raise InvalidScope("permission sets that are too large")
        # Each permission that leaves it to the request names the audience that stands there.
        _check_size(sum(len(found[each.nsid].set.permissions) * len(each.audience or "") for each in includes))
        return {nsid: each.set for nsid, each in found.items()}

    async def _granted(self, nsid: str) -> _Found:
        try:
            return await self._grantable(nsid)
        except InvalidScope:
            kept = await self._recalled(nsid)
            if kept is None:
                raise
            return kept

    async def _grantable(self, nsid: str) -> _Found:
        document = self._added(nsid)
        if document is not None:
            return await self._noted(_Found(_read(nsid, document), 0))
        try:
            published = await self._published(Nsid.parse(nsid))
        except (NotFound, InvalidSyntax) as error:
            # What DNS said, for one: to a name server that knows no other names than its own, nothing is published.
            why = str(error)[:_MAX_REASON]
            raise InvalidScope(f"the permission set {nsid} is not published: {why}") from error
        except RemoteError as error:
            kept = await self._recalled(nsid)
            if kept is None:
                raise PermissionSetUnavailable(f"the permission set {nsid} cannot be had now") from error
            return kept
        _check_size(len(published.block))
        return await self._noted(_Found(_read(nsid, published.document), len(published.block)))

    async def _recalled(self, nsid: str) -> _Found | None:
        """Give a set as it was last."""
        kept = self._kept.get(nsid)
        return None if kept is None else await self._noted(_Found(kept, len(write_set(kept))))

    async def _noted(self, found: _Found) -> _Found:
        await self._kept.note(found.set)
        return found

    async def _published(self, nsid: Nsid) -> PublishedLexicon:
        remembered = self._lexicons.knows(nsid)
        has_spare = remembered or self._kept.get(nsid) is not None
        if not (has_spare and self._is_out(nsid)):
            try:
                return await self._heard(nsid, has_spare=has_spare)
            except NotFound:
                raise
            except RemoteError:
                if not has_spare:
                    raise
                self._note_outage(nsid)
        if not remembered:
            raise TimedOut("its publisher does not answer")
        return await self._lexicons.resolve(nsid)

    async def _heard(self, nsid: Nsid, *, has_spare: bool) -> PublishedLexicon:
        needs_slot = not has_spare and not self._lexicons.is_asked(nsid)
        give_back = await self._slot(nsid) if needs_slot else None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if has_spare else LOOK_UP_SECONDS):
                return await self._lexicons.resolve(nsid, max_age=FRESH_SECONDS)
        except TimeoutError as error:
            # What comes later is remembered for whoever asks next.
            raise TimedOut("its publisher does not answer in time") from error
        finally:
            if give_back is not None:
                give_back()

    async def _slot(self, nsid: Nsid) -> Callable[[], None]:
        try:
            return await self._slots.take(_owner(nsid))
        except Busy as error:
            raise NotEnoughResources("Too many permission sets are being looked up, try again in a moment") from error

    def _is_out(self, nsid: str) -> bool:
        return self._clock() < self._outages.get(nsid, 0.0)

    def _note_outage(self, nsid: str) -> None:
        """Remember that a publisher cannot be reached, so that not everybody waits for him."""
        if len(self._outages) >= _MAX_OUTAGES:
            self._outages.clear()
        self._outages[nsid] = self._clock() + RETRY_SECONDS


def _owner(nsid: Nsid) -> str:
    """Give what one owner has of the names: the first two segments, which are a domain turned around."""
    return ".".join(nsid.lower().split(".")[:2])


def _check_size(size: int) -> None:
    if size > MAX_SET_BYTES:
        raise InvalidScope("permission sets that are too large")


def _read(nsid: str, document: Document) -> PermissionSet:
    try:
        return PermissionSet.parse(nsid, document)
    except InvalidPermissionSet as error:
        raise InvalidScope(f"not a permission set: {nsid}") from error
