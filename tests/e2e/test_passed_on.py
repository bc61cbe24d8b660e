"""What a PDS passes on, and what it makes of the answer: the reference server and Tempest in front of one upstream."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.e2e.passed_on import CALLS, STUB, PassedOn, generators
from tests.support.account import Account, sign_up
from tests.support.app_view import AppViewStub, Asked, BehindAppView

PASSED = {
    "accept-language",
    "atproto-accept-labelers",
    "x-bsky-topics",
    "content-type",
    "content-encoding",
    "content-length",
    "cookie",
    "x-forwarded-for",
    "if-none-match",
    "range",
    "dpop",
}
SHOWN = {
    "atproto-repo-rev",
    "atproto-content-labelers",
    "atproto-upstream-lag",
    "retry-after",
    "content-language",
    "content-encoding",
    "set-cookie",
    "x-other",
    "location",
}
NAMELESS = "the reference server answers with an empty object where it has no name for a status"
NOT_RESOLVED = "what a caller names wrongly is no failure of the server"
DIFFERENCES: dict[str, tuple[str, str]] = {
    **{f"{kind}: 409 by a page": ("409 InvalidRequest", NAMELESS) for kind in ("any", "view")},
    **{f"{kind}: 418 by a page": ("418 InvalidRequest", NAMELESS) for kind in ("any", "view")},
    **{
        f"{kind}: too many requests": ("429 RateLimitExceeded", "a client wants to know how long to wait: Retry-After")
        for kind in ("any", "view")
    },
    **{
        f"{kind}: a redirect": ("502 UpstreamFailure", "the reference server hands on a redirect without its target")
        for kind in ("any", "view")
    },
    "to a DID that is not there": ("400 InvalidRequest", NOT_RESOLVED),
    "to a DID of another method": ("400 InvalidRequest", NOT_RESOLVED),
    "push elsewhere": ("400 InvalidRequest", NOT_RESOLVED),
    "a feed: none": ("400 UnknownFeed", "the name that the lexicon has for it, not that of a class of JavaScript"),
    "a feed: missing": ("400 UnknownFeed", "the name that the lexicon has for it"),
    "a feed: failing": ("502 UpstreamFailure", "it is not this server that failed"),
    **dict.fromkeys(
        ("a feed that is none", "no feed", "push to nobody"), ("400 InvalidRequest", "the message has other words")
    ),
}
"""By call: what Tempest answers instead ("status error"), and why."""


@dataclass(frozen=True)
class Outcome:
    """What the client and the upstream saw."""

    status: int
    error: str | None
    message: str | None
    headers: dict[str, str]
    body: Any
    arrived: list[Any]

    @property
    def verdict(self) -> str:
        return f"{self.status} {self.error or ''}".strip()


def send(stub: AppViewStub, account: Account, tokens: dict[str, str], exchange: PassedOn) -> Outcome:
    stub.answers["com.atproto.repo.getRecord"] = lambda asked: generators(asked.one("rkey"))
    stub.answers[exchange.nsid] = lambda asked: exchange.says
    stub.asked.clear()
    headers = {name: value.replace(STUB, stub.did) for name, value in exchange.headers.items()}
    if exchange.session is not None:
        headers["authorization"] = f"Bearer {tokens[exchange.session]}"
    body = None
    if exchange.body is not None:
        body = json.dumps(exchange.body).replace(STUB, stub.did).encode()
        headers["content-type"] = "application/json"
    connection = http.client.HTTPConnection("localhost", account.server.port, timeout=30)
    try:
        path = f"/xrpc/{exchange.nsid}" + (f"?{exchange.query}" if exchange.query else "")
        connection.request(exchange.verb, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    shown = {name.lower(): value for name, value in answer.getheaders() if name.lower() in SHOWN}
    error = message = None
    if answer.status >= 400 and data:
        refusal = json.loads(data)
        error, message, data = refusal.get("error"), refusal.get("message"), b""
    return Outcome(answer.status, error, message, shown, plain(data), [arrival(asked, account) for asked in stub.asked])


def arrival(asked: Asked, account: Account) -> Any:
    """Say what reached the upstream, and in whose name."""
    claims = asked.claims
    token = (claims.get("iss") == account.did, claims.get("aud"), claims.get("lxm"))
    if claims:
        assert claims["exp"] - claims["iat"] == 60
    headers = {name: value for name, value in asked.headers.items() if name in PASSED}
    parts = urlsplit(asked.path)
    # The record of a feed generator may be asked for in any order of parameters.
    query = sorted(parse_qs(parts.query).items()) if parts.path.endswith("getRecord") else parts.query
    body = plain(asked.body)
    if isinstance(body, dict):
        # The reference server writes the JSON of its own methods anew, and its client has a language by default.
        headers.pop("content-length")
    if headers.get("accept-language") == "*":
        del headers["accept-language"]
    return asked.method, parts.path, query, token, headers, body


def plain(data: bytes) -> Any:
    """Read JSON where it is some, so that its spaces do not matter."""
    try:
        return json.loads(data)
    except ValueError:
        return data


@pytest.fixture(scope="module")
def outcomes(behind_app_view: BehindAppView) -> dict[str, dict[str, Outcome]]:
    """Play all, on a stub that is left as it was."""
    stub = behind_app_view.stub
    before = dict(stub.answers)
    found: dict[str, dict[str, Outcome]] = {}
    for name, server in behind_app_view.servers.items():
        account = sign_up(server, "pass")
        app = account.procedure("com.atproto.server.createAppPassword", name="app")["password"]
        session = account.procedure("com.atproto.server.createSession", identifier=account.did, password=app)
        tokens = {"access": account.access, "app": session["accessJwt"]}
        found[name] = {exchange.name: send(stub, account, tokens, exchange) for exchange in CALLS}
    stub.answers.clear()
    stub.answers.update(before)
    return found


def test_every_call_has_a_name_of_its_own() -> None:
    assert len({exchange.name for exchange in CALLS}) == len(CALLS)
    assert set(DIFFERENCES) <= {exchange.name for exchange in CALLS}


@pytest.mark.parametrize("name", [exchange.name for exchange in CALLS])
def test_both_servers_pass_on_alike(name: str, outcomes: dict[str, dict[str, Outcome]]) -> None:
    theirs, ours = outcomes["reference"][name], outcomes["tempest"][name]
    if name in DIFFERENCES:
        verdict, _ = DIFFERENCES[name]
        assert ours.verdict == verdict
        assert theirs != ours, "no longer a difference"
        return
    assert ours == theirs
