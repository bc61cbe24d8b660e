"""Clients, found by documents that are fetched over HTTPS from hosts of apps."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from strangers import stranger
from tests.support.app_hosts import AppHosts, client_document, confidential
from tests.support.rude_servers import FLOODS, LIES, TEMPERS, Script, rude_server

from tempest_pds.protocol.oauth.errors import (
    ClientUnavailable,
    InvalidClientId,
    InvalidClientMetadata,
    InvalidRedirectUri,
    OAuthError,
)
from tempest_pds.remote import client_documents
from tempest_pds.remote.client_documents import FRESH_SECONDS, MAX_BYTES, OUTAGE_SECONDS, ClientDocuments
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.oauth.clients import Client, Clients

APP = "https://app.example.net/client.json"
KEYS = "https://keys.example.net/jwks.json"
JSON = {"Content-Type": "application/json"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients(hosts: AppHosts, clock: Clock) -> Clients:
    return Clients(ClientDocuments(hosts.fetch, clock=clock), trusted=["https://own.example.net/client.json"])


async def refusal(asked: Awaitable[Client]) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await asked
    return caught.value


def key(number: int = 0, kid: str = "one") -> dict[str, Any]:
    return {**stranger("ES256", number).jwk, "kid": kid}


# What is fetched


async def test_a_client_is_what_its_document_says(hosts: AppHosts, clients: Clients) -> None:
    hosts.publish(APP, client_document(APP, client_name="Grüße"))
    client = await clients.get(APP)
    assert (client.client_id, client.metadata.client_name) == (APP, "Grüße")
    assert client.keys is None
    assert not client.is_trusted


async def test_who_the_operator_names_is_trusted(hosts: AppHosts, clients: Clients) -> None:
    own = "https://own.example.net/client.json"
    hosts.publish(own, client_document(own))
    assert (await clients.get(own)).is_trusted


async def test_keys_come_from_the_document_or_from_where_it_says(hosts: AppHosts, clients: Clients) -> None:
    hosts.publish(APP, confidential(APP, [key()]))
    there = "https://there.example.net/client.json"
    hosts.publish(there, confidential(there, jwks_uri=KEYS))
    hosts.publish(KEYS, {"keys": [key(1)]})
    for client_id, number in ((APP, 0), (there, 1)):
        keys = (await clients.get(client_id)).keys
        assert keys is not None
        assert [found.members["x"] for found in keys.keys] == [key(number)["x"]]


async def test_a_client_under_development_needs_no_document(hosts: AppHosts, clients: Clients) -> None:
    client = await clients.get("http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fback")
    assert client.metadata.is_loopback
    assert not client.is_trusted
    assert hosts.asked == []


@pytest.mark.parametrize(
    "client_id",
    [
        "", "app", "http://app.example.net/client.json", "http://127.0.0.1:3000/client.json", "https://127.0.0.1/c.json",
        "https://localhost/client.json", "https://app.test/client.json", "http://localhost:3000", "did:web:app.test",
    ],
)  # fmt: skip
async def test_what_is_no_client_id_is_not_asked_for(hosts: AppHosts, clients: Clients, client_id: str) -> None:
    assert isinstance(await refusal(clients.get(client_id)), InvalidClientId)
    assert hosts.asked == []


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"])
async def test_a_document_is_json_by_its_content_type(hosts: AppHosts, clients: Clients, content_type: str) -> None:
    hosts.publish(APP, client_document(APP), headers={"Content-Type": content_type})
    assert (await clients.get(APP)).client_id == APP


@pytest.mark.parametrize(
    "headers", [{"Content-Type": ""}, {"Content-Type": "text/html"}, {"Content-Type": "application/jsonp"}]
)
async def test_a_document_of_another_type_is_none(hosts: AppHosts, clients: Clients, headers: dict[str, str]) -> None:
    hosts.publish(APP, client_document(APP), headers=headers)
    assert "content type" in (await refusal(clients.get(APP))).description


async def test_keys_need_not_say_what_type_they_are_but_not_that_they_are_another(
    hosts: AppHosts, clients: Clients
) -> None:
    hosts.publish(APP, confidential(APP, jwks_uri=KEYS))
    hosts.publish(KEYS, {"keys": [key()]}, headers={"Content-Type": "text/plain"})
    assert "content type" in (await refusal(clients.get(APP))).description
    hosts.publish(KEYS, {"keys": [key()]}, headers={"Content-Type": ""})
    assert (await clients.get(APP)).keys is not None


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 400, 403, 404, 410, 429, 500, 503])
async def test_only_200_is_an_answer(hosts: AppHosts, clients: Clients, status: int) -> None:
    elsewhere = "https://other.example.net/client.json"
    hosts.publish(elsewhere, client_document(APP))
    hosts.publish(APP, client_document(APP), status=status, headers={**JSON, "Location": elsewhere})
    error = await refusal(clients.get(APP))
    # Only what passes is worth to come again for.
    assert type(error) is (ClientUnavailable if status in (429, 500, 503) else InvalidClientMetadata)
    assert str(status) in error.description
    assert ("redirects are not followed" in error.description) == (300 <= status < 400)
    assert hosts.asked == [APP]


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (b"", InvalidClientMetadata),
        (b"<html>", InvalidClientMetadata),
        (b"[" * 100_000, InvalidClientMetadata),
        ([], InvalidClientMetadata),
        (client_document("https://other.example.net/client.json"), InvalidClientMetadata),
        (client_document(APP, scope="transition:generic"), InvalidClientMetadata),
        (client_document(APP, dpop_bound_access_tokens=False), InvalidClientMetadata),
        (client_document(APP, redirect_uris=["http://app.example.net/"]), InvalidRedirectUri),
        (client_document(APP, client_name="x" * MAX_BYTES), InvalidClientMetadata),
    ],
)
async def test_a_document_that_breaks_a_rule_is_refused(
    hosts: AppHosts, clients: Clients, document: Any, kind: type[OAuthError]
) -> None:
    hosts.publish(APP, document)
    error = await refusal(clients.get(APP))
    assert type(error) is kind
    assert len(error.description) < 500


@pytest.mark.parametrize("keys", [[], {"keys": "x"}, {"keys": [{**key(), "d": "AAAA"}]}, {"keys": [key()] * 101}])
async def test_keys_that_are_none_are_refused(hosts: AppHosts, clients: Clients, keys: Any) -> None:
    hosts.publish(APP, confidential(APP, jwks_uri=KEYS))
    hosts.publish(KEYS, keys)
    error = await refusal(clients.get(APP))
    assert error.code == "invalid_client_metadata"
    assert "Unable to obtain jwks" in error.description


# How long it is remembered


async def test_documents_are_asked_for_once_in_ten_minutes(hosts: AppHosts, clients: Clients, clock: Clock) -> None:
    hosts.publish(APP, confidential(APP, jwks_uri=KEYS))
    hosts.publish(KEYS, {"keys": [key()]})
    for _ in range(4):
        await clients.get(APP)
        clock.now += FRESH_SECONDS / 2 - 1
    assert hosts.asked == [APP, KEYS, APP, KEYS]


async def test_a_younger_document_can_be_asked_for(hosts: AppHosts, clients: Clients, clock: Clock) -> None:
    hosts.publish(APP, client_document(APP))
    await clients.get(APP)
    clock.now += 31
    hosts.publish(APP, client_document(APP, client_name="Another"))
    assert (await clients.get(APP)).metadata.client_name == "An app"
    assert (await clients.get(APP, max_age=30)).metadata.client_name == "Another"
    assert len(hosts.asked) == 2


async def test_what_many_want_at_once_is_asked_for_once(hosts: AppHosts, clients: Clients) -> None:
    gate = asyncio.Event()
    page = hosts.publish(APP, client_document(APP), gate=gate)
    asking = [asyncio.create_task(clients.get(APP)) for _ in range(50)]
    await page.wanted.wait()
    gate.set()
    assert len({client.client_id for client in await asyncio.gather(*asking)}) == 1
    assert hosts.asked == [APP]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_while_a_host_is_out_the_last_document_serves_for_an_hour(
    hosts: AppHosts, clients: Clients, clock: Clock, status: int
) -> None:
    hosts.publish(APP, client_document(APP))
    await clients.get(APP)
    hosts.publish(APP, b"out", status=status)
    clock.now += FRESH_SECONDS
    for _ in range(3):
        assert (await clients.get(APP)).client_id == APP
    # It is not asked again by each who wants it.
    assert len(hosts.asked) == 2
    clock.now += OUTAGE_SECONDS - 1
    assert (await clients.get(APP)).client_id == APP
    clock.now += 1
    assert str(status) in (await refusal(clients.get(APP))).description


async def test_a_host_that_is_back_is_believed(hosts: AppHosts, clients: Clients, clock: Clock) -> None:
    hosts.publish(APP, client_document(APP))
    await clients.get(APP)
    hosts.publish(APP, b"out", status=500)
    clock.now += FRESH_SECONDS
    await clients.get(APP)
    hosts.publish(APP, client_document(APP, client_name="Another"))
    clock.now += 30
    assert (await clients.get(APP)).metadata.client_name == "Another"


@pytest.mark.parametrize("document", [None, client_document(APP, dpop_bound_access_tokens=False)])
async def test_a_host_that_answers_ends_the_former_document_at_once(
    hosts: AppHosts, clients: Clients, clock: Clock, document: Any
) -> None:
    """Or a client could not be withdrawn, nor a key."""
    hosts.publish(APP, client_document(APP))
    await clients.get(APP)
    hosts.withdraw(APP) if document is None else hosts.publish(APP, document)
    clock.now += FRESH_SECONDS
    assert isinstance(await refusal(clients.get(APP)), InvalidClientMetadata)
    hosts.publish(APP, b"out", status=500)
    assert "500" in (await refusal(clients.get(APP))).description


async def test_a_refusal_is_not_remembered(hosts: AppHosts, clients: Clients) -> None:
    """Who mends a document can go on at once; the draft forbids to keep errors and what is malformed."""
    hosts.publish(APP, client_document(APP, scope="x"))
    await refusal(clients.get(APP))
    hosts.publish(APP, client_document(APP))
    assert (await clients.get(APP)).client_id == APP


async def test_large_documents_push_out_others_soon(hosts: AppHosts, clients: Clients) -> None:
    """What strangers publish takes a few megabytes at most."""
    large = [f"https://a{number}.example.net/client.json" for number in range(17)]
    hosts.publish(APP, client_document(APP))
    await clients.get(APP)
    for url in large:
        hosts.publish(url, client_document(url, padding="x" * (MAX_BYTES - 1000)))
        await clients.get(url)
    await clients.get(APP)
    assert hosts.asked == [APP, *large, APP]


# Hosts that mean no good


@pytest.mark.parametrize(
    "kind", ["silence", "a body that drips", "a body to its close", "chunks", "nothing", "HTTP/0.9"]
)
async def test_a_rude_host_is_given_up_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script: Script = {**TEMPERS, **FLOODS, **LIES}[kind]
    monkeypatch.setattr(client_documents, "FETCH_SECONDS", 0.3 if kind in TEMPERS else 15.0)
    async with asyncio.timeout(20), rude_server(script) as server:

        async def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
            return [("127.0.0.1", server.port)]

        fetch = SafeFetch(allow_private=True, look_up=look_up)
        # Without TLS the script would never be reached.
        monkeypatch.setattr(
            fetch, "fetch", lambda method, url, real=fetch.fetch, **more: real(method, server.url, **more)
        )
        error = await refusal(Clients(ClientDocuments(fetch)).get(APP))
        await server.forsaken()
        await fetch.close()
    assert "Unable to obtain client metadata" in error.description


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("which", ["document", "keys"])
async def test_a_host_in_private_space_sees_no_connection(
    hosts: AppHosts, monkeypatch: pytest.MonkeyPatch, address: str, which: str
) -> None:
    tried: list[object] = []

    async def connect(self: object, sock: socket.socket, target: object) -> None:
        tried.append(target)
        raise OSError("no network in this test")

    async def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
        return [(address, port)]

    hosts.publish(APP, confidential(APP, jwks_uri="https://trap.example.net/jwks.json"))
    guarded = SafeFetch(look_up=look_up)
    documents = ClientDocuments(guarded)
    if which == "keys":
        public = ClientDocuments(hosts.fetch)
        monkeypatch.setattr(documents, "metadata", public.metadata)
        await public.metadata(client_documents.DiscoverableClientId(APP))
    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", connect)
    error = await refusal(Clients(documents).get(APP))
    await guarded.close()
    assert "no public address" in error.description
    assert tried == []
