"""Requests that are almost right, to all of the running server: every answer is one of the protocol, in good time.

`test_edge_fuzz` sends any bytes at an edge without services. Here the services are real, and requests come far enough
to reach them: each field of a method is what it should be, or something else that JSON can hold.
"""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from whole_server import POST, User, WholeServer, name_server, whole_server

from tempest_pds.http.methods import load_methods
from tempest_pds.protocol.lexicon.documents import Documents
from tempest_pds.services.read_after_write.merges import MERGES

SECONDS = 10
ENDS_THE_ACCOUNT = {
    "com.atproto.admin.deleteAccount",
    "com.atproto.identity.updateHandle",
    "com.atproto.server.deactivateAccount",
}
METHODS = sorted(
    nsid for nsid, method in load_methods().items() if method.kind != "subscription" and nsid not in ENDS_THE_ACCOUNT
)
DOCUMENTS = Documents()
SCHEMAS = {nsid: (DOCUMENTS.get(nsid) or {})["defs"]["main"] for nsid in METHODS}
NOTE = "com.example.note"
RECORDS: list[dict[str, Any]] = [
    {"$type": POST, "text": "hi", "createdAt": "2026-01-02T03:04:05Z"},
    {"$type": "app.bsky.graph.follow", "subject": "did:web:x.example", "createdAt": "2026-01-02T03:04:05Z"},
    {"$type": "app.bsky.feed.like", "subject": 1},
    {"$type": NOTE, "": {"\x00": [None, {"$type": "blob"}]}},
]


class Target:
    """A server in a thread of its own, one account with a record, and another that the administrator does things to."""

    def __init__(self, server: WholeServer, user: User, made: dict[str, Any], other: User) -> None:
        self.server = server
        self.user = user
        self.known: dict[str, Any] = {
            "repo": user.did,
            "did": user.did,
            "handle": user.handle,
            "identifier": user.handle,
            "collection": POST,
            "rkey": made["uri"].rpartition("/")[2],
            "cid": made["cid"],
            "cids": [made["cid"], made["commit"]["cid"]],
            "aud": "did:web:x.example",
            "since": made["commit"]["rev"],
            "limit": 5,
            "useCount": 1,
            "codeCount": 1,
        }
        self.administered = self.known | {
            "did": other.did,
            "dids": [other.did, user.did],
            "account": other.did,
            "accounts": [other.did],
            "recipientDid": other.did,
            "senderDid": user.did,
            "uri": made["uri"],
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": other.did},
            "takedown": {"applied": True},
            "deactivated": {"applied": False},
        }

    def known_to(self, nsid: str) -> dict[str, Any]:
        """Give what is right for the fields of a method."""
        return self.administered if nsid.startswith("com.atproto.admin.") else self.known


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    ready: list[Target] = []
    started, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with whole_server(tmp_path_factory.mktemp("fuzz")) as server:
            user = await server.sign_up("alice")
            ready.append(Target(server, user, await user.write(RECORDS[0]), await server.sign_up("bob")))
            started.set()
            await asyncio.to_thread(stop.wait)

    # Names that happen to be public ones are no business of the internet's.
    with name_server():
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        assert started.wait(30)
        yield ready[0]
        stop.set()
        thread.join(30)


def deep(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


TEXTS = (
    st.text(max_size=12)
    | st.sampled_from(
        [
            "",
            "self",
            "..",
            "a/b",
            "%2e",
            "did:plc:x",
            "did:web:localhost",
            "at://did:web:x.example/a.b.c/d",
            "com.example.note",
            "7zzzzzzzzzzzz",
            "2026-01-01T00:00:00Z",
            "bafkreifjzcsgsjfpzjhfnv6q3scd7dlyyducdo62udrqhmt",
            "999999999999999999999",
        ]
    )
    | st.just("x" * 513)
)
NUMBERS = st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, 2**63, -(2**64), 1.5, 1e300])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from([{"$link": "x"}, {"$bytes": "!"}, deep(200)])
KEYS = st.sampled_from(["$type", "a", "uri", "cid", "ref", "size", "mimeType", "rkey", "value", "\x00", "é"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
WRITES = st.lists(
    st.fixed_dictionaries(
        {
            "$type": st.sampled_from(
                [f"com.atproto.repo.applyWrites#{a}" for a in ("create", "update", "delete", "x")]
            ),
            "collection": st.sampled_from([POST, NOTE]) | VALUES,
        },
        optional={"rkey": st.sampled_from(["a", "b"]) | VALUES, "value": st.sampled_from(RECORDS) | VALUES},
    ),
    max_size=5,
)
SESSIONS = st.sampled_from(["access", "access", "access", "refresh", "admin", "none"])


@st.composite
def fields(draw: st.DrawFn, properties: dict[str, Any]) -> dict[str, Any]:
    """Fill in some of a method's fields; None stands for what the target knows to be right."""
    filled: dict[str, Any] = {}
    for name in properties:
        match draw(st.sampled_from(["known", "known", "any", "absent"])):
            case "known" if name == "writes":
                filled[name] = draw(WRITES)
            case "known" if name == "record":
                filled[name] = draw(st.sampled_from(RECORDS))
            case "known":
                filled[name] = None
            case "any":
                filled[name] = draw(VALUES)
    return filled


def headers_of(target: Target, session: str) -> dict[str, str]:
    tokens = {"access": target.user.token, "refresh": target.user.refresh, "admin": target.server.admin_token}
    return {} if session == "none" else {"Authorization": f"Bearer {tokens[session]}"}


def ask(target: Target, verb: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", target.server.port, timeout=SECONDS)
    try:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), nsid=st.sampled_from(METHODS), session=SESSIONS)
def test_almost_right_requests_never_fail_inside(target: Target, data: st.DataObject, nsid: str, session: str) -> None:
    schema = SCHEMAS[nsid]
    known = target.known_to(nsid)

    def complete(filled: dict[str, Any]) -> dict[str, Any]:
        return {name: known.get(name, "x") if value is None else value for name, value in filled.items()}

    given_parameters = complete(data.draw(fields(schema.get("parameters", {}).get("properties", {}))))
    query = urlencode(
        [
            (name, value if isinstance(value, str) else json.dumps(value))
            for name, values in given_parameters.items()
            for value in (values if isinstance(values, list) else [values])
        ]
    )
    body, headers = None, headers_of(target, session)
    if "input" in schema:
        if "schema" in schema["input"]:
            body = json.dumps(complete(data.draw(fields(schema["input"]["schema"].get("properties", {}))))).encode()
        else:
            body = data.draw(st.binary(max_size=100))
        headers["Content-Type"] = schema["input"]["encoding"].replace("*/*", "text/plain")
    verb = "POST" if schema["type"] == "procedure" else "GET"
    status, text = ask(target, verb, f"/xrpc/{nsid}?{query[:30_000]}", body, headers)
    # No AppView is there to answer a view.
    unreachable = nsid in MERGES and status == 502
    assert status < 500 or unreachable, (status, text, target.server.log_text()[-3000:])
    if status >= 400:
        assert set(json.loads(text)) == {"error", "message"}
