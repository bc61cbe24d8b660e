from collections.abc import AsyncIterator

import httpx
import pytest
from edge_server import ALICE, EdgeServer, edge_server


@pytest.fixture
async def server() -> AsyncIterator[EdgeServer]:
    async with edge_server([]) as server:
        yield server


@pytest.fixture
async def client(server: EdgeServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def test_health_tells_the_version(client: httpx.AsyncClient) -> None:
    answer = await client.get("/xrpc/_health")
    assert (answer.status_code, answer.json()) == (200, {"version": "1.2.3"})


async def test_health_is_503_without_details_when_the_database_fails(
    server: EdgeServer, client: httpx.AsyncClient
) -> None:
    server.directory.broken = True
    answer = await client.get("/xrpc/_health")
    assert answer.status_code == 503
    assert answer.json() == {"version": "1.2.3", "error": "Service Unavailable"}


async def test_the_landing_page_says_what_this_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "pds.example.com" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_robots_are_let_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/robots.txt")
    assert "Allow: /" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("host", "status", "text"),
    [
        ("alice.pds.example.com", 200, ALICE),
        ("ALICE.pds.example.com:443", 200, ALICE),
        ("bob.pds.example.com", 404, "User not found"),
        ("pds.example.com", 404, "User not found"),
        ("alice.example.org", 404, "User not found"),
        ("..pds.example.com", 404, "User not found"),
        ("\xff.pds.example.com", 404, "User not found"),
    ],
)
async def test_a_hosted_handle_leads_to_its_did(client: httpx.AsyncClient, host: str, status: int, text: str) -> None:
    answer = await client.get("/.well-known/atproto-did", headers={"host": host.encode("latin-1")})  # type: ignore[dict-item]
    assert (answer.status_code, answer.text) == (status, text)


async def test_the_server_has_a_did_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/did.json", headers={"host": "pds.example.com"})
    assert answer.json() == {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": "did:web:pds.example.com",
        "service": [
            {
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": "https://pds.example.com",
            }
        ],
    }


async def test_a_hosted_did_web_has_its_document_and_nobody_else(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/did.json", headers={"host": "web.pds.example.com"})
    assert answer.json() == {"id": "did:web:web.pds.example.com"}
    for host in ("bob.pds.example.com", "x", "a..b", "example.org:99999"):
        answer = await client.get("/.well-known/did.json", headers={"host": host})
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("domain=pds.example.com", 200),
        ("domain=alice.pds.example.com", 200),
        ("domain=Alice.PDS.example.com", 200),
        ("domain=bob.pds.example.com", 404),
        ("domain=example.org", 400),
        ("domain=", 400),
        ("", 400),
        ("domain=%ff", 400),
    ],
)
async def test_tls_is_only_for_domains_of_ours(client: httpx.AsyncClient, query: str, status: int) -> None:
    assert (await client.get(f"/tls-check?{query}")).status_code == status


async def test_other_paths_and_verbs_have_flat_errors(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing/here")
    assert (answer.status_code, answer.json()) == (404, {"error": "NotFound", "message": "Not Found"})
    answer = await client.post("/robots.txt")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    for path in ("/Robots.txt", "/robots.txt/", "/%72obots.txt"):
        assert (await client.get(path)).status_code == 404
    assert (await client.head("/robots.txt")).status_code == 200
