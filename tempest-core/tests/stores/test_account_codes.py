"""Invite codes, and codes that are mailed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from stored_account import ALICE, BOB, add

from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import HandleTaken
from tempest_pds.stores.account.email_tokens import LIFETIME_US, EmailTokenExpired, EmailTokenInvalid, EmailTokenPurpose
from tempest_pds.stores.account.invite_codes import InviteCode, InviteCodeUnavailable, TooManyInviteCodes

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
