"""Accounts, and the codes, passwords and sessions that belong to them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, AccountExists, AccountStatus, EmailTaken, HandleTaken
from tempest_pds.stores.account.app_passwords import AppPassword, AppPasswordExists
from tempest_pds.stores.account.email_tokens import (
    LIFETIME_US,
    EmailTokenExpired,
    EmailTokenInvalid,
    EmailTokenPurpose,
)
from tempest_pds.stores.account.invite_codes import InviteCode, InviteCodeUnavailable, TooManyInviteCodes

ALICE = Did("did:plc:alice")
BOB = Did("did:plc:bob")


def add(store: AccountStore, did: str, name: str | None = None, *, created_at: int = 1, **fields: Any) -> Account:
    name = name or did.rpartition(":")[2]
    values: dict[str, Any] = {"handle": Handle(f"{name}.test"), "email": f"{name}@example.com", **fields}
    account = Account(did=Did(did), created_at=created_at, **values)
    store.accounts.create(account)
    return account


# Accounts


def test_an_account_is_found_by_did_handle_and_email_in_any_case(accounts: AccountStore) -> None:
    alice = add(accounts, ALICE)
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
        store.set_email(ALICE, "Alice@Example.com", 1)
    with pytest.raises(EmailTaken):
        add(accounts, "did:plc:carol", email="alice@example.com", email_confirmed_at=1)
    store.set_email(ALICE, "Alice@Example.com")
    assert [account.did for account in store.with_email("alice@example.com", 9)] == [BOB]
    store.set_email(BOB, "bob@example.com")
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
    accounts.accounts.set_email(ALICE, "new@example.com")
    account = accounts.accounts.get(ALICE)
    assert account is not None
    assert (account.email, account.email_confirmed) == ("new@example.com", False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


# Sessions

HOUR = 3600 * 1_000_000


def test_a_used_token_gives_the_same_successor_for_two_hours(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    tokens = accounts.refresh_tokens
    tokens.add("one", ALICE, "full", now=0, expires_at=1000 * HOUR, app_password_name="phone")
    first = tokens.rotate("one", "two", now=HOUR, next_expires_at=1001 * HOUR)
    again = tokens.rotate("one", "three", now=3 * HOUR - 1, next_expires_at=1003 * HOUR)
    assert first is not None
    assert again == first
    assert (first.id, first.scope, first.app_password_name, first.session_id) == ("two", "full", "phone", "one")
    assert first.expires_at == 1001 * HOUR
    assert tokens.get("three") is None
    assert tokens.rotate("one", "four", now=3 * HOUR, next_expires_at=1003 * HOUR) is None
    assert tokens.rotate("two", "five", now=500 * HOUR, next_expires_at=1500 * HOUR) is not None


def test_grace_never_lengthens_a_token(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    tokens = accounts.refresh_tokens
    tokens.add("one", ALICE, "full", now=0, expires_at=2 * HOUR)
    assert tokens.rotate("one", "two", now=HOUR, next_expires_at=9 * HOUR) is not None
    assert tokens.rotate("one", "two", now=2 * HOUR, next_expires_at=9 * HOUR) is None


def test_unknown_and_expired_tokens_rotate_to_nothing(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    tokens = accounts.refresh_tokens
    tokens.add("one", ALICE, "full", now=0, expires_at=HOUR)
    assert tokens.rotate("none", "two", now=0, next_expires_at=HOUR) is None
    assert tokens.rotate("one", "two", now=HOUR, next_expires_at=9 * HOUR) is None
    assert tokens.get("two") is None


def test_a_revoked_session_does_not_come_back_by_an_older_token(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    tokens = accounts.refresh_tokens
    tokens.add("one", ALICE, "full", now=0, expires_at=1000 * HOUR)
    tokens.add("other", ALICE, "full", now=0, expires_at=1000 * HOUR)
    tokens.rotate("one", "two", now=1, next_expires_at=1000 * HOUR)
    assert tokens.revoke("two")
    assert not tokens.revoke("two")
    assert tokens.rotate("one", "three", now=2, next_expires_at=1000 * HOUR) is None
    assert [token.id for token in tokens.sessions(ALICE)] == ["other"]
    assert tokens.revoke_all(ALICE) == 1


def test_rotation_that_fails_leaves_the_token_unused(accounts: AccountStore) -> None:
    """The lesson of others: rotate inside one transaction, or a crash in between logs the client out."""
    add(accounts, ALICE)
    tokens = accounts.refresh_tokens
    before = tokens.add("one", ALICE, "full", now=0, expires_at=1000 * HOUR)
    other = tokens.add("two", ALICE, "full", now=0, expires_at=1000 * HOUR)
    # The used token is marked first, then its successor cannot be stored.
    with pytest.raises(sqlite3.IntegrityError):
        tokens.rotate("one", "two", now=1, next_expires_at=1000 * HOUR)
    assert (tokens.get("one"), tokens.get("two")) == (before, other)
    with suppress(KeyError), accounts.transaction():
        tokens.rotate("one", "three", now=1, next_expires_at=1000 * HOUR)
        raise KeyError
    assert tokens.get("one") == before
    assert tokens.get("three") is None


def test_expired_tokens_are_swept(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    for n in range(3):
        accounts.refresh_tokens.add(str(n), ALICE, "full", now=0, expires_at=n)
    assert accounts.refresh_tokens.delete_expired(1) == 2
    assert accounts.refresh_tokens.get("2") is not None


# App passwords


def test_app_passwords_are_named_and_end_with_their_sessions(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    phone = AppPassword(ALICE, "phone", "hash 1", False, 2)
    laptop = AppPassword(ALICE, "laptop", "hash 2", True, 1)
    accounts.app_passwords.create(phone)
    accounts.app_passwords.create(laptop)
    with pytest.raises(AppPasswordExists):
        accounts.app_passwords.create(AppPassword(ALICE, "phone", "hash 3", True, 3))
    assert accounts.app_passwords.list(ALICE) == [laptop, phone]
    assert accounts.app_passwords.with_hash(ALICE, "hash 1") == phone
    assert accounts.app_passwords.with_hash(BOB, "hash 1") is None
    for name in ("phone", "laptop", None):
        accounts.refresh_tokens.add(f"by {name}", ALICE, "s", now=0, expires_at=9, app_password_name=name)
    assert accounts.app_passwords.revoke(ALICE, "phone")
    assert not accounts.app_passwords.revoke(ALICE, "phone")
    assert {token.id for token in accounts.refresh_tokens.sessions(ALICE)} == {"by laptop", "by None"}
    assert accounts.app_passwords.list(ALICE) == [laptop]


# Invite codes


def code(name: str, *, uses: int = 1, account: str = "admin", created_at: int = 1) -> InviteCode:
    return InviteCode(code=name, available_uses=uses, for_account=account, created_by="admin", created_at=created_at)


def test_a_code_makes_as_many_accounts_as_it_allows(accounts: AccountStore) -> None:
    codes = accounts.invite_codes
    codes.create([code("c", uses=2)])
    codes.use("c", "did:plc:1", 5)
    codes.check("c")
    codes.use("c", "did:plc:2", 6)
    for name in ("c", "unknown"):
        with pytest.raises(InviteCodeUnavailable):
            codes.use(name, "did:plc:3", 7)
    found = codes.get("c")
    assert found is not None
    assert ([use.used_by for use in found.uses], found.uses_left) == (["did:plc:1", "did:plc:2"], 0)
    assert codes.used_by(["did:plc:2", "did:plc:3"]) == {"did:plc:2": found}


def test_a_code_is_not_used_up_by_a_sign_up_that_fails(accounts: AccountStore) -> None:
    accounts.invite_codes.create([code("c")])
    add(accounts, ALICE)
    with suppress(HandleTaken), accounts.transaction():
        accounts.invite_codes.use("c", BOB, 5)
        add(accounts, BOB, "alice")
    accounts.invite_codes.check("c")


def test_codes_are_disabled_by_name_and_by_account(accounts: AccountStore) -> None:
    codes = accounts.invite_codes
    codes.create([code("a"), code("b", account=ALICE), code("c", account=ALICE), code("d")])
    assert codes.disable(["a"], [ALICE]) == 3
    assert codes.disable(["a"], [ALICE]) == 0
    codes.check("d")
    with pytest.raises(InviteCodeUnavailable):
        codes.check("a")
    assert [c.disabled for c in codes.of_accounts([ALICE, BOB])[ALICE]] == [True, True]
    assert codes.of_accounts([BOB]) == {BOB: []}


@pytest.mark.parametrize("bar", ["takedown", "invites"])
def test_codes_of_a_barred_account_are_no_good(accounts: AccountStore, bar: str) -> None:
    add(accounts, ALICE)
    accounts.invite_codes.create([code("c", account=ALICE)])
    accounts.invite_codes.check("c")
    if bar == "takedown":
        accounts.accounts.set_takedown(ALICE, "case")
    else:
        accounts.accounts.set_invites(ALICE, disabled=True)
    with pytest.raises(InviteCodeUnavailable):
        accounts.invite_codes.check("c")


def test_two_requests_do_not_earn_the_same_codes_twice(accounts: AccountStore) -> None:
    accounts.invite_codes.create([code("a", account=ALICE)], expected_total=1)
    with pytest.raises(TooManyInviteCodes):
        accounts.invite_codes.create([code("b", account=ALICE)], expected_total=1)
    assert accounts.invite_codes.get("b") is None


@pytest.mark.parametrize("sort", ["recent", "usage"])
def test_pages_of_codes_hold_each_once(accounts: AccountStore, sort: Any) -> None:
    codes = accounts.invite_codes
    for n in range(7):
        codes.create([code(f"c{n}", uses=9, created_at=n // 2)])
        for use in range(n % 3):
            codes.use(f"c{n}", f"did:plc:{n}{use}", use)
    seen: list[tuple[int, str]] = []
    while page := codes.page(sort, 2, seen[-1] if seen else None):
        seen += [key for _, key in page]
    assert len(seen) == 7
    assert seen == sorted(seen, key=lambda key: (-key[0], key[1]))


# Mailed codes


def test_a_mailed_code_is_good_for_one_account_and_purpose(accounts: AccountStore) -> None:
    add(accounts, ALICE)
    add(accounts, BOB)
    tokens = accounts.email_tokens
    reset, confirm = EmailTokenPurpose.RESET_PASSWORD, EmailTokenPurpose.CONFIRM_EMAIL
    tokens.put(ALICE, reset, "ABCDE-FGHIJ", 0)
    assert tokens.owner(reset, " abcde-fghij", 1) == ALICE
    tokens.check(ALICE, reset, "ABCDE-FGHIJ", LIFETIME_US - 1)
    for did, purpose, token in ((BOB, reset, "ABCDE-FGHIJ"), (ALICE, confirm, "ABCDE-FGHIJ"), (ALICE, reset, "X")):
        with pytest.raises(EmailTokenInvalid):
            tokens.check(did, purpose, token, 1)
    with pytest.raises(EmailTokenExpired):
        tokens.check(ALICE, reset, "ABCDE-FGHIJ", LIFETIME_US)
    tokens.put(ALICE, reset, "NEWER-TOKEN", 5)
    with pytest.raises(EmailTokenInvalid):
        tokens.check(ALICE, reset, "ABCDE-FGHIJ", 6)
    assert tokens.delete(ALICE, reset)
    with pytest.raises(EmailTokenInvalid):
        tokens.check(ALICE, reset, "NEWER-TOKEN", 6)


def test_the_file_holds_no_mailed_code(accounts: AccountStore, tmp_path: Path) -> None:
    add(accounts, ALICE)
    accounts.email_tokens.put(ALICE, EmailTokenPurpose.RESET_PASSWORD, "SECRT-CODES", 0)
    accounts.checkpoint()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("account.sqlite*"))
    assert b"SECRT" not in held
    assert ALICE.encode() in held


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
