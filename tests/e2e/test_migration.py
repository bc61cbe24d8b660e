"""An account moves from the reference server to Tempest with all it has, as migration tools do it."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.account import Account, post, sign_up
from tests.support.frames import Subscription
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest

from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.stores.key_files import KeyFiles

SERVER, REPO, SYNC = "com.atproto.server", "com.atproto.repo", "com.atproto.sync"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PREFERENCE = {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True}


def fetch(url: str, data: bytes | None = None, content_type: str = "", token: str = "") -> bytes:
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    method = "GET" if data is None else "POST"
    request = urllib.request.Request(url, data=data or None, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def furnish(account: Account) -> str:
    """Give the account a picture in a post, and a preference; return the picture's CID."""
    url = f"{account.server.url}/xrpc/{REPO}.uploadBlob"
    blob = json.loads(fetch(url, PNG, "image/png", account.access))["blob"]
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    record = {**post("moving"), "embed": embed}
    account.procedure(f"{REPO}.createRecord", repo=account.did, collection=record["$type"], record=record)
    status, _ = json_request(
        f"{account.server.url}/xrpc/app.bsky.actor.putPreferences",
        {"preferences": [PREFERENCE]},
        {"Authorization": f"Bearer {account.access}"},
    )
    assert status == 200
    cid: str = blob["ref"]["$link"]
    return cid


def arrive(new: ServerProcess, old: Account) -> Account:
    """Make an account of the same DID on the new server, by a token of the old one."""
    token = old.query(f"{SERVER}.getServiceAuth", aud="did:web:localhost", lxm=f"{SERVER}.createAccount")["token"]
    handle = f"to-{old.handle}"
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": old.password, "did": old.did}
    status, made = json_request(f"{new.url}/xrpc/{SERVER}.createAccount", given, {"Authorization": f"Bearer {token}"})
    assert status == 200, made
    assert isinstance(made, dict)
    return Account(new, old.did, handle, old.password, made["accessJwt"], made["refreshJwt"])


def bring_everything(old: Account, new: Account) -> None:
    car = fetch(f"{old.server.url}/xrpc/{SYNC}.getRepo?did={old.did}")
    fetch(f"{new.server.url}/xrpc/{REPO}.importRepo", car, "application/vnd.ipld.car", new.access)
    for missing in new.query(f"{REPO}.listMissingBlobs")["blobs"]:
        blob = fetch(f"{old.server.url}/xrpc/{SYNC}.getBlob?did={old.did}&cid={missing['cid']}")
        fetch(f"{new.server.url}/xrpc/{REPO}.uploadBlob", blob, "image/png", new.access)
    kept = old.query("app.bsky.actor.getPreferences")["preferences"]
    headers = {"Authorization": f"Bearer {new.access}"}
    url = f"{new.server.url}/xrpc/app.bsky.actor.putPreferences"
    assert json_request(url, {"preferences": kept}, headers)[0] == 200


def point_did_at(plc: PlcDirectory, account: Account, signing_key: str) -> None:
    """Change the DID as its owner does, with the key of the old server."""
    _, last = json_request(f"{plc.url}/{account.did}/log/last")
    operation: Any = update(
        last,  # type: ignore[arg-type]
        handle=account.handle,
        signing_key=signing_key,
        pds_url=account.server.url,
        rotation_keys=[KeyFiles(account.server.folder / "keys").rotation_key().public.did_key],
        signer=private_key(bytes.fromhex("11" * 32), "k256"),
    )
    fetch(f"{plc.url}/{account.did}", json.dumps(operation).encode(), "application/json")


def test_an_account_moves_here_with_all_it_has(reference: ReferencePds, plc: PlcDirectory, tmp_path: Path) -> None:
    old = sign_up(reference, "mover")
    picture = furnish(old)
    with Tempest(tmp_path / "data", plc.url) as tempest:
        status, reserved = json_request(f"{tempest.url}/xrpc/{SERVER}.reserveSigningKey", {"did": old.did})
        assert status == 200
        assert isinstance(reserved, dict)
        new = arrive(tempest, old)
        state = new.query(f"{SERVER}.checkAccountStatus")
        assert (state["activated"], state["validDid"]) == (False, False)
        bring_everything(old, new)
        state = new.query(f"{SERVER}.checkAccountStatus")
        assert (state["expectedBlobs"], state["importedBlobs"], state["indexedRecords"]) == (1, 1, 1)
        point_did_at(plc, new, reserved["signingKey"])
        with Subscription(tempest) as live:
            fetch(f"{tempest.url}/xrpc/{SERVER}.activateAccount", b"", token=new.access)
            told = live.take(3)
            assert [frame.kind for frame in told] == ["#account", "#identity", "#sync"]
            made = new.post("here now")
            assert live.take(1)[0].body["since"] == told[2].body["rev"]
        old.procedure(f"{SERVER}.deactivateAccount")
        assert new.query(f"{SERVER}.checkAccountStatus")["validDid"] is True
        # With an older document its client would go on asking the server that it left.
        document = new.query(f"{SERVER}.getSession")["didDoc"]
        assert [service["serviceEndpoint"] for service in document["service"]] == [tempest.url]
        assert new.query(f"{REPO}.describeRepo", repo=new.did)["handleIsCorrect"] is True
        assert fetch(f"{tempest.url}/xrpc/{SYNC}.getBlob?did={new.did}&cid={picture}") == PNG
        assert new.query("app.bsky.actor.getPreferences")["preferences"] == [PREFERENCE]
        listed = new.query(f"{REPO}.listRecords", repo=new.did, collection="app.bsky.feed.post")["records"]
        assert [record["value"]["text"] for record in listed] == ["here now", "moving"]
        assert listed[0]["uri"] == made["uri"]


def test_a_token_for_another_method_moves_nobody(reference: ReferencePds, tempest: Tempest) -> None:
    old = sign_up(reference, "mover")
    token = old.query(f"{SERVER}.getServiceAuth", aud="did:web:localhost", lxm=f"{REPO}.uploadBlob")["token"]
    handle = f"no-{old.handle}"
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": old.password, "did": old.did}
    status, refused = json_request(
        f"{tempest.url}/xrpc/{SERVER}.createAccount", given, {"Authorization": f"Bearer {token}"}
    )
    assert isinstance(refused, dict)
    assert (status, refused["error"]) == (401, "BadJwtLexiconMethod")
