"""Requests, codes and sessions while others cannot be asked: the publishers of permission sets, and clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpx
import pytest
from authorizing import signed_in
from oauth_flow import BROWSER, CONFIDENTIAL, PUBLIC, FlowClient, Provider, on_folder, verdict
from tests.support.app_hosts import AppHosts, app_hosts, client_document, confidential
from tests.support.oauth_raw import SigningKey
from whole_server import User

from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.remote.errors import LexiconNotFound, Unreachable
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_client_documents import OAuthClientDocuments

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETS_APP = "https://sets.example.net/client.json"
SETS = "atproto include:com.example.basic blob:*/*"


class Publisher:
    """Who has published `com.example.basic`, or says otherwise; `asked` counts."""

    def __init__(self, *collections: str) -> None:
        self.asked = 0
        self.publish(*collections)

    def publish(self, *collections: str) -> None:
        permissions = [{"type": "permission", "resource": "repo", "collection": list(collections)}]
        main = {"type": "permission-set", "title": "Basic", "permissions": permissions}
        self.says: Any = {"lexicon": 1, "id": "com.example.basic", "defs": {"main": main}}

    async def answer(self, _: str) -> Any:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return SimpleNamespace(document=self.says, block=b"")

    def of(self, there: Provider) -> Any:
        """Let him be whom this server asks."""
        there.hosts.publish(SETS_APP, client_document(SETS_APP, scope=SETS))
        return mock.patch.object(there.server.services.oauth.permission_sets, "_published", self.answer)


def standing(there: Provider, token: str) -> str:
    return str(there.server.services.oauth.tokens.verify_access(token).permissions)


async def test_what_a_permission_set_stands_for_is_asked_anew_at_each_refresh(there: Provider, alice: User) -> None:
    client, publisher = there.client(SETS_APP), Publisher("com.example.post")
    with publisher.of(there):
        tokens = await client.sign_in(alice, scope=SETS)
        assert tokens["scope"] == "repo:com.example.post atproto blob:*/*" == standing(there, tokens["access_token"])
        assert decode_unverified(tokens["access_token"]).claims["scope"] == SETS
        for says, then in (
            (("com.example.like", "com.example.post"), "repo?collection=com.example.like&collection=com.example.post"),
            (("com.example.like",), "repo:com.example.like"),
        ):
            publisher.publish(*says)
            tokens = (await client.refresh(tokens["refresh_token"])).json()
            assert tokens["scope"] == f"{then} atproto blob:*/*" == standing(there, tokens["access_token"])


@pytest.mark.parametrize(
    "says", [Unreachable("no name server"), LexiconNotFound("withdrawn"), {"lexicon": 1}], ids=lambda says: type(says)
)
async def test_a_set_that_cannot_be_had_goes_on_standing_for_what_it_did(
    there: Provider, alice: User, says: Any
) -> None:
    client, other, publisher = there.client(SETS_APP), there.client(SETS_APP), Publisher("com.example.post")
    with publisher.of(there):
        assert verdict(await other.push(scope=SETS)) == (201, "")
        tokens = await client.sign_in(alice, scope=SETS)
        publisher.says = says
        for _ in range(2):
            tokens = (await client.refresh(tokens["refresh_token"])).json()
            assert tokens["scope"] == "repo:com.example.post atproto blob:*/*"
        expected = (201, "") if isinstance(says, Unreachable) else (400, "invalid_scope")
        assert verdict(await other.push(scope=SETS)) == expected
        publisher.publish("com.example.like")
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        assert tokens["scope"] == "repo:com.example.like atproto blob:*/*"


async def test_what_a_person_was_shown_of_a_set_is_what_a_code_is_good_for(there: Provider, alice: User) -> None:
    client, publisher = there.client(SETS_APP), Publisher("com.example.post")
    with publisher.of(there):
        request = await client.open(scope=SETS)
        publisher.publish("com.example.post", "com.example.like")
        asked = publisher.asked
        tokens = (await client.exchange((await client.agree(request, alice)).values["code"])).json()
        assert tokens["scope"] == "repo:com.example.post atproto blob:*/*"
        assert publisher.asked == asked


async def test_an_outage_costs_no_code_and_no_session_not_even_across_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, key, publisher = tmp_path_factory.mktemp("outage"), SigningKey("backend"), Publisher("com.example.post")
    async with app_hosts(folder / "hosts") as hosts:
        async with on_folder(folder, hosts, key) as before:
            with publisher.of(before):
                bob = await before.server.sign_up("bob")
                client, opened = before.client(SETS_APP), before.client(SETS_APP)
                code, request = await client.code(bob, scope=SETS), await opened.open(scope=SETS)
        publisher.says = Unreachable("no name server")
        for _ in range(2):
            async with on_folder(folder, hosts, key) as after:
                client.server = opened.server = after.server
                with publisher.of(after):
                    answer = await (client.refresh if code.startswith("ref-") else client.exchange)(code)
                    assert answer.json()["scope"] == "repo:com.example.post atproto blob:*/*", answer.text
                    code = answer.json()["refresh_token"]
                    request = await opened.requests.resume(request.id, BROWSER)
                    assert request.permission_sets["com.example.basic"].title == "Basic"


async def test_a_client_that_declares_less_by_now_loses_nothing_else_in_an_outage(there: Provider, alice: User) -> None:
    client, publisher = there.client(SETS_APP), Publisher("com.example.post")
    with publisher.of(there):
        tokens = await client.sign_in(alice, scope=SETS)
        there.hosts.publish(SETS_APP, client_document(SETS_APP, scope="atproto include:com.example.basic"))
        publisher.says = Unreachable("no name server")
        await there.server.services.oauth.clients.get(SETS_APP, max_age=0)
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        assert tokens["scope"] == "repo:com.example.post atproto"
        # What is not kept, and cannot be had, stands for nothing rather than for too much.
        store = there.server.services.oauth.requests._store
        store.oauth_permission_sets.delete_unused(2**62)
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        assert tokens["scope"] == "repo:com.example.post atproto"
        there.hosts.publish(SETS_APP, client_document(SETS_APP, scope="atproto include:com.example.basic blob:*/*"))
        await there.server.services.oauth.clients.get(SETS_APP, max_age=0)
        assert (await client.refresh(tokens["refresh_token"])).json()["scope"] == "repo:com.example.post atproto"


async def test_what_was_granted_is_told_on_the_page_of_the_apps(there: Provider, alice: User) -> None:
    client, publisher = there.client(SETS_APP), Publisher("com.example.post")
    with publisher.of(there):
        await client.sign_in(alice, scope=SETS)
    page = (await (await signed_in(there.server, alice)).get(f"/account/{alice.did}/apps")).text
    assert "Basic" in page
    assert "Published by example.com." in page
    assert "data of the kind com.example.post" in page


# Documents of clients


KEYS = "https://keys.example.net/keys"


@asynccontextmanager
async def clients_that_began(folder: Path) -> AsyncIterator[Began]:
    """Start a server anew on which clients have codes and sessions, a public one and one whose keys are elsewhere."""
    key = SigningKey("backend")
    async with app_hosts(folder / "hosts") as hosts:
        hosts.publish(PUBLIC, client_document(PUBLIC))
        hosts.publish(CONFIDENTIAL, confidential(CONFIDENTIAL, jwks_uri=KEYS))
        hosts.publish(KEYS, {"keys": [key.jwk]})
        began = Began(hosts, key)
        async with on_folder(folder, hosts, key) as before:
            bob = await before.server.sign_up("bob")
            for client_id in (PUBLIC, CONFIDENTIAL):
                refreshing, exchanging = before.client(client_id), before.client(client_id)
                began.tokens.append((refreshing, (await refreshing.sign_in(bob))["refresh_token"]))
                began.codes.append((exchanging, await exchanging.code(bob)))
        async with on_folder(folder, hosts, key) as after:
            for client, _ in (*began.tokens, *began.codes):
                client.server = after.server
            yield began


@dataclass
class Began:
    """Clients, each with a refresh token or with a code."""

    hosts: AppHosts
    key: SigningKey
    tokens: list[tuple[FlowClient, str]] = field(default_factory=list)
    codes: list[tuple[FlowClient, str]] = field(default_factory=list)

    async def go_on(self) -> list[httpx.Response]:
        """Have each refresh, or exchange its code."""
        refreshed = [await client.refresh(token) for client, token in self.tokens]
        return refreshed + [await client.exchange(code) for client, code in self.codes]

    @property
    def kept(self) -> OAuthClientDocuments:
        store: AccountStore = self.codes[0][0].requests._store
        return store.oauth_client_documents

    def heard_earlier(self, minutes: int, *urls: str) -> None:
        """Let what is kept of URLs be older."""
        for url in urls:
            kept = self.kept.get(url)
            assert kept is not None
            self.kept.delete(url)
            self.kept.put(kept._replace(heard_at=kept.heard_at - minutes * 60 * 1_000_000))

    def be_out(self) -> None:
        for url in (PUBLIC, CONFIDENTIAL, KEYS):
            self.hosts.publish(url, b"out", status=503)

    def come_back(self) -> None:
        self.hosts.publish(PUBLIC, client_document(PUBLIC))
        self.hosts.publish(CONFIDENTIAL, confidential(CONFIDENTIAL, jwks_uri=KEYS))
        self.hosts.publish(KEYS, {"keys": [self.key.jwk]})


@pytest.mark.parametrize("minutes", [0, 11, 69])
async def test_a_client_whose_host_is_out_goes_on_with_what_it_began(tmp_path: Path, minutes: int) -> None:
    """Across a restart, too: the server that was started has never heard of it."""
    async with clients_that_began(tmp_path) as began:
        began.heard_earlier(minutes, PUBLIC, CONFIDENTIAL, KEYS)
        began.be_out()
        assert [verdict(answer) for answer in await began.go_on()] == [(200, "")] * 4


async def test_a_client_that_nothing_is_known_of_loses_neither_code_nor_session(tmp_path: Path) -> None:
    async with clients_that_began(tmp_path) as began:
        assert began.kept.delete_old(2**62) == 3
        began.be_out()
        refusals = await began.go_on()
        assert [verdict(answer) for answer in refusals] == [(503, "temporarily_unavailable")] * 4
        assert {answer.headers["retry-after"] for answer in refusals} == {"30"}
        began.come_back()
        assert [verdict(answer) for answer in await began.go_on()] == [(200, "")] * 4


async def test_what_a_client_had_published_is_believed_for_no_longer_than_without_a_restart(tmp_path: Path) -> None:
    async with clients_that_began(tmp_path) as began:
        began.heard_earlier(70, PUBLIC, CONFIDENTIAL, KEYS)
        began.be_out()
        assert [verdict(answer) for answer in await began.go_on()] == [(503, "temporarily_unavailable")] * 4


async def test_a_client_that_is_gone_is_not_known_from_before(tmp_path: Path) -> None:
    """It is asked for once what is kept is ten minutes old, and a host that answers is believed."""
    async with clients_that_began(tmp_path) as began:
        began.heard_earlier(11, PUBLIC)
        client, token = began.tokens[0]
        began.hosts.withdraw(PUBLIC)
        assert verdict(await client.refresh(token)) == (400, "invalid_client_metadata")
        began.be_out()
        assert began.kept.get(PUBLIC) is None
        assert verdict(await client.refresh(token)) == (503, "temporarily_unavailable")
