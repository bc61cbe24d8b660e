"""Accounts, the outbox of their events, and the handles that are kept from them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_account import ALICE, BOB, add

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import AccountExists, AccountStatus, EmailTaken, HandleTaken
from tempest_pds.stores.account.app_passwords import AppPassword
from tempest_pds.stores.account.email_tokens import EmailTokenInvalid, EmailTokenPurpose

# Accounts


def test_an_account_is_found_by_did_handle_and_email_in_any_case(accounts: AccountStore) -> None:
    alice = add(accounts, ALICE, email_given_at=1)
    assert accounts.accounts.get(ALICE) == alice
    assert accounts.accounts.by_handle("ALICE.test") == alice
    assert accounts.accounts.by_email("Alice@Example.COM") == alice
    assert accounts.accounts.get(BOB) is None
    assert accounts.accounts.many([ALICE, BOB]) == {ALICE: alice}
    assert accounts.accounts.count() == 1


def test_did_and_handle_are_unique_in_any_case(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    with pytest.raises(AccountExists):
        add(accounts, ALICE, "other")
    with pytest.raises(HandleTaken):
        add(accounts, BOB, handle=Handle("ALICE.test"))
    assert accounts.accounts.count() == 1
    add(accounts, BOB)
    with pytest.raises(HandleTaken):
        accounts.accounts.set_handle(BOB, Handle("alice.test"))


def test_an_address_is_confirmed_by_one_account_in_any_case(accounts: AccountStore) -> None:
    store = accounts.accounts
    add(accounts, ALICE)
    add(accounts, BOB, email="ALICE@example.com")
    store.confirm_email(BOB, 1)
    with pytest.raises(EmailTaken):
        store.confirm_email(ALICE, 1)
    with pytest.raises(EmailTaken):
        store.set_email(ALICE, "Alice@Example.com", 1, given_at=1)
    with pytest.raises(EmailTaken):
        add(accounts, "did:plc:carol", email="alice@example.com", email_confirmed_at=1)
    store.set_email(ALICE, "Alice@Example.com", given_at=1)
    assert [account.did for account in store.with_email("alice@example.com", 9)] == [BOB]
    store.set_email(BOB, "bob@example.com", given_at=1)
    store.confirm_email(ALICE, 2)


def test_many_accounts_may_have_no_handle_and_no_email(accounts: AccountStore) -> None:
    for n in range(3):
        add(accounts, f"did:plc:{n}", handle=None, email=None)
    assert accounts.accounts.count() == 3


def test_accounts_are_counted_by_the_status_that_counts(accounts: AccountStore) -> None:
    add(accounts, "did:plc:1")
    add(accounts, "did:plc:2", deactivated_at=1)
    add(accounts, "did:plc:3", deactivated_at=1, suspended_at=1)
    add(accounts, "did:plc:4", takedown_ref="x")
    add(accounts, "did:plc:5", takedown_ref="x", suspended_at=1, deactivated_at=1)
    counted = accounts.accounts.count_by_status()
    assert counted == {
        AccountStatus.ACTIVE: 1,
        AccountStatus.DEACTIVATED: 1,
        AccountStatus.SUSPENDED: 1,
        AccountStatus.TAKENDOWN: 2,
    }
    statuses = [account.status for account in accounts.accounts.page(10)]
    assert counted == {status: statuses.count(status) for status in AccountStatus}


def test_a_deleted_account_frees_its_handle_and_takes_its_secrets_along(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    accounts.refresh_tokens.add("t", ALICE, "s", now=0, expires_at=10**18)
    accounts.app_passwords.create(AppPassword(ALICE, "phone", "hash", False, 1))
    accounts.email_tokens.put(ALICE, EmailTokenPurpose.DELETE_ACCOUNT, "ABCDE", 0)
    accounts.repo_heads.put_many([(ALICE, CID.for_raw(b"x"), "3a")])
    assert accounts.accounts.delete(ALICE)
    assert not accounts.accounts.delete(ALICE)
    assert accounts.refresh_tokens.get("t") is None
    assert accounts.app_passwords.list(ALICE) == []
    assert accounts.repo_heads.get(ALICE) is None
    with pytest.raises(EmailTokenInvalid):
        accounts.email_tokens.check(ALICE, EmailTokenPurpose.DELETE_ACCOUNT, "ABCDE", 1)
    add(accounts, BOB, "alice")


def test_a_takedown_hides_a_deactivation_and_gives_it_back(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    store = accounts.accounts

    def status() -> AccountStatus:
        account = store.get(ALICE)
        assert account is not None
        assert account.is_active == (account.status is AccountStatus.ACTIVE)
        return account.status

    assert status() is AccountStatus.ACTIVE
    store.deactivate(ALICE, 5, delete_after=9)
    assert status() is AccountStatus.DEACTIVATED
    store.set_suspended(ALICE, 6)
    assert status() is AccountStatus.SUSPENDED
    store.set_takedown(ALICE, "case 1")
    assert status() is AccountStatus.TAKENDOWN
    store.set_suspended(ALICE, None)
    assert store.due_for_deletion(9) == []
    store.set_takedown(ALICE, None)
    store.set_suspended(ALICE, 7)
    assert store.due_for_deletion(9) == []
    store.set_suspended(ALICE, None)
    assert status() is AccountStatus.DEACTIVATED
    assert store.due_for_deletion(8) == []
    assert store.due_for_deletion(9) == [ALICE]
    store.activate(ALICE)
    assert status() is AccountStatus.ACTIVE
    assert store.due_for_deletion(10**18) == []
    assert not store.set_takedown(BOB, "nobody")


def test_email_confirmation_ends_with_the_address(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    accounts.accounts.confirm_email(ALICE, 7)
    account = accounts.accounts.get(ALICE)
    assert account is not None
    assert account.email_confirmed
    accounts.accounts.set_email(ALICE, "new@example.com", given_at=1)
    account = accounts.accounts.get(ALICE)
    assert account is not None
    assert (account.email, account.email_confirmed) == ("new@example.com", False)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(times=st.lists(st.integers(0, 4), max_size=12), limit=st.integers(1, 5))
def test_pages_hold_every_account_once_in_order(accounts: AccountStore, times: list[int], limit: int) -> None:
    for account in accounts.accounts.page(1000):
        accounts.accounts.delete(account.did)
    expected = []
    for n, created_at in enumerate(times):
        add(accounts, f"did:plc:{(n * 7) % 13:02d}", created_at=created_at)
        expected.append((created_at, f"did:plc:{(n * 7) % 13:02d}"))
    seen: list[tuple[int, str]] = []
    while page := accounts.accounts.repos(limit, seen[-1] if seen else None):
        assert len(page) <= limit
        seen += [(repo.account.created_at, repo.account.did) for repo in page]
    assert seen == sorted(expected)


def test_search_takes_wildcards_for_what_they_are(accounts: AccountStore) -> None:
    add(accounts, ALICE, "al-ice")
    add(accounts, BOB, "bob", email="b_b%@example.com")
    found = accounts.accounts.search
    assert [account.did for account in found("LIC", 9)] == []
    assert [account.did for account in found("-IC", 9)] == [ALICE]
    assert [account.did for account in found("_", 9)] == [BOB]
    assert [account.did for account in found("%", 9)] == [BOB]
    assert [account.did for account in found(BOB, 9)] == [BOB]
    assert [account.did for account in found("example", 9, (1, ALICE))] == [BOB]


def test_repo_heads_never_go_back(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    add(accounts, BOB)
    old, new = CID.for_raw(b"old"), CID.for_raw(b"new")
    accounts.repo_heads.put_many([(ALICE, new, "3b"), ("did:plc:nobody", new, "3b")])
    accounts.repo_heads.put_many([(ALICE, old, "3a")])
    assert accounts.repo_heads.get(ALICE) == (new, "3b")
    assert accounts.repo_heads.get("did:plc:nobody") is None
    repos = {repo.account.did: (repo.commit, repo.rev) for repo in accounts.accounts.repos(9)}
    assert repos == {ALICE: (new, "3b"), BOB: (None, None)}


# The outbox and reserved handles


def test_events_are_pending_exactly_when_their_change_was_made(accounts: AccountStore) -> None:
    with suppress(AccountExists), accounts.transaction():
        add(accounts, ALICE)
        accounts.pending_events.add(ALICE, "identity", {"handle": "alice.test"})
        add(accounts, ALICE, "again")
    assert accounts.pending_events.oldest() == []
    with accounts.transaction():
        add(accounts, ALICE)
        accounts.pending_events.add(ALICE, "identity", {"handle": "alice.test"})
        accounts.pending_events.add(ALICE, "account", {"active": True})
    first, second = accounts.pending_events.oldest()
    assert (first.kind, first.detail, second.kind) == ("identity", {"handle": "alice.test"}, "account")
    assert accounts.pending_events.oldest(1) == [first]
    assert accounts.pending_events.delete_through(first.id) == 1
    assert accounts.pending_events.oldest() == [second]


def test_ids_of_the_outbox_are_never_given_again(accounts: AccountStore, tmp_path: Path) -> None:
    accounts.pending_events.add(ALICE, "sync")
    last = accounts.pending_events.oldest()[-1].id
    accounts.pending_events.delete_through(last)
    accounts.close()
    again = AccountStore(tmp_path / "account.sqlite")
    again.pending_events.add(ALICE, "sync")
    assert again.pending_events.oldest()[0].id > last
    again.close()


def test_reserved_handles(accounts: AccountStore) -> None:
    handle = Handle("admin.test")
    assert handle not in accounts.reserved_handles
    accounts.reserved_handles.add(handle, 1)
    accounts.reserved_handles.add(handle, 2)
    assert "ADMIN.test" in accounts.reserved_handles
    assert accounts.reserved_handles.remove(handle)
    assert handle not in accounts.reserved_handles
