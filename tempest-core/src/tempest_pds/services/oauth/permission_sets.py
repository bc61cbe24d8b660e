"""Permission sets (`include:`): found on the network, remembered for a while, and expanded.

A set is asked for anew when what is remembered of it is five minutes old, so that its publisher's changes reach apps
with their next token. While he cannot be reached, what he last said holds for a day; a set that he has withdrawn is not
given out any more. Questions for one set at one time are asked once, and `MAX_OUTSIDE` bounds those
under way, as anybody may send a request that names sets. Of one owner's domain are `MAX_OF_ONE_OWNER` of them at most:
whoever lets his name servers sleep must not hold up the sets of others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.lexicon.documents import Document
from tempest_pds.protocol.oauth.errors import InvalidPermissionSet, InvalidScope
from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.errors import Busy, NotFound, RemoteError
from tempest_pds.remote.lexicon_resolver import LexiconResolver, PublishedLexicon
from tempest_pds.remote.slots import Slots
from tempest_pds.services.errors import NotEnoughResources

FRESH_SECONDS: Final = 5 * 60.0
RETRY_SECONDS: Final = 60.0
MAX_SETS: Final = 32
"""Values of `include:` that one request may have, which may name the same set."""
MAX_SET_BYTES: Final = 64 * 1024
"""Of one published set, and of all that a request names: each step of it, and each call later, goes through them."""
MAX_PERMISSIONS: Final = 500
"""Of all sets that a request names: each is read anew wherever what a session may do is looked at."""
MAX_OUTSIDE: Final = 32
MAX_OF_ONE_OWNER: Final = 8
PATIENCE_SECONDS: Final = 3.0
_MAX_OUTAGES: Final = 512
_MAX_REASON: Final = 200


class PermissionSetUnavailable(InvalidScope):
    """A permission set that cannot be had now, and may be had in a while. What it was last expanded to may stand."""


class PermissionSets:
    """Find what the `include:` values of a set of scopes stand for.

    Args:
        lexicons: goes to the publishers, and remembers for a day what they said.
        added: gives a document that the operator has added, which is believed before any publisher's.
        clock: seconds that only rise.
        patience: seconds that a question waits for those under way.
    """

    def __init__(
        self,
        lexicons: LexiconResolver,
        added: Callable[[str], Document | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._lexicons = lexicons
        self._added = added
        self._clock = clock
        self._questions: dict[Nsid, asyncio.Task[PublishedLexicon]] = {}
        self._slots = Slots(MAX_OUTSIDE, MAX_OF_ONE_OWNER, seconds=patience)
        self._outages: dict[str, float] = {}

    async def find(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Find each set that is named, by NSID.

        Raises:
            PermissionSetUnavailable: one cannot be had now.
            InvalidScope: one is not published, and why, or what is published is not a permission set; or they are too
                many or too large.
            NotEnoughResources: too many are being looked up.
        """
        includes = scopes.includes
        if len(includes) > MAX_SETS:
            raise InvalidScope(f"more than {MAX_SETS} permission sets")
        nsids = list(dict.fromkeys(include.nsid for include in includes))
        sources = dict(zip(nsids, await asyncio.gather(*map(self._source, nsids)), strict=True))
        _check_size(sum(_size(sources[include.nsid]) for include in includes))
        found = {nsid: _read(nsid, source) for nsid, source in sources.items()}
        if sum(len(found[include.nsid].permissions) for include in includes) > MAX_PERMISSIONS:
            raise InvalidScope("permission sets that are too large")
        # Each permission that leaves it to the request names the audience that stands there.
        _check_size(sum(len(found[include.nsid].permissions) * len(include.audience or "") for include in includes))
        return found

    async def expand(self, scopes: ScopeSet) -> ScopeSet:
        """Give the scopes with every `include:` replaced by what it stands for; raises as `find` does."""
        return scopes.expanded(await self.find(scopes))

    async def _source(self, nsid: str) -> Document | PublishedLexicon:
        document = self._added(nsid)
        if document is not None:
            return document
        try:
            return await self._published(Nsid.parse(nsid))
        except (NotFound, InvalidSyntax) as error:
            # What DNS said, for one: to a name server that knows no other names than its own, nothing is published.
            why = str(error)[:_MAX_REASON]
            raise InvalidScope(f"the permission set {nsid} is not published: {why}") from error
        except RemoteError as error:
            raise PermissionSetUnavailable(f"the permission set {nsid} cannot be had now") from error

    async def _published(self, nsid: Nsid) -> PublishedLexicon:
        if self._is_out(nsid) and self._lexicons.knows(nsid):
            return await self._lexicons.resolve(nsid)
        try:
            return await self._ask(nsid)
        except NotFound:
            raise
        except RemoteError:
            if not self._lexicons.knows(nsid):
                raise
            self._note_outage(nsid)
            return await self._lexicons.resolve(nsid)

    async def _ask(self, nsid: Nsid) -> PublishedLexicon:
        if self._lexicons.knows(nsid):
            return await self._lexicons.resolve(nsid, max_age=FRESH_SECONDS)
        question = self._questions.get(nsid)
        if question is None:
            question = self._questions[nsid] = asyncio.create_task(self._ask_in_turn(nsid))
            question.add_done_callback(lambda done: self._finish(nsid, done))
        # Shielded: others may wait for the same answer.
        return await asyncio.shield(question)

    async def _ask_in_turn(self, nsid: Nsid) -> PublishedLexicon:
        try:
            give_back = await self._slots.take(_owner(nsid))
        except Busy as error:
            raise NotEnoughResources("Too many permission sets are being looked up, try again in a moment") from error
        try:
            return await self._lexicons.resolve(nsid, max_age=FRESH_SECONDS)
        finally:
            give_back()

    def _finish(self, nsid: Nsid, question: asyncio.Task[PublishedLexicon]) -> None:
        del self._questions[nsid]
        if not question.cancelled():
            question.exception()  # looked at, or asyncio complains that nobody did

    def _is_out(self, nsid: Nsid) -> bool:
        return self._clock() < self._outages.get(nsid, 0.0)

    def _note_outage(self, nsid: Nsid) -> None:
        """Remember that a publisher cannot be reached, so that not everybody waits for him."""
        if len(self._outages) >= _MAX_OUTAGES:
            self._outages.clear()
        self._outages[nsid] = self._clock() + RETRY_SECONDS


def _owner(nsid: Nsid) -> str:
    """Give what one owner has of the names: the first two segments, which are a domain turned around."""
    return ".".join(nsid.lower().split(".")[:2])


def _size(source: Document | PublishedLexicon) -> int:
    """Give the bytes of what a stranger has published."""
    return len(source.block) if isinstance(source, PublishedLexicon) else 0


def _check_size(size: int) -> None:
    if size > MAX_SET_BYTES:
        raise InvalidScope("permission sets that are too large")


def _read(nsid: str, source: Document | PublishedLexicon) -> PermissionSet:
    try:
        return PermissionSet.parse(nsid, source.document if isinstance(source, PublishedLexicon) else source)
    except InvalidPermissionSet as error:
        raise InvalidScope(f"not a permission set: {nsid}") from error
