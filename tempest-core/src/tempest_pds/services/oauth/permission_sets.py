"""Permission sets (`include:`): found on the network, remembered for a while, and expanded."""

from __future__ import annotations

from collections.abc import Mapping

from tempest_pds.protocol.oauth.permission_set import PermissionSet
from tempest_pds.protocol.oauth.scope_set import ScopeSet


class PermissionSets:
    """Find what the `include:` values of a set of scopes stand for."""

    async def find(self, scopes: ScopeSet) -> Mapping[str, PermissionSet]:
        """Find each set that is named, by NSID; raise InvalidScope for one that cannot be had."""
        raise NotImplementedError

    async def expand(self, scopes: ScopeSet) -> ScopeSet:
        """Give the scopes with every `include:` replaced by what it stands for; raise InvalidScope."""
        return scopes.expanded(await self.find(scopes))
