"""The DID documents that this server is the source of: its own, and those of accounts with a did:web here."""

from typing import Any

from tempest_pds.protocol.identity.did_document import (
    PDS_SERVICE_ID,
    PDS_SERVICE_TYPE,
    build_did_document,
    format_did_document,
)
from tempest_pds.protocol.identity.did_web import did_web_host
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.key_files import KeyFiles


class HostedDocuments:
    """Make the documents that a did:web of this server leads to.

    Args:
        public_url: the origin of this server, as documents name it.
    """

    def __init__(self, store: AccountStore, keys: KeyFiles, rules: HandleRules, own_did: Did, public_url: str) -> None:
        self._store = store
        self._keys = keys
        self._rules = rules
        self._own_did = own_did
        self._public_url = public_url

    def document(self, did: Did) -> dict[str, Any] | None:
        """Give the document of a did:web that is answered for here; None for any other DID.

        An account that was deleted has no document any more, and neither has one on a domain that is not ours.
        """
        if did == self._own_did:
            return format_did_document(did, [], {}, {PDS_SERVICE_ID: (PDS_SERVICE_TYPE, self._public_url)})
        name, account = self.name_in(did), self._store.accounts.get(did)
        if name is None or account is None:
            return None
        key = self._keys.signing_key(did).public.did_key
        return build_did_document(did, account.handle or name, key, self._public_url)

    def name_in(self, did: Did) -> Handle | None:
        """Give the hosted name that a did:web is made from; None for any other DID."""
        if did.method != "web" or not Handle.is_valid(did.identifier):
            return None
        name = Handle.parse(did_web_host(did)[0])
        return name if self._rules.is_hosted(name) else None
