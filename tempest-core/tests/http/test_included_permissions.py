"""Permission sets, from the repository of their publisher to what an app may do with them."""

from pathlib import Path
from typing import Any

import pytest
from granted_app import GrantedApp, Grants
from oauth_flow import PUBLIC, FlowClient, provider
from tests.support.app_hosts import client_document
from whole_server import User, name_server, verdict

COLLECTION, NSID = "com.atproto.lexicon.schema", "com.example.calendar.basic"
EVENT, NOTE = "com.example.calendar.event", "com.example.calendar.note"
ASKED, UNPUBLISHED = f"atproto include:{NSID}", "include:com.example.calendar.none"


async def publish(user: User, *collections: str) -> None:
    permissions = [{"type": "permission", "resource": "repo", "collection": list(collections)}]
    main = {"type": "permission-set", "title": "Calendar", "permissions": permissions}
    record = {"$type": COLLECTION, "lexicon": 1, "id": NSID, "defs": {"main": main}}
    given = {"repo": user.did, "collection": COLLECTION, "rkey": NSID, "record": record}
    answer = await user.post("com.atproto.repo.putRecord", given)
    assert answer.status_code == 200, answer.text


async def write(client: FlowClient, tokens: dict[str, Any], collection: str) -> tuple[int, str]:
    server = client.server
    app = GrantedApp(server.http, server.services.server.public_url, Grants())
    app.key, app.nonce = client.key, client.nonce
    record = {"repo": tokens["sub"], "collection": collection, "record": {"$type": collection}}
    return verdict(await app.once("POST", "/xrpc/com.atproto.repo.createRecord", tokens["access_token"], json=record))


async def test_an_app_may_do_what_the_publisher_of_a_set_says_and_with_its_next_token_what_he_says_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody waits for five minutes here.
    monkeypatch.setattr("tempest_pds.services.oauth.permission_sets.FRESH_SECONDS", 0)
    with name_server() as dns:
        async with provider(tmp_path) as there:
            there.hosts.publish(PUBLIC, client_document(PUBLIC, scope=f"{ASKED} {UNPUBLISHED}"))
            publisher, alice = await there.server.sign_up("publisher"), await there.server.sign_up("alice")
            client = there.client()
            refused = await client.push(scope=f"atproto {UNPUBLISHED}")
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
            dns.records["_lexicon.calendar.example.com", "TXT"] = [f'"did={publisher.did}"']
            await publish(publisher, EVENT)
            tokens = await client.sign_in(alice, scope=ASKED)
            assert await write(client, tokens, EVENT) == (200, "")
            assert await write(client, tokens, NOTE) == (403, "ScopeMissingError")

            await publish(publisher, EVENT, NOTE)
            assert await write(client, tokens, NOTE) == (403, "ScopeMissingError")
            tokens = (await client.refresh(tokens["refresh_token"])).json()
            assert await write(client, tokens, NOTE) == (200, "")
