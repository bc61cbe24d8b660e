"""What account owners have allowed their clients, remembered beyond the session it was given for.

It is written where a request is granted, and forgotten with the client's last session when the owner wants that.
"""

from __future__ import annotations

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.account_store import AccountStore


class Consents:
    """Tell consents."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    def granted(self, did: Did, client_id: str) -> ScopeSet | None:
        """Tell what an account has allowed a client last; None when it was never asked, or has taken it back."""
        scope = self._store.oauth_consents.scope(did, client_id)
        return None if scope is None else ScopeSet.parse(scope)

    def clients(self, did: Did) -> list[str]:
        """Tell the clients that an account has allowed something, which they may come back for without asking."""
        return self._store.oauth_consents.clients(did)
