"""draft"""

import json
import time

from tests.e2e.test_migration import REPO, SERVER, SYNC, fetch
from tests.support.account import Account, sign_up
from tests.support.account_view import compare, look
from tests.support.process import json_request
from tests.support.reference import ReferencePds
from tests.support.rich_account import furnish
from tests.support.server import Tempest

from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.stores.key_files import KeyFiles


def rotation(server):
    if isinstance(server, Tempest):
        return KeyFiles(server.folder / "keys").rotation_key()
    return private_key(bytes.fromhex("11" * 32), "k256")


def move(plc, old: Account, server, handle) -> Account:
    did = json_request(f"{server.url}/xrpc/{SERVER}.describeServer")[1]["did"]
    token = old.query(f"{SERVER}.getServiceAuth", aud=did, lxm=f"{SERVER}.createAccount")["token"]
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": old.password, "did": old.did}
    status, made = json_request(
        f"{server.url}/xrpc/{SERVER}.createAccount", given, {"Authorization": f"Bearer {token}"}
    )
    assert status == 200, made
    new = Account(server, old.did, handle, old.password, made["accessJwt"], made["refreshJwt"])
    car = fetch(f"{old.server.url}/xrpc/{SYNC}.getRepo?did={old.did}")
    fetch(f"{new.server.url}/xrpc/{REPO}.importRepo", car, "application/vnd.ipld.car", new.access)
    n = 0
    for missing in new.query(f"{REPO}.listMissingBlobs")["blobs"]:
        n += 1
        import urllib.request

        with urllib.request.urlopen(f"{old.server.url}/xrpc/{SYNC}.getBlob?did={old.did}&cid={missing['cid']}") as a:
            fetch(f"{new.server.url}/xrpc/{REPO}.uploadBlob", a.read(), a.headers["content-type"], new.access)
    print("blobs", n)
    kept = old.query("app.bsky.actor.getPreferences")["preferences"]
    new.procedure("app.bsky.actor.putPreferences", preferences=kept)
    rec = new.query("com.atproto.identity.getRecommendedDidCredentials") if not isinstance(server, Tempest) else None
    if rec is None:
        signing = KeyFiles(server.folder / "keys").signing_key(new.did).public.did_key
    else:
        signing = rec["verificationMethods"]["atproto"]
    _, last = json_request(f"{plc.url}/{old.did}/log/last")
    op = update(
        last,
        handle=handle,
        signing_key=signing,
        pds_url=server.url,
        rotation_keys=[rotation(server).public.did_key],
        signer=rotation(old.server),
    )
    fetch(f"{plc.url}/{old.did}", json.dumps(op).encode(), "application/json")
    fetch(f"{server.url}/xrpc/{SERVER}.activateAccount", b"", token=new.access)
    old.procedure(f"{SERVER}.deactivateAccount")
    print(new.query(f"{SERVER}.checkAccountStatus"))
    return new


def test_trip(plc, node, tmp_path):
    t = time.time()

    def lap(x):
        nonlocal t
        print(f"{x}: {time.time() - t:.1f}")
        t = time.time()

    with (
        ReferencePds(node, tmp_path / "r", plc.url, PDS_SERVICE_DID="did:web:reference.test") as r,
        Tempest(tmp_path / "a", plc.url, TEMPEST_SERVICE_DID="did:web:one.test") as a,
        Tempest(tmp_path / "b", plc.url, TEMPEST_SERVICE_DID="did:web:two.test") as b,
        ReferencePds(node, tmp_path / "s", plc.url) as s,
    ):
        lap("start")
        acc = sign_up(r, "trip")
        furnish(acc)
        lap("furnish")
        here = look(acc, plc.url)
        lap("look")
        for server in (a, b, s, a):
            if server is a and acc.server is not r:
                server = Tempest(tmp_path / "c", plc.url).start()
            new = move(plc, acc, server, acc.handle)
            lap("move")
            there = look(new, plc.url)
            lap("look")
            print("\n".join(x[:300] for x in compare(here, there)))
            acc, here = new, there
        server.stop()
