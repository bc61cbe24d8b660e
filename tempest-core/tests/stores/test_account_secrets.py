"""The refresh tokens and app passwords of accounts."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import pytest
from stored_account import ALICE, BOB, add

from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.app_passwords import AppPassword, AppPasswordExists

# Refresh tokens

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
