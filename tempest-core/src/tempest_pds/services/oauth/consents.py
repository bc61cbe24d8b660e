"""What account owners have allowed their clients, remembered beyond the session it was given for."""

from __future__ import annotations

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did


class Consents:
    """Remember and forget consents."""

    def granted(self, did: Did, client_id: str) -> ScopeSet | None:
        """Tell what an account has allowed a client; None when it was never asked, or has taken it back."""
        raise NotImplementedError
