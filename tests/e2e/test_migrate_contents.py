"""What `tempest migrate` brings over, and what it says of what it cannot bring."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.intercepting_proxy import Exchange
from tests.support.movers import SERVER, Ways, furnish, move, own_key, owner_of, show

from tempest_pds.migration.errors import NotNow, Undone


def test_blobs_that_cannot_be_moved_are_named_and_tried_again(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "lossy")
    cids = furnish(account, blobs=3)
    show(account, bytes(200_000))
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key())

    def spoil(exchange: Exchange) -> None:
        if exchange.params["cid"] == cids[0]:
            exchange.refuse(400, "InvalidRequest", "Blob not found")
        elif exchange.params["cid"] == cids[1]:
            exchange.answer = b"damaged"

    ways.old.hooks["com.atproto.sync.getBlob"] = spoil
    owner = owner_of(account)
    owner.yes = False
    with pytest.raises(NotNow):
        move(account, plan, owner)
    assert "1 blob above the 100 kB" in owner.text
    assert f"{cids[0]} (at://" in owner.text
    assert "the source does not have it (Blob not found)" in owner.text
    assert "damaged" in owner.text
    assert "the target takes 100 kB" in owner.text
    failed = json.loads((tmp_path / "state" / "state.json").read_text())["steps"]["blobs"]["failed"]
    assert {cids[0], cids[1]} < set(failed)
    assert len(failed) == 3
    with pytest.raises(Undone, match="above"):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), strict=True))

    ways.old.reset()
    owner = move(account, replace(plan, deep=True))
    assert "2 blobs moved, 1 could not be." in owner.text
    assert "1 blob could not be moved" in owner.text
    assert "3 blobs at the target, each read back" in owner.text
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["importedBlobs"] == 3


def test_what_is_written_meanwhile_comes_along(ways: Ways, tmp_path: Path) -> None:
    """Until the very last moment: while the owner looks for the code, for instance."""
    account = sign_up(ways.old_server, "busy")
    furnish(account, blobs=1)

    def write(exchange: Exchange) -> None:
        del ways.new.hooks["com.atproto.identity.getRecommendedDidCredentials"]
        account.post("late words")

    ways.new.hooks["com.atproto.identity.getRecommendedDidCredentials"] = write
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()))
    assert "written to at the source meanwhile" in owner.text
    assert "3 records, the same on both sides" in owner.text


def test_an_old_server_that_limits_and_fails_is_waited_for(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "patient")
    cids = furnish(account)
    troubles = [(429, {"Retry_After": "1"}), (502, {}), (503, {})]

    def trouble(exchange: Exchange) -> None:
        if exchange.params["cid"] == cids[0] and troubles:
            status, headers = troubles.pop()
            exchange.refuse(status, "Trouble", **headers)

    ways.old.hooks["com.atproto.sync.getBlob"] = trouble

    def expire(exchange: Exchange) -> None:
        del ways.new.hooks[exchange.nsid]
        exchange.refuse(400, "ExpiredToken", "Token has expired")

    ways.new.hooks["com.atproto.repo.importRepo"] = expire
    owner = move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key(), retry_seconds=30.0))
    assert "waiting 1 s as it asks" in owner.text
    assert "2 blobs at the target" in owner.text
    assert f"{SERVER}.refreshSession" in ways.new.procedures


def test_a_target_that_lost_something_leaves_the_source_active(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "wary")
    cids = furnish(account)

    def lose(exchange: Exchange) -> None:
        """Have a record go just when the account is there."""
        new = ways.at_new(account)
        records = new.query("com.atproto.repo.listRecords", repo=new.did, collection="app.bsky.feed.post")["records"]
        rkey = records[0]["uri"].rpartition("/")[2]
        new.procedure("com.atproto.repo.deleteRecord", repo=new.did, collection="app.bsky.feed.post", rkey=rkey)

    def hide(exchange: Exchange) -> None:
        exchange.answer = json.dumps({"cids": cids[1:]}).encode()

    ways.new.hooks[f"{SERVER}.activateAccount"] = lose
    ways.new.hooks["com.atproto.sync.listBlobs"] = hide
    owner = owner_of(account)
    with pytest.raises(Undone, match="the target is not as the source"):
        move(account, ways.plan(account, tmp_path / "state", rotation_key=own_key()), owner)
    assert "2 records the same, 1 missing at the target" in owner.text
    assert f"1 blob missing at the target: {cids[0]}" in owner.text
    assert json.loads((tmp_path / "state" / "report.json").read_text())["ok"] is False
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is True
