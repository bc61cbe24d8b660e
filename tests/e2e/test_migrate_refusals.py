"""What `tempest migrate` does not do, and the line that says why."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, sign_up
from tests.support.intercepting_proxy import Exchange
from tests.support.movers import SERVER, Ways, move, own_key, owner_of

from tempest_pds.migration.errors import MigrationError, NotNow, Undone
from tempest_pds.protocol.crypto.keys import generate_k256


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"passwords": {"source": "wrong"}}, "the source does not take the password"),
        ({"passwords": {"target": "short"}}, "give another password for the target"),
        ({"handle": "no.such.domain.test"}, "more than one part"),
        ({"handle": "alice.example.com"}, "leads nowhere"),
        ({"handle": "not a handle"}, "is not a handle: give one with --handle"),
        ({"handle": "dora"}, "'dora' is not a handle: give the whole one, such as dora.test"),
        ({"email": "foo"}, "foo is no address that mail goes to"),
        ({"target": "localhost:1"}, "the target does not answer"),
        ({"target": "ftp://pds"}, "is no address of a server"),
        ({"target": "http://1.1.1.1"}, "passwords would be read on the way: give https://1.1.1.1"),
        ({"plc_url": "http://localhost:1"}, "cannot be had from http://localhost:1: the connection is refused"),
        ({"account": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}, "there is no did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"),
        ({"account": "nobody.test"}, "has no account nobody.test"),
        ({"rotation_key": generate_k256()}, "is no rotation key of the DID"),
        ({"recovery_keys": ("did:key:zNone",)}, "did:key:zNone is no public key"),
        # The last one, as it makes the account at the target, and what follows would find that.
        ({"plc_token": "AAAAA-BBBBB", "rotation_key": None}, "the source does not take the code"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_a_mistake_is_one_line_and_changes_nothing(
    ways: Ways, resident: Account, tmp_path: Path, change: dict[str, Any], refusal: str
) -> None:
    given = {"rotation_key": own_key(), **change}
    owner = owner_of(resident)
    owner.passwords |= given.pop("passwords", {})
    plan = replace(ways.plan(resident, tmp_path / "state"), **given)
    with pytest.raises(MigrationError, match=re.escape(refusal)) as stopped:
        move(resident, plan, owner)
    assert "\n" not in str(stopped.value)
    assert ways.document(resident)["service"][0]["serviceEndpoint"] == ways.old_server.url
    assert resident.query(f"{SERVER}.checkAccountStatus")["activated"] is True


def test_a_target_with_another_directory_is_told_by_its_accounts(ways: Ways, resident: Account, tmp_path: Path) -> None:
    repo = {"did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", "head": "", "rev": "", "active": True}

    def show(exchange: Exchange) -> None:
        exchange.answer = json.dumps({"repos": [repo]}).encode()

    ways.new.hooks["com.atproto.sync.listRepos"] = show
    with pytest.raises(Undone, match="it uses another one"):
        move(resident, ways.plan(resident, tmp_path / "state", dry_run=True))


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_that_does_not_speak_tls_is_not_waited_for(
    ways: Ways, resident: Account, tmp_path: Path, side: str
) -> None:
    plain = {"source": ways.old_server.url, "target": ways.new_server.url}[side]
    secure = plain.replace("http:", "https:")
    plan = ways.plan(resident, tmp_path / "state", retry_seconds=30.0)
    change: dict[str, Any] = {"account": resident.handle, side: secure}
    with pytest.raises(MigrationError, match=f"^is the {side} at {plain}[?]") as stopped:
        move(resident, replace(plan, **change))
    assert not isinstance(stopped.value, NotNow)


REFUSALS = {
    "com.atproto.server.describeServer": ("InvalidInviteCode", "the target wants an invite code: give one"),
    "com.atproto.server.createAccount": ("InvalidInviteCode", "give a code of the target's operator"),
    "com.atproto.repo.importRepo": ("PayloadTooLarge", "its operator can raise the limit"),
    "com.atproto.identity.submitPlcOperation": ("InvalidRequest", "the target does not take the operation"),
}


@pytest.mark.parametrize("nsid", REFUSALS)
def test_what_the_target_refuses_stops_the_move_before_the_did_is_changed(
    ways: Ways, tmp_path: Path, nsid: str
) -> None:
    account = sign_up(ways.old_server, "refused")
    error, refusal = REFUSALS[nsid]

    def refuse(exchange: Exchange) -> None:
        if exchange.method == "GET":
            exchange.answer = exchange.answer.replace(b'"inviteCodeRequired":false', b'"inviteCodeRequired":true')
        else:
            exchange.refuse(413 if error == "PayloadTooLarge" else 400, error)

    (ways.new.hooks if nsid.endswith("describeServer") else ways.new.instead)[nsid] = refuse
    with pytest.raises(MigrationError, match=re.escape(refusal)):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()))
    assert ways.document(account)["service"][0]["serviceEndpoint"] == ways.old_server.url


def test_a_second_factor_is_asked_for(ways: Ways, resident: Account, tmp_path: Path) -> None:
    def want_code(exchange: Exchange) -> None:
        if b'"authFactorToken": "ABCDE"' not in exchange.body:
            exchange.refuse(401, "AuthFactorTokenRequired", "A sign in code has been sent")

    ways.old.hooks[f"{SERVER}.createSession"] = want_code
    plan = ways.plan(resident, tmp_path / "state", rotation_key=own_key(), dry_run=True)
    with pytest.raises(NotNow, match="--auth-factor-token CODE"):
        move(resident, plan)
    owner = owner_of(resident)
    owner.codes = ["ABCDE"]
    move(resident, plan, owner)
    assert owner.codes == []
    move(resident, replace(plan, factor="ABCDE"))


def test_an_app_password_is_told_from_the_account_s_own(ways: Ways, resident: Account, tmp_path: Path) -> None:
    made = resident.procedure(f"{SERVER}.createAppPassword", name=tmp_path.name[:30])
    owner = owner_of(resident)
    owner.passwords["source"] = made["password"]
    with pytest.raises(MigrationError, match="app password"):
        move(resident, ways.plan(resident, tmp_path / "state", dry_run=True), owner)
