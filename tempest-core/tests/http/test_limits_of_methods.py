"""The limits that methods declare, counted by the whole server."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from whole_server import PASSWORD, WholeServer, verdict, whole_server

from tempest_pds.http.methods.accounts import RESERVATIONS_PER_DAY
from tempest_pds.http.rate_limits import DAY
from tempest_pds.stores.key_files import MAX_RESERVED, RESERVED_SECONDS

LOGIN = "/xrpc/com.atproto.server.createSession"
APPLY = "com.atproto.repo.applyWrites"
HEADERS = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy"}
BYPASS = {"X-RateLimit-Bypass": "let me pass, I test this"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    settings = {"TEMPEST_RATE_LIMITS_ENABLED": "true", "TEMPEST_RATE_LIMIT_BYPASS_KEY": BYPASS["X-RateLimit-Bypass"]}
    async with whole_server(tmp_path, **settings) as server:
        yield server


def check_four_headers(answer: httpx.Response) -> None:
    assert {name for name in HEADERS if len(answer.headers.get_list(name)) == 1} == HEADERS


async def test_every_answer_tells_where_its_caller_stands(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    answers = [
        await server.anybody("com.atproto.server.describeServer"),
        await server.anybody("com.atproto.sync.getRepo", did=alice.did),
        await server.anybody("com.atproto.sync.getRepo", did="did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        await server.anybody("com.example.nothing"),
        await alice.get("app.bsky.feed.getTimeline"),
        await alice.post("com.atproto.repo.createRecord", {}),
    ]
    for answer in answers:
        check_four_headers(answer)
        assert "retry-after" not in answer.headers
    assert not HEADERS & set((await server.anybody("_health")).headers)


async def test_a_name_is_guessed_at_thirty_times_however_it_is_spelt(server: WholeServer) -> None:
    await server.sign_up("alice")
    spellings = ("alice.test", "ALICE.test", " alice.test ", "@alice.test", "aLiCe.TeSt")
    for number in range(30):
        given = {"identifier": spellings[number % len(spellings)], "password": "wrong"}
        assert verdict(await server.http.post(LOGIN, json=given)) == (401, "AuthenticationRequired")
    given = {"identifier": "Alice.Test", "password": PASSWORD}
    refused = await server.http.post(LOGIN, json=given)
    assert verdict(refused) == (429, "RateLimitExceeded")
    check_four_headers(refused)
    assert refused.headers["ratelimit-policy"] == "30;w=300"
    assert 0 < int(refused.headers["retry-after"]) <= 300
    let_pass = await server.http.post(LOGIN, json=given, headers=BYPASS)
    assert let_pass.status_code == 200
    assert not HEADERS & set(let_pass.headers)
    unknown = {"identifier": "bob.test", "password": "wrong"}
    assert verdict(await server.http.post(LOGIN, json=unknown)) == (401, "AuthenticationRequired")


async def test_a_password_is_guessed_at_no_more_by_deleting_than_by_logging_in(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    delete = "/xrpc/com.atproto.server.deleteAccount"
    given = {"did": alice.did, "password": "wrong", "token": "AAAAA-AAAAA"}
    for _ in range(15):
        assert verdict(await server.http.post(delete, json=given)) == (401, "AuthenticationRequired")
        login = {"identifier": alice.did, "password": "wrong"}
        assert verdict(await server.http.post(LOGIN, json=login)) == (401, "AuthenticationRequired")
    assert verdict(await server.http.post(delete, json={**given, "password": PASSWORD})) == (429, "RateLimitExceeded")
    refused = await server.http.post(LOGIN, json={"identifier": alice.did, "password": PASSWORD})
    assert verdict(refused) == (429, "RateLimitExceeded")


async def test_a_create_costs_three_points_an_update_two_a_delete_one(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")

    def writes(count: int) -> dict[str, object]:
        kinds = [
            {"$type": f"{APPLY}#create", "value": {"$type": "com.example.note"}},
            {"$type": f"{APPLY}#update", "value": {"$type": "com.example.note", "new": True}},
            {"$type": f"{APPLY}#delete"},
        ]
        named = [
            {**kind, "collection": "com.example.note", "rkey": f"k{number}"}
            for number in range(count)
            for kind in kinds
        ]
        return {"repo": alice.did, "writes": named}

    spent = 0
    while spent + 66 * 6 <= 5000:
        answer = await alice.post(APPLY, writes(66))
        assert answer.status_code == 200, answer.text
        spent += 66 * 6
        if answer.headers["ratelimit-limit"] == "5000":
            assert answer.headers["ratelimit-remaining"] == str(5000 - spent)
    refused = await alice.post(APPLY, writes(66))
    assert verdict(refused) == (429, "RateLimitExceeded")
    assert refused.headers["ratelimit-policy"] == "5000;w=3600"
    assert (await alice.get("com.atproto.repo.listMissingBlobs")).status_code == 200
    await bob.write({"$type": "com.example.note"})


async def test_nobody_floods_the_network_and_mailboxes_with_what_he_switches(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    for method, given, points in (
        ("com.atproto.server.deactivateAccount", {"deleteAfter": "2099-01-02T03:04:05Z"}, 10),
        ("com.atproto.server.activateAccount", None, 30),
        ("com.atproto.identity.submitPlcOperation", {"operation": {}}, 30),
    ):
        answers = [verdict(await alice.post(method, given)) for _ in range(points + 1)]
        assert {status for status, _ in answers[:-1]} <= {200, 400}
        assert answers[-1] == (429, "RateLimitExceeded")
        assert verdict(await bob.post(method, given))[0] in (200, 400)


def test_no_address_has_all_the_keys_that_can_be_reserved() -> None:
    assert RESERVATIONS_PER_DAY.seconds == DAY
    assert RESERVATIONS_PER_DAY.points * RESERVED_SECONDS / DAY < MAX_RESERVED / 2
