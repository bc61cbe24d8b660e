"""`tempest migrate` once more: with other options, after the end, and back to where the account came from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, sign_up
from tests.support.movers import NEW_PASSWORD, SERVER, Stranger, Ways, furnish, move, own_key, owner_of
from tests.support.process import json_request

from tempest_pds.migration.errors import MigrationError, NotNow, Undone
from tempest_pds.migration.plan import Plan
from tempest_pds.protocol.crypto.keys import generate_k256


def rotation_keys(ways: Ways, account: Account) -> list[str]:
    _, data = json_request(f"{ways.plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    return list(data["rotationKeys"])


def refusal(account: Account, plan: Plan, owner: Stranger | None = None) -> str:
    with pytest.raises(MigrationError) as refused:
        move(account, plan, owner)
    return str(refused.value)


def test_what_an_earlier_run_settled_is_not_silently_kept_nor_forgotten(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "again")
    furnish(account)
    recovery = generate_k256().public.did_key
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key(), keep_source=True)
    handle, wary = f"x{account.handle}", owner_of(account)
    wary.yes = False
    given = replace(plan, handle=handle, recovery_keys=(recovery,))
    with pytest.raises(Undone):
        move(account, replace(given, self_custody=True, email="foo"))
    with pytest.raises(NotNow):
        move(account, given, wary)

    late: list[tuple[dict[str, Any], str]] = [
        ({"handle": f"y{account.handle}"}, f"this move was begun as {handle}: leave out --handle"),
        ({"email": "other@mail.test"}, f"with the address {account.handle}@mail.test: leave out --email"),
        ({"source": ways.old_server.url}, f"this move was begun from {ways.old.url}: leave out --source"),
    ]
    for change, expected in late:
        assert expected in refusal(account, replace(plan, **change))
    forgetful = Stranger({"source": account.password, "target": "another-password"})
    assert "the one that you chose when an earlier run made the account" in refusal(account, plan, forgetful)
    assert not ways.points_at_new(account)

    owner = move(account, replace(plan, handle=f"@{handle.upper()}"))
    assert "As an earlier run was given it: --recovery-key." in owner.text, "what came to nothing is not remembered"
    assert not any(line.startswith("ok       repository") for line in owner.said)
    assert ways.document(account)["alsoKnownAs"] == [f"at://{handle}"]
    assert rotation_keys(ways, account)[0] == recovery

    assert move(account, plan).said[0] == "Nothing is left to do."
    other = generate_k256().public.did_key
    assert "--recovery-key comes too late" in refusal(account, replace(plan, recovery_keys=(other,)))


def test_an_account_moves_back_and_is_again_what_it_was(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "back")
    furnish(account)
    key = generate_k256()
    there = ways.plan(
        account,
        tmp_path / "there",
        rotation_key=own_key(),
        recovery_keys=(key.public.did_key,),
        keep_source=True,
        handle=f"x{account.handle}",
    )
    move(account, there)
    back = replace(
        there,
        source=ways.new.url,
        target=ways.old_server.url,
        state=tmp_path / "back",
        handle=None,
        rotation_key=key,
        recovery_keys=(),
    )
    returning = Stranger({"source": NEW_PASSWORD, "target": account.password})
    assert "already, and active: deactivate it there first" in refusal(account, back, returning)
    account.procedure(f"{SERVER}.deactivateAccount")

    looked = move(account, replace(back, dry_run=True), Stranger(returning.passwords))
    assert f"{account.handle}, which the account has at the target already" in looked.text
    asked = Stranger(returning.passwords)
    with pytest.raises(Undone):
        move(account, replace(back, handle=f"y{account.handle}", email="other@mail.test"), asked)
    assert f"the account at the target is {account.handle} already: leave out --handle" in asked.text
    assert f"the account at the target has {account.handle}@mail.test: leave out --email" in asked.text
    wrong = Stranger({**returning.passwords, "target": "wrong"})
    assert "it is the one of the account that is there already" in refusal(account, back, wrong)

    move(account, back, Stranger(returning.passwords))
    assert ways.document(account)["alsoKnownAs"] == [f"at://{account.handle}"]
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is True

    for plan in (there, replace(there, dry_run=True)):
        told = refusal(account, plan)
        assert f"{ways.new.url} that was finished on " in told
        assert f"the account has moved on to {ways.old_server.url} since" in told
