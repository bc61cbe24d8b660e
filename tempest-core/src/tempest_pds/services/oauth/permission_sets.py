"""Permission sets (`include:`): found on the network, remembered for a while, and expanded.

A set is asked for anew when what is remembered of it is five minutes old, so that its publisher's changes reach apps
with their next token. While he cannot be reached, what he last said holds for a day; a set that he has withdrawn is not
given out any more. Questions for one set at one time are asked once, and `MAX_OUTSIDE` bounds those
under way, as anybody may send a request that names sets.
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
from tempest_pds.remote.errors import NotFound, RemoteError
from tempest_pds.remote.lexicon_resolver import LexiconResolver, PublishedLexicon
from tempest_pds.services.outside_questions import OutsideQuestions

FRESH_SECONDS: Final = 5 * 60.0
RETRY_SECONDS: Final = 60.0
MAX_SETS: Final = 32
"""Sets that one request may name."""
MAX_SET_BYTES: Final = 64 * 1024
MAX_OUTSIDE: Final = 32
_MAX_OUTAGES: Final = 512


class PermissionSetUnavailable(InvalidScope):
    """A permission set that cannot be had now, and may be had in a while. What it was last expanded to may stand."""


class PermissionSets:
    """Find what the `include:` values of a set of scopes stand for.

    Args:
        lexicons: goes to the publishers, and remembers for a day what they said.
        added: gives a document that the operator has added, which is believed before any publisher's.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        lexicons: LexiconResolver,
        added: Callable[[str], Document | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lexicons = lexicons
        self._added = added
        self._clock = clock
        self._outside = OutsideQuestions(MAX_OUTSIDE, "permission sets")
        self._outages: dict[str, float] = {}

    async def find(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Find each set that is named, by NSID.

        Raises:
            PermissionSetUnavailable: one cannot be had now.
            InvalidScope: one is not published, or what is published is not a permission set; or they are too many.
            NotEnoughResources: too many are being looked up.
        """
        nsids = list(dict.fromkeys(include.nsid for include in scopes.includes))
        if len(nsids) > MAX_SETS:
            raise InvalidScope(f"more than {MAX_SETS} permission sets")
        found = await asyncio.gather(*map(self._find, nsids))
        return dict(zip(nsids, found, strict=True))

    async def expand(self, scopes: ScopeSet) -> ScopeSet:
        """Give the scopes with every `include:` replaced by what it stands for; raises as `find` does."""
        return scopes.expanded(await self.find(scopes))

    async def _find(self, nsid: str) -> PermissionSet:
        document = self._added(nsid)
        try:
            if document is None:
                document = _document(await self._published(Nsid.parse(nsid)))
            return PermissionSet.parse(nsid, document)
        except InvalidPermissionSet as error:
            raise InvalidScope(f"not a permission set: {nsid}") from error
        except (NotFound, InvalidSyntax) as error:
            raise InvalidScope(f"the permission set {nsid} is not published") from error
        except RemoteError as error:
            raise PermissionSetUnavailable(f"the permission set {nsid} cannot be had now") from error

    async def _published(self, nsid: Nsid) -> PublishedLexicon:
        if self._is_out(nsid) and self._lexicons.knows(nsid):
            return await self._lexicons.resolve(nsid)
        try:
            async with self._outside.asking(known=self._lexicons.knows(nsid)):
                return await self._lexicons.resolve(nsid, max_age=FRESH_SECONDS)
        except NotFound:
            raise
        except RemoteError:
            if not self._lexicons.knows(nsid):
                raise
            self._note_outage(nsid)
            return await self._lexicons.resolve(nsid)

    def _is_out(self, nsid: Nsid) -> bool:
        return self._clock() < self._outages.get(nsid, 0.0)

    def _note_outage(self, nsid: Nsid) -> None:
        """Remember that a publisher cannot be reached, so that not everybody waits for him."""
        if len(self._outages) >= _MAX_OUTAGES:
            self._outages.clear()
        self._outages[nsid] = self._clock() + RETRY_SECONDS


def _document(lexicon: PublishedLexicon) -> Document:
    if len(lexicon.block) > MAX_SET_BYTES:
        raise InvalidPermissionSet("it is too large")
    return lexicon.document
