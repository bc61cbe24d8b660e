"""Accounts whose DID is in nobody's hands but their owner's, and the keys of those that are made here."""

import secrets
import time

from tests.support.account import Account
from tests.support.frames import Subscription
from tests.support.plc_host import IDENTITY, OPERATOR_KEY, ROTATION_KEY, SERVER, Host, ask, send
from tests.support.troubled_directory import TroubledDirectory

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256, generate_p256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis, sign, update
from tempest_pds.protocol.syntax.did import Did


def service_token(issuer: str, key: PrivateKey) -> str:
    """Sign what createAccount wants to see of a DID, as its own server would."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "did:web:localhost",
        "lxm": f"{SERVER}.createAccount",
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
    }
    return jwt.encode({"typ": "JWT"}, claims, key)


def move_in(host: Host, did: str, key: PrivateKey, handle: str) -> Account:
    given = {"did": did, "handle": handle, "email": f"{handle}@mail.test", "password": "correct horse battery"}
    status, made = send(f"{host.server.url}/xrpc/{SERVER}.createAccount", given, service_token(did, key))
    assert status == 200, made
    return Account(host.server, did, handle, given["password"], made["accessJwt"], made["refreshJwt"])


def test_who_keeps_every_rotation_key_to_himself_lives_here_all_the_same(tempest_host: Host) -> None:
    strong, weak, old_key = generate_p256(), generate_k256(), generate_k256()
    name = secrets.token_hex(4)
    first = genesis(
        handle=f"{name}.test",
        signing_key=old_key.public.did_key,
        pds_url="https://old.example.com",
        rotation_keys=[strong.public.did_key, weak.public.did_key],
        signer=weak,
    )
    did = did_for_genesis(first)
    tempest_host.publish(did, first)
    account = move_in(tempest_host, did, old_key, f"{name}.test")
    assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is False
    assert ask(account, f"{SERVER}.activateAccount") == (400, "InvalidRequest")

    recommended = account.query(f"{IDENTITY}.getRecommendedDidCredentials")
    here = update(
        first,
        weak,
        also_known_as=recommended["alsoKnownAs"],
        verification_methods=recommended["verificationMethods"],
        services=recommended["services"],
    )
    by_server = sign({**here, "rotationKeys": [strong.public.did_key]}, ROTATION_KEY)
    assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": by_server}) == (400, "InvalidRequest")
    assert ask(account, f"{IDENTITY}.submitPlcOperation", {"operation": here}) == (200, "")
    assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is True
    with Subscription(tempest_host.server) as live:
        assert ask(account, f"{SERVER}.activateAccount") == (200, "")
        account.post("all keys are mine")
        assert [frame.kind for frame in live.take(4)] == ["#account", "#identity", "#sync", "#commit"]

        # What this server cannot do without a key, it says, and the owner does himself.
        renamed = f"{name}-new.test"
        assert ask(account, f"{IDENTITY}.updateHandle", {"handle": renamed}) == (400, "InvalidRequest")
        code = tempest_host.code(account)
        assert ask(account, f"{IDENTITY}.signPlcOperation", {"token": code}) == (400, "InvalidRequest")
        tempest_host.publish(did, update(here, weak, handle=renamed))
        assert ask(account, f"{IDENTITY}.updateHandle", {"handle": renamed}) == (200, "")
        told = live.take(1)[0]
        assert (told.kind, told.body["handle"]) == ("#identity", renamed)
    described = account.query("com.atproto.repo.describeRepo", repo=did)
    assert (described["handle"], described["handleIsCorrect"]) == (renamed, True)
    assert tempest_host.last(did)["rotationKeys"] == [strong.public.did_key, weak.public.did_key]


def test_a_did_web_that_was_brought_along_is_activated_once_its_document_points_here(
    tempest_host: Host, plc_front: TroubledDirectory
) -> None:
    did, key = f"did:web:localhost%3A{plc_front.port}", generate_k256()
    handle = f"{secrets.token_hex(4)}.test"
    elsewhere = build_did_document(Did(did), handle, key.public.did_key, "https://old.example.com")
    plc_front.document = elsewhere
    account = move_in(tempest_host, did, key, handle)
    recommended = account.query(f"{IDENTITY}.getRecommendedDidCredentials")
    assert recommended["alsoKnownAs"] == [f"at://{handle}"]
    signing_key = recommended["verificationMethods"]["atproto"]
    endpoint = recommended["services"]["atproto_pds"]["endpoint"]
    right = build_did_document(Did(did), handle, signing_key, endpoint)
    for document, error in (
        (elsewhere, "InvalidRequest"),
        ({**right, "verificationMethod": []}, "InvalidRequest"),
        (None, "UnresolvableDid"),
        ({**right, "id": "did:web:other.example.com"}, "UnresolvableDid"),
    ):
        plc_front.document = document
        assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is False
        assert ask(account, f"{SERVER}.activateAccount") == (400, error)
    plc_front.document = right
    assert ask(account, f"{SERVER}.activateAccount") == (200, "")
    assert account.query(f"{SERVER}.checkAccountStatus")["validDid"] is True
    account.post("from a document of my own")
    assert ask(account, f"{IDENTITY}.requestPlcOperationSignature") == (400, "InvalidRequest")


def test_a_new_did_has_the_owners_key_then_the_operators_then_the_servers(tempest_host: Host) -> None:
    own, handle = generate_p256().public.did_key, f"{secrets.token_hex(4)}.test"
    given = {"handle": handle, "email": f"{handle}@mail.test", "password": "long enough", "recoveryKey": own}
    status, made = send(f"{tempest_host.server.url}/xrpc/{SERVER}.createAccount", given)
    assert status == 200
    assert tempest_host.last(made["did"])["rotationKeys"] == [own, OPERATOR_KEY, ROTATION_KEY.public.did_key]
    recommended = Account(tempest_host.server, "", "", "", made["accessJwt"], "").query(
        f"{IDENTITY}.getRecommendedDidCredentials"
    )
    assert recommended["rotationKeys"] == [OPERATOR_KEY, ROTATION_KEY.public.did_key]
