"""An e-mail address is anybody's until somebody confirms it: any history of accounts against a plain model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, EmailTaken

DIDS = st.sampled_from([Did(f"did:plc:{name}") for name in "abcde"])
NAMES = ("one@example.com", "two@example.com")
EMAILS = st.sampled_from([*NAMES, "ONE@example.com", "Two@Example.com"])
CONFIRMED = st.sampled_from([None, None, 7])


@dataclass
class Owner:
    """What the model knows of an account."""

    email: str
    confirmed: bool
    given_at: int


class Addresses(RuleBasedStateMachine):
    """Accounts come, change and confirm their addresses, and go."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = AccountStore(Path(self.folder.name) / "account.sqlite", synchronous="OFF")
        self.model: dict[Did, Owner] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def taken(self, did: Did, email: str) -> bool:
        return any(
            other != did and owner.confirmed and owner.email.lower() == email.lower()
            for other, owner in self.model.items()
        )

    @rule(did=DIDS, email=EMAILS, confirmed_at=CONFIRMED, created_at=st.integers(0, 3))
    def create(self, did: Did, email: str, confirmed_at: int | None, created_at: int) -> None:
        if did in self.model:
            return
        account = Account(did=did, handle=None, created_at=created_at, email=email, email_confirmed_at=confirmed_at)
        if confirmed_at is not None and self.taken(did, email):
            with pytest.raises(EmailTaken):
                self.store.accounts.create(account)
        else:
            self.store.accounts.create(account)
            self.model[did] = Owner(email, confirmed_at is not None, created_at)

    @rule(did=DIDS, email=EMAILS, confirmed_at=CONFIRMED, given_at=st.integers(0, 3))
    def change(self, did: Did, email: str, confirmed_at: int | None, given_at: int) -> None:
        if did in self.model and confirmed_at is not None and self.taken(did, email):
            with pytest.raises(EmailTaken):
                self.store.accounts.set_email(did, email, confirmed_at, given_at=given_at)
            return
        assert self.store.accounts.set_email(did, email, confirmed_at, given_at=given_at) is (did in self.model)
        if did in self.model:
            self.model[did] = Owner(email, confirmed_at is not None, given_at)

    @rule(did=DIDS)
    def confirm(self, did: Did) -> None:
        if did in self.model and self.taken(did, self.model[did].email):
            with pytest.raises(EmailTaken):
                self.store.accounts.confirm_email(did, 9)
            return
        assert self.store.accounts.confirm_email(did, 9) is (did in self.model)
        if did in self.model:
            self.model[did].confirmed = True

    @rule(did=DIDS)
    def delete(self, did: Did) -> None:
        assert self.store.accounts.delete(did) is (self.model.pop(did, None) is not None)

    @invariant()
    def an_address_leads_to_who_confirmed_it_or_else_to_who_has_it_longest(self) -> None:
        if not hasattr(self, "store"):
            return
        for name in NAMES:
            owners = {did: owner for did, owner in self.model.items() if owner.email.lower() == name}
            confirmed = [did for did, owner in owners.items() if owner.confirmed]
            assert len(confirmed) <= 1
            expected = confirmed or sorted(owners, key=lambda did: (owners[did].given_at, did))
            assert [account.did for account in self.store.accounts.with_email(name.upper(), 9)] == expected
            first = self.store.accounts.by_email(name)
            assert (None if first is None else first.did) == (expected[0] if expected else None)


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
