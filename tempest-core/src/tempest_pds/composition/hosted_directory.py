"""What the small pages ask of the accounts: who a handle is, and the documents of did:web accounts."""

from __future__ import annotations

from collections.abc import Mapping

from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.stores.account.account_store import AccountStore


class HostedDirectory:
    """Answers `http.pages.service.Directory` from the store of accounts."""

    def __init__(self, store: AccountStore, documents: HostedDocuments) -> None:
        self._store = store
        self._documents = documents

    def did_of_handle(self, handle: Handle) -> Did | None:
        """Give the account of a handle that is hosted here, if it is active: as resolveHandle answers."""
        account = self._store.accounts.by_handle(handle)
        return account.did if account is not None and account.is_active else None

    def hosted_did_document(self, did: Did) -> Mapping[str, LexValue] | None:
        """Give the document of a did:web that this server answers for."""
        return self._documents.document(did)

    def check(self) -> None:
        """Raise when the database does not answer."""
        self._store.accounts.count()
