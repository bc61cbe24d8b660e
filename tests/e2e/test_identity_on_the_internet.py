"""Handles and DIDs by a real name server, real HTTPS hosts and a real PLC directory, with all protection on."""

import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from tests.support.foreign_repo import Foreign
from tests.support.lone_host import require_lone_host
from tests.support.node import Node
from tests.support.small_internet import HOSTNAME, PASSWORD, URL, SmallInternet

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.identity.plc_operation import Operation, did_for_genesis, genesis, tombstone
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.commit import sign_commit

LEXICONS = "com.atproto.lexicon.schema"
SOMEBODY = "did:plc:ssssssssssssssssssssssss"


def not_proved(account: Mapping[str, Any], handle: str) -> tuple[int, dict[str, str]]:
    """Give the refusal of a handle that does not name the account: the reference server's words, and what to do."""
    did = account["did"]
    message = (
        f"External handle did not resolve to DID: put did={did} into a TXT record of _atproto.{handle}, "
        f"or serve {did} at https://{handle}/.well-known/atproto-did"
    )
    return 400, {"error": "InvalidRequest", "message": message}


@pytest.fixture(scope="module")
def internet(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallInternet]:
    require_lone_host()
    with ExitStack() as stack:
        yield SmallInternet(tmp_path_factory.mktemp("internet"), node, stack)


def resolve(internet: SmallInternet, handle: str) -> str | None:
    """Return the DID that resolveHandle gives, None for HandleNotFound."""
    status, answer = internet.call("com.atproto.identity.resolveHandle", handle=handle)
    if (status, answer.get("error")) == (400, "HandleNotFound"):
        return None
    assert status == 200, answer
    did: str = answer["did"]
    return did


def handle_of(internet: SmallInternet, did: str) -> str:
    """Return the handle that was verified both ways."""
    status, answer = internet.identity(did)
    assert status == 200, answer
    handle: str = answer["handle"]
    return handle


def test_a_txt_record_gives_an_account_its_handle(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    assert internet.update_handle(alice, "txt.example.net") == not_proved(alice, "txt.example.net")
    # In two parts, beside another record and one of the same.
    half = len(alice["did"]) // 2
    parts = f'"did={alice["did"][:half]}" "{alice["did"][half:]}"'
    internet.texts("txt.example.net", '"v=spf1 -all"', parts, f'"did={alice["did"]} "')
    assert internet.update_handle(alice, "TXT.example.net") == (200, None)
    assert resolve(internet, "txt.example.net") == alice["did"]
    status, identity = internet.identity(alice["did"])
    assert (status, identity["handle"]) == (200, "txt.example.net")
    assert identity["didDoc"]["alsoKnownAs"] == ["at://txt.example.net"]
    status, session = internet.call("com.atproto.server.getSession", token=alice["accessJwt"])
    assert (session["handle"], session["didDoc"]) == ("txt.example.net", identity["didDoc"])
    # Back to one of the server's: the other domain of its own.
    assert internet.update_handle(alice, "alice.people.example.com") == (200, None)
    assert handle_of(internet, alice["did"]) == "alice.people.example.com"


def test_a_host_gives_an_account_its_handle(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    internet.well_known("web.example.net", f"{alice['did']}\n")
    assert internet.update_handle(alice, "web.example.net") == (200, None)
    assert handle_of(internet, alice["did"]) == "web.example.net"


def test_a_host_may_send_on_to_another_and_not_into_the_private_network(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    path = "/.well-known/atproto-did"
    internet.page("example.org", path, status=301, headers={"Location": f"https://www.example.org{path}"})
    internet.well_known("www.example.org", alice["did"])
    assert internet.update_handle(alice, "example.org") == (200, None)
    internet.well_known("inside.example.org", SOMEBODY, address="127.0.0.1")
    for number, target in enumerate(("https://inside.example.org", "https://127.0.0.1", "http://www.example.org")):
        handle = f"away{number}.example.org"
        internet.page(handle, path, status=302, headers={"Location": f"{target}{path}"})
        assert resolve(internet, handle) is None


def test_a_host_with_a_private_address_or_another_certificate_is_not_believed(internet: SmallInternet) -> None:
    internet.well_known("private.example.net", SOMEBODY, address="127.0.0.1")
    internet.well_known("deep.er.example.net", SOMEBODY)
    internet.well_known("sound.example.net", SOMEBODY)
    handles = ("private.example.net", "deep.er.example.net", "sound.example.net")
    assert [resolve(internet, handle) for handle in handles] == [None, None, SOMEBODY]


def test_where_both_answer_and_contradict_each_other_dns_is_right(internet: SmallInternet) -> None:
    alice, bob = internet.sign_up(), internet.sign_up()
    internet.txt("both.example.net", alice["did"])
    internet.well_known("both.example.net", bob["did"])
    assert internet.update_handle(bob, "both.example.net") == not_proved(bob, "both.example.net")
    assert internet.update_handle(alice, "both.example.net") == (200, None)


def test_txt_records_that_name_several_dids_name_none(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    internet.txt("many.example.net", alice["did"], SOMEBODY)
    internet.well_known("many.example.net", alice["did"])
    assert internet.update_handle(alice, "many.example.net") == not_proved(alice, "many.example.net")
    assert resolve(internet, "many.example.net") is None
    internet.txt("many.example.net", alice["did"])
    assert internet.update_handle(alice, "many.example.net") == (200, None)


def test_a_handle_that_names_somebody_else_is_not_believed(internet: SmallInternet) -> None:
    alice, mallory = internet.sign_up(), internet.sign_up()
    internet.txt("mallory.example.net", alice["did"])
    assert internet.update_handle(mallory, "mallory.example.net") == not_proved(mallory, "mallory.example.net")
    status, identity = internet.identity("mallory.example.net")
    assert (status, identity["did"], identity["handle"]) == (200, alice["did"], alice["handle"])
    assert internet.identity("nobody.example.net")[1]["error"] == "HandleNotFound"
    assert internet.identity(SOMEBODY)[1]["error"] == "DidNotFound"


def test_a_did_that_was_ended_is_told_by_the_words_of_the_directory(internet: SmallInternet) -> None:
    key = generate_k256()
    did, operations = ended_did(key)
    for operation in operations:
        internet.publish(did, operation)
    for status, answer in (internet.call("com.atproto.identity.resolveDid", did=did), internet.refresh(did)):
        assert (status, answer["error"]) == (400, "DidDeactivated")


def ended_did(key: PrivateKey) -> tuple[Did, list[Operation]]:
    """Make a did:plc, and end it."""
    public = key.public.did_key
    made = genesis(handle="gone.example.net", signing_key=public, pds_url=URL, rotation_keys=[public], signer=key)
    return did_for_genesis(made), [made, tombstone(made, key)]


def test_a_domain_that_is_given_to_another_account_takes_the_handle_along(internet: SmallInternet) -> None:
    alice, bob = internet.sign_up(), internet.sign_up()
    internet.txt("sold.example.net", alice["did"])
    assert internet.update_handle(alice, "sold.example.net") == (200, None)
    internet.txt("sold.example.net", bob["did"])
    assert internet.update_handle(bob, "sold.example.net") == (200, None)
    assert (handle_of(internet, alice["did"]), handle_of(internet, bob["did"])) == (
        "handle.invalid",
        "sold.example.net",
    )
    assert internet.call("com.atproto.server.getSession", token=alice["accessJwt"])[1]["handle"] == "handle.invalid"
    assert internet.update_handle(alice, alice["handle"]) == (200, None)


def test_a_record_that_changed_is_seen_at_once_by_who_asks_anew(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    internet.txt("fresh.example.net", alice["did"])
    assert internet.update_handle(alice, "fresh.example.net") == (200, None)
    internet.txt("fresh.example.net", SOMEBODY)
    assert handle_of(internet, alice["did"]) == "fresh.example.net"
    assert internet.refresh(alice["did"])[1]["handle"] == "handle.invalid"
    assert handle_of(internet, alice["did"]) == "handle.invalid"
    internet.txt("fresh.example.net", alice["did"])
    assert internet.refresh("fresh.example.net")[1]["handle"] == "fresh.example.net"


def test_hosts_and_name_servers_that_keep_us_waiting_do_not_do_so_for_long(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    internet.page("slow.example.net", "/.well-known/atproto-did", hangs=True)
    internet.page("slow.example.net", "/.well-known/did.json", hangs=True)
    internet.keep_silent("_atproto.silent.example.net", "silent.example.net")
    # Its host answers, although nobody says whether there is a record.
    internet.keep_silent("_atproto.half.example.net")
    internet.well_known("half.example.net", SOMEBODY)
    with ThreadPoolExecutor() as threads:
        asking: list[Future[Any]] = [
            threads.submit(internet.update_handle, alice, "slow.example.net"),
            threads.submit(internet.update_handle, alice, "silent.example.net"),
            threads.submit(internet.call, "com.atproto.identity.resolveDid", did="did:web:slow.example.net"),
            threads.submit(resolve, internet, "half.example.net"),
        ]
        # Meanwhile everybody else is served.
        assert internet.call("_health")[0] == 200
        assert handle_of(internet, internet.sign_up()["did"]).endswith(HOSTNAME)
        answers = [question.result() for question in asking]
    assert answers[:2] == [not_proved(alice, f"{name}.example.net") for name in ("slow", "silent")]
    assert (answers[2][0], answers[2][1]["error"]) == (502, "UpstreamFailure")
    assert answers[3] == SOMEBODY


def test_a_did_web_comes_with_a_handle_of_its_own_lives_here_and_changes_it(internet: SmallInternet) -> None:
    did, host, own = "did:web:mover.example.net", "mover.example.net", generate_k256()
    internet.document(host, build_did_document(did, host, own.public.did_key, "https://old.example.net"))  # type: ignore[arg-type]
    internet.well_known(host, did)
    create = "com.atproto.server.createAccount"
    claims = {"iss": did, "aud": f"did:web:{HOSTNAME}", "exp": int(time.time()) + 60, "lxm": create}
    token = jwt.encode({"typ": "JWT"}, claims, own)
    key = internet.call("com.atproto.server.reserveSigningKey", {"did": did})[1]["signingKey"]
    given = {"did": did, "email": "mover@example.com", "password": PASSWORD}
    assert internet.call(create, {**given, "handle": "web2.example.net"}, token) == not_proved(
        {"did": did}, "web2.example.net"
    )
    status, mover = internet.call(create, {**given, "handle": host}, token)
    assert (status, mover["did"], mover["handle"]) == (200, did, host)
    activate = "com.atproto.server.activateAccount"
    assert internet.call(activate, {}, mover["accessJwt"])[0] == 400
    internet.document(host, build_did_document(did, host, key, URL))  # type: ignore[arg-type]
    assert internet.call(activate, {}, mover["accessJwt"]) == (200, None)
    assert internet.refresh(did)[1]["handle"] == host
    new = f"mover.{HOSTNAME}"
    status, refusal = internet.update_handle(mover, new)
    assert (status, refusal["message"]) == (400, "DID is not properly configured for handle")
    internet.document(host, build_did_document(did, new, key, URL))  # type: ignore[arg-type]
    assert internet.update_handle(mover, new) == (200, None)
    assert internet.refresh(did)[1]["handle"] == new
    assert resolve(internet, new) == did


def lexicon(nsid: str) -> dict[str, Any]:
    """Return a document as its record."""
    permission = {"type": "permission", "resource": "repo", "collection": [f"{nsid}Event"]}
    main = {"type": "permission-set", "title": "Calendar", "permissions": [permission]}
    return {"$type": LEXICONS, "lexicon": 1, "id": nsid, "defs": {"main": main}}


def test_a_lexicon_of_an_account_here_is_found_by_the_dns_of_its_domain(internet: SmallInternet) -> None:
    alice = internet.sign_up()
    nsid = "net.example.calendar.basic"
    given = {"repo": alice["did"], "collection": LEXICONS, "rkey": nsid, "record": lexicon(nsid)}
    status, made = internet.call("com.atproto.repo.putRecord", given, alice["accessJwt"])
    assert status == 200, made
    # The domain above says nothing of those below.
    internet.publishes_lexicons("example.net", alice["did"])
    not_found = {
        "error": "LexiconNotFound",
        "message": f"Could not resolve lexicon: {nsid.replace('calendar', 'diary')}",
    }
    assert internet.lexicon(nsid.replace("calendar", "diary")) == (400, not_found)
    internet.publishes_lexicons("calendar.example.net", alice["did"])
    assert internet.lexicon(nsid) == (200, {"uri": made["uri"], "cid": made["cid"], "schema": lexicon(nsid)})


def test_a_lexicon_of_somebody_elsewhere_is_believed_with_a_proof(internet: SmallInternet) -> None:
    host, nsid, key = "lexicons.example.org", "org.example.lexicons.basic", generate_k256()
    did = Did.parse(f"did:web:{host}")
    internet.document(host, build_did_document(did, host, key.public.did_key, f"https://{host}"))
    internet.publishes_lexicons(host, did)
    repo = Foreign({f"{LEXICONS}/{nsid}": lexicon(nsid)}, did)
    for signer, status in ((generate_k256(), 502), (key, 200)):
        proof = repo.under(sign_commit(did, repo.commit.rev, repo.data, signer))
        internet.page(host, "/xrpc/com.atproto.sync.getRecord", base64=b64encode(proof).decode())
        found, answer = internet.lexicon(nsid)
        assert found == status, answer
    assert (answer["uri"], answer["schema"]) == (f"at://{did}/{LEXICONS}/{nsid}", lexicon(nsid))
