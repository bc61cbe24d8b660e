"""com.atproto.lexicon.resolveLexicon through the whole server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.dns_server import DnsServer
from whole_server import User, WholeServer, name_server, verdict, whole_server

from tempest_pds.http.methods.lexicon import RESOLUTIONS

METHOD = "com.atproto.lexicon.resolveLexicon"
COLLECTION = "com.atproto.lexicon.schema"
NSID = "com.example.calendar.basic"
PERMISSION = {"type": "permission", "resource": "repo", "collection": ["com.example.calendar.event"]}
DOCUMENT: dict[str, Any] = {
    "$type": COLLECTION,
    "lexicon": 1,
    "id": NSID,
    "defs": {"main": {"type": "permission-set", "title": "Calendar", "permissions": [PERMISSION]}},
}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with name_server() as server:
        yield server


@pytest.fixture
async def server(tmp_path: Path, dns: DnsServer) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        yield server


async def publish(user: User, nsid: str, record: dict[str, Any]) -> dict[str, Any]:
    given = {"repo": user.did, "collection": COLLECTION, "rkey": nsid, "record": record}
    answer = await user.post("com.atproto.repo.putRecord", given)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_what_an_account_publishes_is_found_by_everybody(server: WholeServer, dns: DnsServer) -> None:
    alice = await server.sign_up("alice")
    dns.records["_lexicon.calendar.example.com", "TXT"] = [f'"did={alice.did}"']
    made = await publish(alice, NSID, DOCUMENT)
    expected = {"uri": made["uri"], "cid": made["cid"], "schema": DOCUMENT}
    answer = await server.anybody(METHOD, nsid=NSID)
    assert answer.json() == expected
    assert answer.headers["ratelimit-policy"] == f"{RESOLUTIONS.points};w=300"
    # In a session it is no other's affair either, as long as no other is named.
    assert (await alice.get(METHOD, nsid="com.EXAMPLE.calendar.basic")).json() == expected
    named = await server.http.get(
        f"/xrpc/{METHOD}", params={"nsid": NSID}, headers={"atproto-proxy": "did:web:x.example#y"}
    )
    assert verdict(named) == (401, "AuthMissing")


async def test_a_lexicon_that_nobody_publishes_is_not_found(server: WholeServer, dns: DnsServer) -> None:
    alice = await server.sign_up("alice")
    await publish(alice, "com.example.broken", {**DOCUMENT, "id": "com.example.broken", "defs": {"main": {}}})
    await publish(alice, "com.example.hidden", {**DOCUMENT, "id": "com.example.hidden"})
    dns.records["_lexicon.example.com", "TXT"] = [f'"did={alice.did}"']
    for nsid in ("com.example.broken", "com.example.missing", "com.example.below.missing", "test.alice.thing"):
        answer = await server.anybody(METHOD, nsid=nsid)
        assert answer.json() == {"error": "LexiconNotFound", "message": f"Could not resolve lexicon: {nsid}"}
        assert answer.status_code == 400
    assert verdict(await server.anybody(METHOD, nsid="not an nsid")) == (400, "InvalidRequest")
    await alice.post("com.atproto.server.deactivateAccount", {})
    assert verdict(await server.anybody(METHOD, nsid="com.example.hidden")) == (400, "LexiconNotFound")


async def test_an_outage_out_there_is_not_told_in_detail(server: WholeServer, dns: DnsServer) -> None:
    dns.records["_lexicon.example.com", "TXT"] = ['"did=did:web:127.0.0.1"', '"did=bad"']
    dns.records["_lexicon.elsewhere.example.com", "TXT"] = ['"did=did:web:nowhere.example.com"']
    assert verdict(await server.anybody(METHOD, nsid="com.example.inside")) == (400, "LexiconNotFound")
    answer = await server.anybody(METHOD, nsid="com.example.elsewhere.some")
    assert answer.json()["message"] == "Unable to resolve lexicon, try again later"
    assert verdict(answer) == (502, "UpstreamFailure")
