"""A sign-up form asks whether a handle is free, and learns nothing that signing up would not tell."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from whole_server import WholeServer, verdict, whole_server

from tempest_pds.protocol.syntax.handle import Handle

METHOD = "com.atproto.temp.checkHandleAvailability"
FREE, TAKEN = f"{METHOD}#resultAvailable", f"{METHOD}#resultUnavailable"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


async def ask(server: WholeServer, handle: str, **more: Any) -> dict[str, Any]:
    answer = await server.anybody(METHOD, handle=handle, **more)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["handle"] == handle.lower()
    result: dict[str, Any] = told["result"]
    return result


async def test_a_handle_is_free_until_somebody_has_it_and_the_next_ones_are_suggested(server: WholeServer) -> None:
    assert await ask(server, "alice.test") == {"$type": FREE}
    await server.sign_up("alice")
    for handle in ("alice.test", "ALICE.test"):
        result = await ask(server, handle)
        assert result["$type"] == TAKEN
        suggested = [each["handle"] for each in result["suggestions"]]
        assert 1 <= len(set(suggested)) == len(suggested) <= 3
        for each in suggested:
            assert await ask(server, each) == {"$type": FREE}
            assert (await server.sign_up(each.removesuffix(".test"))).handle == each


async def test_a_long_name_is_cut_for_its_suggestions(server: WholeServer) -> None:
    name = "a-rather-long-name"
    await server.sign_up(name)
    for each in (await ask(server, f"{name}.test"))["suggestions"]:
        assert Handle.is_valid(each["handle"])
        assert len(each["handle"]) <= 18 + len(".test")


async def test_reserved_names_are_not_free_and_those_of_inactive_accounts_are_not_either(server: WholeServer) -> None:
    assert (await ask(server, "admin.test"))["$type"] == TAKEN
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    await alice.post("com.atproto.server.deactivateAccount", {})
    await server.take_down(bob)
    for user in (alice, bob):
        assert (await ask(server, user.handle))["$type"] == TAKEN
    await server.administer("com.atproto.admin.deleteAccount", {"did": alice.did})
    assert await ask(server, "alice.test") == {"$type": FREE}


async def test_nobody_learns_whose_address_it_is(server: WholeServer) -> None:
    await server.sign_up("alice")
    answers = [await ask(server, "bob.test", email=email) for email in ("alice@example.com", "nobody@example.com")]
    assert answers == [{"$type": FREE}] * 2
    assert verdict(await server.anybody(METHOD, handle="bob.test", email="no address")) == (400, "InvalidEmail")


async def test_what_nobody_can_sign_up_with_is_refused_by_name(server: WholeServer) -> None:
    for handle, name in (
        ("ab.test", "InvalidHandle"),
        ("a.b.test", "InvalidHandle"),
        ("alice.example.com", "UnsupportedDomain"),
        ("not a handle", "InvalidRequest"),
    ):
        assert verdict(await server.anybody(METHOD, handle=handle)) == (400, name), handle


async def test_the_name_of_a_did_web_is_taken_for_good(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web") as server:
        alice = await server.sign_up("alice")
        await alice.post("com.atproto.identity.updateHandle", {"handle": "alicia.test"})
        assert (await ask(server, "alice.test"))["$type"] == TAKEN


async def test_it_is_asked_a_hundred_times_in_five_minutes(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        for _ in range(100):
            last = await server.anybody(METHOD, handle="alice.test")
            assert last.status_code == 200
        assert last.headers["ratelimit-policy"] == "100;w=300"
        assert verdict(await server.anybody(METHOD, handle="alice.test")) == (429, "RateLimitExceeded")
