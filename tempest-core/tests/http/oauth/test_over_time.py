"""What time, a restart and an upkeep do to requests, codes and sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from oauth_flow import BROWSER, CONFIDENTIAL, PUBLIC, FlowClient, Provider, on_folder, provider, verdict
from tests.support.app_hosts import app_hosts, client_document, confidential
from tests.support.oauth_raw import SigningKey
from whole_server import User

from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.protocol.oauth.errors import InvalidRequest
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.requests import RequestRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE, HOUR, DAY = 60, 3600, 86_400
MARGIN = 10
"""What is good until some second is tried that much before it: the clock of the machine goes on meanwhile."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    trusted = "https://own.example.net/client.json"
    async with provider(tmp_path_factory.mktemp("oauth"), TEMPEST_OAUTH_TRUSTED_CLIENTS=trusted) as started:
        yield started


async def opened(client: FlowClient) -> Any:
    asked = {"client_id": client.client_id, "request_uri": await client.request_uri()}
    return await client.requests.open(asked, BROWSER), asked


# Requests


async def test_a_request_that_nobody_opens_is_over_after_five_minutes(there: Provider) -> None:
    client = there.client()
    asked = {"client_id": PUBLIC, "request_uri": await client.request_uri()}
    with there.clock.later(15 * MINUTE - MARGIN):
        await client.requests.forget_expired()
        with pytest.raises(RequestRefused) as caught:
            await client.requests.open(asked, BROWSER)
    values = caught.value.response.values
    assert (values["error"], values["state"]) == ("access_denied", "a state")
    with pytest.raises(InvalidRequest):
        await client.requests.open(asked, BROWSER)


async def test_who_has_opened_a_request_has_twenty_minutes_for_the_next_step(there: Provider, alice: User) -> None:
    for since, is_over in ((20 * MINUTE - MARGIN, False), (20 * MINUTE, True)):
        client = there.client()
        request, _ = await opened(client)
        with there.clock.later(4 * MINUTE):
            await client.requests.resume(request.id, BROWSER)
        with there.clock.later(4 * MINUTE + since):
            if is_over:
                with pytest.raises(RequestRefused, match="expired"):
                    await client.requests.resume(request.id, BROWSER)
            else:
                await client.requests.resume(request.id, BROWSER)


async def test_work_on_a_request_keeps_it_alive_for_an_hour_at_most(there: Provider, alice: User) -> None:
    client = there.client()
    request, _ = await opened(client)
    for minutes in range(4, 60, 4):
        with there.clock.later(minutes * MINUTE):
            await client.requests.resume(request.id, BROWSER)
    with there.clock.later(59 * MINUTE):
        await client.requests.resume(request.id, BROWSER)
    with there.clock.later(HOUR), pytest.raises(RequestRefused, match="expired"):
        await client.agree(request, alice)


async def test_a_code_waits_for_five_minutes(there: Provider, alice: User) -> None:
    client = there.client()
    code = await client.code(alice)
    with there.clock.later(5 * MINUTE):
        assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    in_time = there.client()
    code = await in_time.code(alice)
    with there.clock.later(5 * MINUTE - MARGIN):
        assert verdict(await in_time.exchange(code)) == (200, "")


async def test_a_challenge_may_serve_again_after_a_day(there: Provider, alice: User) -> None:
    client = there.client()
    await client.sign_in(alice)
    for seconds, status in ((DAY - MINUTE, 400), (DAY + MINUTE, 200)):
        with there.clock.later(seconds):
            assert (await client.exchange(await client.code(alice))).status_code == status


# Sessions


@pytest.mark.parametrize(
    ("client_id", "idle_days", "total_days"),
    [
        (PUBLIC, 14, 14),
        (CONFIDENTIAL, 91.3125, 730.5),
        ("https://own.example.net/client.json", 91.3125, 730.5),
    ],
)
async def test_sessions_live_as_long_as_their_client_is_known(
    there: Provider, alice: User, client_id: str, idle_days: float, total_days: float
) -> None:
    if client_id not in (PUBLIC, CONFIDENTIAL):
        there.hosts.publish(client_id, client_document(client_id))
    idle, active = there.client(client_id), there.client(client_id)
    unused = await idle.sign_in(alice)
    token = (await active.sign_in(alice))["refresh_token"]
    with there.clock.later(idle_days * DAY + MINUTE):
        assert verdict(await idle.refresh(unused["refresh_token"])) == (400, "invalid_grant")
    days = idle_days / 2
    while days < total_days:
        with there.clock.later(days * DAY):
            answer = await active.refresh(token)
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]
        days += idle_days - 1
    with there.clock.later(total_days * DAY - HOUR / 2):
        answer = await active.refresh(token)
        # No token outlives its session.
        assert 1700 <= answer.json()["expires_in"] <= 1800
    with there.clock.later(total_days * DAY + MINUTE):
        assert verdict(await active.refresh(answer.json()["refresh_token"])) == (400, "invalid_grant")


async def test_an_access_token_is_good_for_an_hour(there: Provider, alice: User) -> None:
    client = there.client()
    token = (await client.sign_in(alice))["access_token"]
    with there.clock.later(HOUR - MINUTE):
        assert client.is_good(token)
    with there.clock.later(HOUR + 1):
        assert not client.is_good(token)
        # Who revokes it means the session, which is not over.
        assert len(there.server.services.oauth.sessions.list_for(Did(alice.did))) >= 1
        assert (await client.revoke(token)).status_code == 200
    assert not client.is_good(token)


async def test_a_used_refresh_token_leads_on_for_two_minutes(there: Provider, alice: User) -> None:
    client = there.client()
    token = (await client.sign_in(alice))["refresh_token"]
    successor = (await client.refresh(token)).json()["refresh_token"]
    with there.clock.later(2 * MINUTE - MARGIN):
        again = await client.refresh(token)
        assert again.json()["refresh_token"] == successor
    with there.clock.later(2 * MINUTE + 2):
        assert verdict(await client.refresh(token)) == (400, "invalid_grant")
    assert verdict(await client.refresh(successor)) == (400, "invalid_grant")


async def test_its_owner_sees_when_a_session_was_used(there: Provider) -> None:
    carol = await there.server.sign_up("carol")
    client = there.client()
    token = (await client.sign_in(carol))["access_token"]
    await there.client().sign_in(carol)
    sid = decode_unverified(token).claims["sid"]
    sessions = there.server.services.oauth.sessions

    def used_at() -> int:
        return next(view.used_at for view in sessions.list_for(Did(carol.did)) if view.id == sid)

    first = used_at()
    assert client.is_good(token)
    assert used_at() == first
    with there.clock.later(10 * MINUTE):
        assert client.is_good(token)
    second = used_at()
    assert second - first >= 9 * MINUTE * 1_000_000
    assert sessions.list_for(Did(carol.did))[0].id == sid
    await sessions.write_uses()
    assert used_at() == second


# Upkeep and restarts


async def test_a_refresh_token_of_a_session_that_is_over_is_told_to_be_no_good(there: Provider, alice: User) -> None:
    client = there.client(CONFIDENTIAL)
    token = (await client.sign_in(alice))["refresh_token"]
    for days, active in ((91, True), (92, False)):
        with there.clock.later(days * DAY):
            assert (await client.introspect(token)).json()["active"] is active


async def test_a_refresh_token_is_not_told_to_outlive_its_session(there: Provider, alice: User) -> None:
    token = (await (client := there.client()).sign_in(alice))["refresh_token"]
    admin = ("admin", there.server.admin_token)
    first = (await there.server.http.post("/oauth/introspect", data={"token": token}, auth=admin)).json()["exp"]
    with there.clock.later(7 * DAY):
        token = (await client.refresh(token)).json()["refresh_token"]
        again = await there.server.http.post("/oauth/introspect", data={"token": token}, auth=admin)
    assert again.json()["exp"] == first


async def test_what_is_over_is_swept_out(there: Provider, alice: User) -> None:
    client = there.client()
    await client.sign_in(alice)
    await there.client().request_uri()
    oauth = there.server.services.oauth
    database = oauth.requests._store.database

    def counts() -> list[int]:
        tables = ("oauth_request", "oauth_challenge", "oauth_session")
        return [database.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    assert all(counts())
    with there.clock.later(731 * DAY):
        await oauth.requests.forget_expired()
        await oauth.sessions.forget_over()
    assert counts() == [0, 0, 0]


async def test_a_restart_in_the_middle_loses_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("restart")
    key = SigningKey("backend")
    async with app_hosts(folder / "hosts") as hosts:
        hosts.publish(PUBLIC, client_document(PUBLIC))
        hosts.publish(CONFIDENTIAL, confidential(CONFIDENTIAL, [key.jwk]))
        async with on_folder(folder, hosts, key) as before:
            bob = await before.server.sign_up("bob")
            client, waiting, asked = before.client(CONFIDENTIAL), before.client(), before.client()
            tokens = await client.sign_in(bob)
            code, uri = await waiting.code(bob), await asked.request_uri()
            refreshed = (await client.refresh(tokens["refresh_token"])).json()
        async with on_folder(folder, hosts, key) as after:
            for each in (client, waiting, asked):
                each.server = after.server
            assert client.is_good(refreshed["access_token"])
            # The answer to the refresh was lost: within the grace it comes again.
            again = (await client.refresh(tokens["refresh_token"])).json()
            assert again["refresh_token"] == refreshed["refresh_token"]
            assert (await waiting.exchange(code)).status_code == 200
            request = await asked.requests.open({"client_id": PUBLIC, "request_uri": uri}, BROWSER)
            code = (await asked.agree(request, bob)).values["code"]
            assert (await asked.exchange(code)).status_code == 200


async def test_a_key_that_is_dropped_at_once_takes_its_tokens_along(there: Provider, alice: User) -> None:
    """Those too whose signature was checked before."""
    client = there.client()
    tokens = await client.sign_in(alice)
    assert client.is_good(tokens["access_token"])
    keys = there.server.services.oauth.keys
    await keys.rotate()
    assert client.is_good(tokens["access_token"])
    await keys.rotate(at_once=True)
    assert not client.is_good(tokens["access_token"])
    assert client.is_good((await client.refresh(tokens["refresh_token"])).json()["access_token"])
