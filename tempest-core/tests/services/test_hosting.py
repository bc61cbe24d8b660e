"""Accounts that are remembered between requests, and forgotten when any changes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.services.hosting import Hosting
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, Accounts

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")


@pytest.fixture
def reads() -> list[str]:
    return []


@pytest.fixture
def accounts(tmp_path: Path, reads: list[str]) -> Iterator[Accounts]:
    store = AccountStore(
        tmp_path / "account.sqlite", observe=lambda kind, operation, seconds: reads.append(operation), synchronous="OFF"
    )
    store.accounts.create(Account(did=ALICE, handle=Handle("alice.test"), created_at=1))
    reads.clear()
    yield store.accounts
    store.close()


def test_an_account_is_read_once(accounts: Accounts, reads: list[str]) -> None:
    hosting = Hosting(accounts)
    assert hosting.find(ALICE) == hosting.find(ALICE) == accounts.get(ALICE)
    assert hosting.find("alice.test") == hosting.find("alice.test")
    assert hosting.status(ALICE) == "active"
    assert reads == ["read", "read", "read"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda accounts: accounts.deactivate(ALICE, 2), "deactivated"),
        (lambda accounts: accounts.set_suspended(ALICE, 2), "suspended"),
        (lambda accounts: accounts.set_takedown(ALICE, "ticket"), "takendown"),
        (lambda accounts: accounts.delete(ALICE), None),
    ],
)
def test_a_change_is_seen_at_once(accounts: Accounts, change: Callable[[Accounts], bool], status: str | None) -> None:
    hosting = Hosting(accounts)
    assert hosting.status(ALICE) == "active"
    assert change(accounts)
    assert hosting.status(ALICE) == status


def test_a_handle_leads_to_whom_it_belongs_now(accounts: Accounts) -> None:
    hosting = Hosting(accounts)
    assert hosting.find("bob.test") is None
    accounts.set_handle(ALICE, Handle("bob.test"))
    found = hosting.find("bob.test")
    assert found is not None
    assert found.did == ALICE
    assert hosting.find("alice.test") is None


def test_an_account_that_was_not_there_is_found_once_it_is(accounts: Accounts) -> None:
    hosting = Hosting(accounts)
    bob = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
    assert hosting.find(bob) is None
    accounts.create(Account(did=bob, handle=None, created_at=2))
    assert hosting.find(bob) is not None


def test_what_strangers_ask_for_does_not_pile_up(accounts: Accounts, reads: list[str]) -> None:
    hosting = Hosting(accounts)
    for number in range(2_500):
        assert hosting.find(f"nobody{number}.test") is None
    hosting.find("nobody0.test")
    assert len(reads) == 2_501
