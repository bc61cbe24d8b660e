import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from edge_server import ALICE, EdgeServer, edge_server

from tempest_pds.http.access import FULL
from tempest_pds.http.answers import Answer, Body, Stream
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import procedure, query
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.services.repo_errors import RecordNotFound

closed_streams: list[str] = []


@query("com.atproto.repo.getRecord")
async def get_record(call: Call) -> Answer:
    if call.params["rkey"] == "missing":
        raise RecordNotFound("Could not locate record: at://x")
    if call.params["rkey"] == "broken":
        raise ZeroDivisionError("secret detail")
    if call.params["rkey"] == "wrong":
        return {"uri": 5}
    return {
        "uri": f"at://{call.params['repo']}/{call.params['collection']}/{call.params['rkey']}",
        "value": {"link": CID.for_raw(b"x"), "bytes": b"\x00\x01"},
    }


@query("com.atproto.repo.describeRepo")
async def describe_repo(call: Call) -> Answer:
    return Body(b'{"prebuilt":true}', headers=((b"atproto-repo-rev", b"3k"),))


@procedure("com.atproto.repo.createRecord")
async def create_record(call: Call) -> Answer:
    call.response_headers.append((b"atproto-repo-rev", b"3l"))
    return {
        "uri": "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/a.b.c/1",
        "cid": str(CID.for_raw(json.dumps(call.input["rkey"]).encode())),
    }


@procedure("com.atproto.repo.uploadBlob")
async def upload_blob(call: Call) -> Answer:
    size = 0
    async for chunk in call.body(100_000):
        size += len(chunk)
    return Body(json.dumps({"size": size, "type": call.content_type}).encode())


@procedure("com.atproto.server.requestAccountDelete")
async def request_account_delete(call: Call) -> Answer:
    return None


@query("com.atproto.sync.getRepo")
async def get_repo(call: Call) -> Answer:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(2000):
                yield b"" if number % 7 == 3 else bytearray(b"x" * 50_000)  # type: ignore[misc]
        finally:
            closed_streams.append(call.params["did"])

    return Stream(chunks())


@query("com.atproto.sync.getBlocks")
async def get_blocks(call: Call) -> Answer:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("secret in the middle")

    return Stream(chunks())


METHODS = [get_record, describe_repo, create_record, upload_blob, request_account_delete, get_repo, get_blocks]
RECORD = "/xrpc/com.atproto.repo.getRecord?repo=did:plc:ewvi7nxzyoun6zhxrhs64oiz&collection=app.bsky.feed.post&rkey="
NEW = {"repo": ALICE, "collection": "app.bsky.feed.post", "rkey": "abc", "record": {"$type": "app.bsky.feed.post"}}


@pytest.fixture
async def server() -> AsyncIterator[EdgeServer]:
    async with edge_server(METHODS, access={request_account_delete.nsid: FULL}) as server:
        yield server


@pytest.fixture
async def client(server: EdgeServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def test_a_query_answers_json_by_the_data_model(client: httpx.AsyncClient) -> None:
    answer = await client.get(RECORD + "1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json()["value"] == {"link": {"$link": str(CID.for_raw(b"x"))}, "bytes": {"$bytes": "AAE"}}


async def test_percent_encoded_parameters_are_decoded(client: httpx.AsyncClient) -> None:
    answer = await client.get(RECORD.replace(":", "%3A") + "a%2Db")
    assert answer.json()["uri"].endswith("did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/a-b")


async def test_prebuilt_json_goes_out_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/xrpc/com.atproto.repo.describeRepo?repo=alice.test")
    assert answer.content == b'{"prebuilt":true}'
    assert answer.headers["atproto-repo-rev"] == "3k"


async def test_errors_are_flat_and_carry_their_protocol_name(client: httpx.AsyncClient) -> None:
    answer = await client.get(RECORD + "missing")
    assert answer.status_code == 400
    assert answer.json() == {"error": "RecordNotFound", "message": "Could not locate record: at://x"}


@pytest.mark.parametrize("rkey", ["broken", "wrong"])
async def test_a_bug_is_a_500_without_details(server: EdgeServer, client: httpx.AsyncClient, rkey: str) -> None:
    answer = await client.get(RECORD + rkey)
    assert answer.status_code == 500
    assert answer.json() == {"error": "InternalServerError", "message": "Internal Server Error"}


async def test_parameters_are_checked_by_the_lexicon(client: httpx.AsyncClient) -> None:
    answer = await client.get("/xrpc/com.atproto.repo.getRecord?collection=app.bsky.feed.post&rkey=1")
    assert answer.status_code == 400
    assert answer.json()["error"] == "InvalidRequest"
    assert "repo" in answer.json()["message"]


async def test_the_wrong_verb_is_refused_as_the_reference_does(client: httpx.AsyncClient) -> None:
    for method, path, expected in [
        ("POST", RECORD + "1", "Incorrect HTTP method (POST) expected GET"),
        ("GET", "/xrpc/com.atproto.repo.createRecord", "Incorrect HTTP method (GET) expected POST"),
        ("PUT", RECORD + "1", "Incorrect HTTP method (PUT) expected GET"),
        ("DELETE", "/xrpc/com.atproto.repo.createRecord", "Incorrect HTTP method (DELETE) expected POST"),
    ]:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()) == (400, {"error": "InvalidRequest", "message": expected})


async def test_an_unknown_method_is_not_implemented(client: httpx.AsyncClient) -> None:
    for path in ["/xrpc/com.example.unknown", "/xrpc/com.atproto.server.getSession", "/xrpc/com.atproto.repo.nothing"]:
        answer = await client.get(path)
        assert answer.status_code == 501
        assert answer.json() == {"error": "MethodNotImplemented", "message": "Method Not Implemented"}


@pytest.mark.parametrize(
    "path",
    [
        "/xrpc/",
        "/xrpc/a",
        "/xrpc/com..x",
        "/xrpc/com.x/y",
        "/xrpc/com%2Eatproto.repo.getRecord",
        "/xrpc/%ff",
        "/xrpc/-a.b",
    ],
)
async def test_a_path_that_cannot_be_a_method_is_invalid(server: EdgeServer, path: str) -> None:
    answer = await server.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"error": "InvalidRequest", "message": "invalid xrpc path"}' in answer


async def test_paths_are_case_sensitive_and_one_slash_at_the_end_is_let_pass(client: httpx.AsyncClient) -> None:
    assert (await client.get(RECORD.replace("/xrpc", "/XRPC") + "1")).status_code == 400
    assert (await client.get(RECORD.replace("getRecord", "GETRECORD") + "1")).status_code == 501
    assert (await client.get(RECORD.replace("getRecord", "getRecord/") + "1")).status_code == 200


async def test_head_answers_like_get_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.head(RECORD + "1")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 50
    assert answer.content == b""
    closed_streams.clear()
    answer = await client.head("/xrpc/com.atproto.sync.getRepo?did=did:plc:ewvi7nxzyoun6zhxrhs64oiz")
    assert answer.headers["content-type"] == "application/vnd.ipld.car"


async def test_input_is_parsed_by_the_lexicon(client: httpx.AsyncClient) -> None:
    answer = await client.post("/xrpc/com.atproto.repo.createRecord", json=NEW)
    assert answer.status_code == 200, answer.text
    assert answer.headers["atproto-repo-rev"] == "3l"
    answer = await client.post("/xrpc/com.atproto.repo.createRecord", json={**NEW, "record": None})
    assert answer.status_code == 400
    assert answer.json()["error"] == "InvalidRequest"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"repo": NaN}', b"\xff\xfe", b'{"repo":1e999}', b"[" * 5000, b'{"a":' * 3000],
)
async def test_a_body_that_is_no_json_object_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(
        "/xrpc/com.atproto.repo.createRecord", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in {400, 413}
    assert answer.json()["error"] in {"InvalidRequest", "PayloadTooLarge"}


async def test_the_content_type_of_a_body_is_checked(client: httpx.AsyncClient) -> None:
    path = "/xrpc/com.atproto.repo.createRecord"
    answer = await client.post(path, content=b"{}")
    assert answer.json()["message"] == "Request encoding (Content-Type) required but not provided"
    answer = await client.post(path, content=b"{}", headers={"content-type": "text/plain"})
    assert answer.json()["message"] == "Wrong request encoding (Content-Type): text/plain"
    answer = await client.post(path, json=NEW, headers={"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 200


async def test_a_body_is_expected_or_not_as_the_lexicon_says(client: httpx.AsyncClient) -> None:
    answer = await client.post("/xrpc/com.atproto.repo.createRecord")
    assert answer.json()["message"] == "A request body is expected but none was provided"
    answer = await client.request("GET", RECORD + "1", content=b"x")
    assert answer.json()["message"] == "A request body was provided when none was expected"
    headers = {"authorization": "Bearer access"}
    answer = await client.post("/xrpc/com.atproto.server.requestAccountDelete", headers=headers)
    assert answer.status_code == 200
    assert answer.content == b""
    answer = await client.post("/xrpc/com.atproto.server.requestAccountDelete", headers=headers, json={})
    assert answer.status_code == 200
    answer = await client.post("/xrpc/com.atproto.server.requestAccountDelete", headers=headers, json={"a": 1})
    assert answer.status_code == 400


async def test_a_json_body_over_the_limit_is_413_declared_or_not(client: httpx.AsyncClient) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1000

    for content in (b" " * 20_000, chunked()):
        answer = await client.post(
            "/xrpc/com.atproto.repo.createRecord", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
        assert answer.json()["error"] == "PayloadTooLarge"
        assert answer.headers["connection"] == "close"


async def test_a_raw_body_is_streamed_and_counted(client: httpx.AsyncClient) -> None:
    path = "/xrpc/com.atproto.repo.uploadBlob"
    answer = await client.post(path, content=b"x" * 99_999, headers={"content-type": "image/png; q=1"})
    assert answer.json() == {"size": 99_999, "type": "image/png"}
    answer = await client.post(path, content=b"x" * 100_001, headers={"content-type": "image/png"})
    assert answer.status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_body_is_counted_after_decompression(client: httpx.AsyncClient, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    headers = {"content-type": "image/png", "content-encoding": encoding}
    path = "/xrpc/com.atproto.repo.uploadBlob"
    answer = await client.post(path, content=compress(b"x" * 90_000), headers=headers)
    assert answer.json()["size"] == 90_000
    bomb = compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    assert (await client.post(path, content=bomb, headers=headers)).status_code == 413
    assert (await client.post(path, content=bomb[:-9], headers=headers)).status_code in {400, 413}
    assert (await client.post(path, content=compress(b"x")[:-3], headers=headers)).status_code == 400
    assert (await client.post(path, content=compress(b"x") + b"y", headers=headers)).status_code == 400
    assert (await client.post(path, content=b"not compressed", headers=headers)).status_code == 400


async def test_an_unknown_content_encoding_is_415(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/xrpc/com.atproto.repo.uploadBlob", content=b"x", headers={"content-type": "a/b", "content-encoding": "br"}
    )
    assert answer.status_code == 415


async def test_a_stream_arrives_whole_and_its_source_is_closed(client: httpx.AsyncClient) -> None:
    closed_streams.clear()
    async with client.stream("GET", "/xrpc/com.atproto.sync.getRepo?did=did:plc:whole") as answer:
        size = 0
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
    assert size == 50_000 * sum(1 for number in range(2000) if number % 7 != 3)
    assert closed_streams == ["did:plc:whole"]


async def test_a_stream_stops_when_the_client_goes_away(client: httpx.AsyncClient) -> None:
    closed_streams.clear()
    async with client.stream("GET", "/xrpc/com.atproto.sync.getRepo?did=did:plc:gone") as answer:
        async for _ in answer.aiter_bytes():
            break
    for _ in range(200):
        if closed_streams:
            break
        await asyncio.sleep(0.01)
    assert closed_streams == ["did:plc:gone"]


async def test_a_failure_in_the_middle_of_a_stream_breaks_the_connection(
    server: EdgeServer, client: httpx.AsyncClient
) -> None:
    cid = str(CID.for_dag_cbor(b"x"))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(f"/xrpc/com.atproto.sync.getBlocks?did={ALICE}&cids={cid}")
    assert (await client.get(RECORD + "1")).status_code == 200


async def test_each_request_leaves_one_log_line_without_its_query(
    server: EdgeServer, client: httpx.AsyncClient
) -> None:
    await client.get(RECORD + "1", headers={"authorization": "Bearer secret-token"})
    await client.get("/some/other?token=secret-token")
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert [(line["target"], line["status"]) for line in lines] == [
        ("com.atproto.repo.getRecord", 200),
        ("/some/other", 404),
    ]
    assert "secret-token" not in server.log_text()
