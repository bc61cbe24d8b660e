"""`tempest migrate` with a rotation key of the owner's: where the old server is gone, does not help, or did harm."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.intercepting_proxy import Exchange
from tests.support.movers import SERVER, Ways, furnish, move, own_key, owner_of
from tests.support.plc_host import send
from tests.support.process import json_request

from tempest_pds.migration.errors import MigrationError, Undone
from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import tombstone, update


def test_an_account_whose_server_is_gone_moves_by_its_owner_s_key(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "orphan")
    cids = furnish(account)
    car, blobs = tmp_path / "repo.car", tmp_path / "blobs"
    blobs.mkdir()
    sync = f"{ways.old_server.url}/xrpc/com.atproto.sync"
    urllib.request.urlretrieve(f"{sync}.getRepo?did={account.did}", car)
    urllib.request.urlretrieve(f"{sync}.getBlob?did={account.did}&cid={cids[0]}", blobs / cids[0])
    plan = ways.plan(
        account,
        tmp_path / "state",
        source=None,
        car=car,
        blobs=blobs,
        rotation_key=own_key(),
        email="orphan@mail.test",
        handle=f"x{account.handle}",
    )

    def lose(exchange: Exchange) -> None:
        """Have the target miss a blob that it was given."""
        blob = {"cid": cids[0], "recordUri": f"at://{account.did}/app.bsky.feed.post/lost"}
        exchange.answer = json.dumps({"blobs": [blob]}).encode()

    def then_lose(exchange: Exchange) -> None:
        ways.new.hooks["com.atproto.repo.listMissingBlobs"] = lose

    ways.new.hooks[f"{SERVER}.activateAccount"] = then_lose
    owner = owner_of(account)
    with pytest.raises(Undone, match="the target is not as the source"):
        move(account, plan, owner)
    assert f"{cids[1]} (at://" in owner.text, "the blob that nobody has"
    assert f"1 blob missing at the target: {cids[0]}" in owner.text
    ways.new.reset()
    owner = move(account, plan)
    assert "3 records, the same on both sides" in owner.text
    new = ways.at_new(account)
    state = new.query(f"{SERVER}.checkAccountStatus")
    assert (state["activated"], state["validDid"], state["importedBlobs"]) == (True, True, 1)
    assert ways.old.asked == []
    assert not (tmp_path / "state" / "signing.key").exists()


def test_a_source_that_does_not_let_go_is_passed_over_by_its_owner_s_key(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "held")
    furnish(account)
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key(), handle=f"x{account.handle}")

    def refuse(exchange: Exchange) -> None:
        exchange.refuse(400, "InvalidRequest", "You cannot leave")

    ways.old.instead[f"{SERVER}.getServiceAuth"] = refuse
    with pytest.raises(MigrationError, match=r"You cannot leave.*--car"):
        move(account, plan)
    car = tmp_path / "repo.car"
    urllib.request.urlretrieve(f"{ways.old_server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}", car)
    owner = owner_of(account)
    # The password is lost, too: nobody is asked for it.
    del owner.passwords["source"]
    move(account, replace(plan, source=None, car=car, email=f"{account.handle}@mail.test"), owner)
    assert "3 records, the same on both sides" in owner.text
    assert ways.points_at_new(account)


def test_who_could_undo_a_move_is_named(ways: Ways, tmp_path: Path) -> None:
    account, own = sign_up(ways.old_server, "weak"), generate_k256()
    _, last = json_request(f"{ways.plc.url}/{account.did}/log/last")
    assert isinstance(last, dict)
    keys = [own_key().public.did_key, own.public.did_key]
    assert send(f"{ways.plc.url}/{account.did}", update(last, own_key(), rotation_keys=keys))[0] == 200
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own, dry_run=True))
    assert f"{keys[0]} (the source's, above yours): who has it may undo the move within 72 hours" in owner.text
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), dry_run=True))
    assert "72 hours" not in owner.text


@pytest.mark.parametrize("ended", [False, True], ids=["taken away", "ended"])
def test_what_was_done_to_a_did_behind_its_owner_s_back_is_undone(ways: Ways, tmp_path: Path, ended: bool) -> None:
    account, own = sign_up(ways.old_server, "robbed"), generate_k256()
    furnish(account)
    car = tmp_path / "repo.car"
    urllib.request.urlretrieve(f"{ways.old_server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}", car)
    _, last = json_request(f"{ways.plc.url}/{account.did}/log/last")
    assert isinstance(last, dict)
    theirs = own_key().public.did_key
    both = update(last, own_key(), rotation_keys=[own.public.did_key, theirs])
    taken = update(both, own_key(), rotation_keys=[theirs], handle="taken.test")
    for operation in (both, tombstone(both, own_key()) if ended else taken):
        assert send(f"{ways.plc.url}/{account.did}", operation)[0] == 200
    given = {"source": None, "car": car, "email": f"{account.handle}@mail.test", "handle": f"x{account.handle}"}
    plan = ways.plan(account, tmp_path / "state", **given)
    with pytest.raises(MigrationError, match="has ended for good" if ended else "is no rotation key of the DID"):
        move(account, replace(plan, rotation_key=generate_k256()))
    owner = move(account, replace(plan, rotation_key=own))
    assert "a key below yours has changed it without yours: the move undoes that" in owner.text
    assert "3 records, the same on both sides" in owner.text
    _, data = json_request(f"{ways.plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    assert data["alsoKnownAs"] == [f"at://x{account.handle}"]
    assert data["rotationKeys"][0] == own.public.did_key
    assert theirs not in data["rotationKeys"]
    assert ways.points_at_new(account)


def test_the_owner_alone_may_keep_the_keys(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "free")
    furnish(account)
    recovery = generate_k256().public.did_key
    plan = ways.plan(
        account,
        tmp_path / "state",
        rotation_key=own_key(),
        self_custody=True,
        recovery_keys=(recovery,),
        keep_source=True,
        handle=f"x{account.handle}",
    )
    move(account, plan)
    _, data = json_request(f"{ways.plc.url}/{account.did}/data")
    assert isinstance(data, dict)
    assert data["rotationKeys"] == [recovery, own_key().public.did_key]
    assert data["alsoKnownAs"] == [f"at://x{account.handle}"]
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is True, "it was to be kept"
