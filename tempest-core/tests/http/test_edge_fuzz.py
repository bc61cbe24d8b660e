"""Any bytes as path, query, header or body give a protocol error, never a 500, and nothing hangs."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from edge_server import edge_server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.methods import load_methods
from tempest_pds.http.socket import Socket
from tempest_pds.http.xrpc import Method
from tempest_pds.services.credentials import Kind

REAL = load_methods()
NSIDS = sorted(REAL)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


async def read_all_of_it(call: Call) -> Answer:
    """Stands for every method: touches all that the edge hands over."""
    if call.credentials is not None:
        assert call.credentials.kind in Kind
    call.header("atproto-proxy")
    assert isinstance(call.content_type, str | None)
    if call.http_method == "POST" and call.input is None:
        async for chunk in call.body(1000):
            assert chunk
    return {}


async def close_at_once(call: Call, socket: Socket) -> None:
    await socket.send_bytes(b"x")


METHODS = [
    Method(
        method.nsid,
        method.kind,
        close_at_once if method.kind == "subscription" else read_all_of_it,
        (),
        None,
        None,
    )
    for method in REAL.values()
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    ready: list[int] = []
    started, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with edge_server(METHODS, access=METHOD_ACCESS, validate_responses=False) as server:
            ready.append(server.port)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(10)
    yield ready[0]
    stop.set()
    thread.join(10)


def exchange(port: int, data: bytes) -> bytes:
    """Send a request that says it is the last, and read to the end; a hang is a timeout, and fails."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def check(answer: bytes) -> None:
    if not answer:
        return
    status = int(answer.split(b" ", 2)[1])
    assert status < 500 or status == 501, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    if status >= 400 and b"content-type: application/json" in head.lower():
        error = json.loads(body)
        assert set(error) == {"error", "message"}


def token_bytes(alphabet: bytes, most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([bytes([byte]) for byte in alphabet]), max_size=most).map(b"".join)


VISIBLE = bytes(range(0x21, 0x7F))
PATHS = st.one_of(
    token_bytes(VISIBLE, 40).map(lambda rest: b"/" + rest),
    token_bytes(VISIBLE, 40).map(lambda rest: b"/xrpc/" + rest),
    st.sampled_from([b"/xrpc/" + nsid.encode() for nsid in NSIDS]),
    st.binary(max_size=30).map(lambda rest: b"/xrpc/" + b"".join(b"%%%02x" % byte for byte in rest)),
    st.sampled_from([b"/.well-known/did.json", b"/.well-known/atproto-did", b"/tls-check", b"/", b"/xrpc/_health"]),
)
QUERIES = st.one_of(
    st.just(b""),
    token_bytes(VISIBLE, 60),
    st.lists(
        st.tuples(
            st.sampled_from([b"repo", b"did", b"collection", b"rkey", b"limit", b"cursor", b"cids", b"domain", b"x"]),
            st.one_of(
                token_bytes(VISIBLE.replace(b"&", b"").replace(b"#", b""), 30),
                st.binary(max_size=12).map(lambda raw: b"".join(b"%%%02X" % byte for byte in raw)),
                st.sampled_from([b"did:plc:ewvi7nxzyoun6zhxrhs64oiz", b"app.bsky.feed.post", b"-1", b"9" * 400]),
            ),
        ),
        max_size=6,
    ).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs)),
)
VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        b"Bearer access|Bearer app|Bearer a.b.c|Basic Og==|DPoP x|application/json|gzip|deflate|chunked|did:web:x#y|"
        b"bytes=0-|".split(b"|")
    ),
)
HEADER_NAMES = (
    b"Authorization|Content-Type|Content-Encoding|atproto-proxy|Accept-Encoding|Origin|X-Forwarded-For|Host|Range"
    b"|If-None-Match|Expect|Upgrade|Connection|X"
).split(b"|")
HEADERS = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), VALUES), max_size=5)
JSON_BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["repo", "$type", "$link", "$bytes", "record", "writes", "did", "a"]), inner)
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())
METHOD_NAMES = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"QUERY", b"\xff"])


@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes_at_all(port: int, data: bytes) -> None:
    check(exchange(port, data))


@FUZZ
@given(method=METHOD_NAMES, path=PATHS, query=QUERIES, headers=HEADERS, body=st.binary(max_size=200) | JSON_BODIES)
def test_any_request(
    port: int, method: bytes, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    head = method + b" " + path + (b"?" + query if query else b"") + b" HTTP/1.1\r\n"
    for name, value in headers:
        head += name + b": " + value + b"\r\n"
    if body and method != b"HEAD":
        head += b"Content-Length: %d\r\n" % len(body)
    answer = exchange(port, head + b"Connection: close\r\n\r\n" + body)
    if method != b"HEAD":
        check(answer)


@FUZZ
@given(
    nsid=st.sampled_from([nsid for nsid in NSIDS if REAL[nsid].kind == "procedure"]),
    body=st.binary(max_size=200) | JSON_BODIES,
    encoding=st.sampled_from([b"", b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n"]),
    chunked=st.booleans(),
    token=st.sampled_from([b"access", b"refresh", b"correct-horse-battery-staple"]),
)
def test_any_body_to_a_method_that_takes_one(
    port: int, nsid: str, body: bytes, encoding: bytes, chunked: bool, token: bytes
) -> None:
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
    check(
        exchange(
            port,
            b"POST /xrpc/%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %b\r\n"
            % (nsid.encode(), token)
            + b"Content-Type: application/json\r\n"
            + encoding
            + framing
            + b"\r\n"
            + sent,
        )
    )


@FUZZ
@given(nsid=st.sampled_from(NSIDS), query=QUERIES)
def test_any_parameters_to_a_method_that_is_there(port: int, nsid: str, query: bytes) -> None:
    verb = b"POST" if REAL[nsid].kind == "procedure" else b"GET"
    check(
        exchange(
            port,
            b"%b /xrpc/%b?%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer access\r\n\r\n"
            % (verb, nsid.encode(), query),
        )
    )


@settings(FUZZ, max_examples=60)
@given(path=PATHS, query=QUERIES, after=st.binary(max_size=100))
def test_any_handshake_and_frames(port: int, path: bytes, query: bytes, after: bytes) -> None:
    check(
        exchange(
            port,
            b"GET %b?%b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" % (path, query)
            + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            + after,
        )
    )
