"""Accounts as the tests of the stores want them."""

from __future__ import annotations

from typing import Any

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account

ALICE = Did("did:plc:alice")
BOB = Did("did:plc:bob")


def add(store: AccountStore, did: str, name: str | None = None, *, created_at: int = 1, **fields: Any) -> Account:
    name = name or did.rpartition(":")[2]
    values: dict[str, Any] = {"handle": Handle(f"{name}.test"), "email": f"{name}@example.com", **fields}
    account = Account(did=Did(did), created_at=created_at, **values)
    store.accounts.create(account)
    return account
