import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from edge_server import ADMIN_TOKEN, ALICE, EdgeServer, edge_server

from tempest_pds.http import access
from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.http.xrpc import Method
from tempest_pds.services.credentials import Scope

# Methods of the lexicons that take neither parameters nor a body, one for each kind of authorisation.
KINDS = {
    "com.atproto.server.getSession": access.ACCESS,
    "com.atproto.server.checkAccountStatus": access.ACCESS.refusing_takendown(),
    "com.atproto.server.listAppPasswords": access.FULL,
    "com.atproto.server.describeServer": access.OPTIONAL,
    "com.atproto.identity.getRecommendedDidCredentials": access.MODERATOR,
    "com.atproto.temp.checkSignupQueue": access.ACCESS_OR_SERVICE,
    "app.bsky.actor.getPreferences": access.ADMIN,
    "com.atproto.server.getAccountInviteCodes": access.OPTIONAL_SERVICE,
    "chat.bsky.actor.exportAccountData": access.ACCESS.also(Scope.TAKENDOWN),
}
POSTS = {
    "com.atproto.server.refreshSession": access.REFRESH,
    "com.atproto.server.deleteSession": access.REFRESH_EVEN_EXPIRED,
}


async def who(call: Call) -> Answer:
    credentials = call.credentials
    if credentials is None:
        return {"kind": "nobody"}
    return {"kind": str(credentials.kind), "did": credentials.did, "id": credentials.token_id}


ROWS = KINDS | POSTS
METHODS = [Method(nsid, "query", who) for nsid in KINDS]
METHODS += [Method(nsid, "procedure", who) for nsid in POSTS]


def _jwt(claims: dict[str, object], signature: str = "good", head: str = "x") -> str:
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"


SERVICE = _jwt({"lxm": "com.atproto.temp.checkSignupQueue"})
ADMIN = "Basic " + base64.b64encode(f"admin:{ADMIN_TOKEN}".encode()).decode()


@pytest.fixture
async def server() -> AsyncIterator[EdgeServer]:
    async with edge_server(METHODS, access=ROWS, validate_responses=False) as server:
        yield server


async def call(server: EdgeServer, nsid: str, authorization: str | None) -> tuple[int, dict[str, object]]:
    headers = {} if authorization is None else {"authorization": authorization}
    async with httpx.AsyncClient() as client:
        answer = await client.request("POST" if nsid in POSTS else "GET", f"{server.url}/xrpc/{nsid}", headers=headers)
    body = answer.json()
    return answer.status_code, body


@pytest.mark.parametrize(
    ("nsid", "authorization", "status", "expected"),
    [
        ("com.atproto.server.getSession", "Bearer access", 200, "access"),
        ("com.atproto.server.getSession", "bearer app", 200, "access"),
        ("com.atproto.server.getSession", None, 401, "AuthMissing"),
        ("com.atproto.server.getSession", "", 401, "AuthMissing"),
        ("com.atproto.server.getSession", "Bearer expired", 400, "ExpiredToken"),
        ("com.atproto.server.getSession", "Bearer rubbish", 400, "InvalidToken"),
        ("com.atproto.server.getSession", "Bearer takendown", 400, "InvalidToken"),
        ("com.atproto.server.getSession", "DPoP access", 401, "AuthMissing"),
        ("com.atproto.server.getSession", "Digest access", 400, "InvalidToken"),
        ("com.atproto.server.getSession", "access", 400, "InvalidToken"),
        ("com.atproto.server.getSession", "Bearer", 400, "InvalidToken"),
        ("com.atproto.server.getSession", "Bearer a b", 400, "InvalidToken"),
        ("com.atproto.server.getSession", ADMIN, 400, "InvalidToken"),
        ("com.atproto.server.listAppPasswords", "Bearer access", 200, "access"),
        ("com.atproto.server.listAppPasswords", "Bearer app", 400, "InvalidToken"),
        ("com.atproto.server.describeServer", None, 200, "nobody"),
        ("com.atproto.server.describeServer", "Bearer access", 200, "access"),
        ("com.atproto.server.describeServer", "Bearer rubbish", 400, "InvalidToken"),
        ("com.atproto.server.describeServer", ADMIN, 200, "admin"),
        ("com.atproto.temp.checkSignupQueue", "Bearer access", 200, "access"),
        ("com.atproto.temp.checkSignupQueue", f"Bearer {SERVICE}", 200, "service"),
        ("com.atproto.temp.checkSignupQueue", f"Bearer {SERVICE[:-4]}evil", 401, "BadJwtSignature"),
        ("com.atproto.server.getAccountInviteCodes", None, 200, "nobody"),
        ("com.atproto.server.getAccountInviteCodes", f"Bearer {SERVICE}", 200, "service"),
        ("com.atproto.server.getSession", f"Bearer {SERVICE}", 400, "InvalidToken"),
        ("app.bsky.actor.getPreferences", ADMIN, 200, "admin"),
        ("app.bsky.actor.getPreferences", f"Bearer {ADMIN_TOKEN}", 200, "admin"),
        ("app.bsky.actor.getPreferences", "Bearer wrong", 401, "AuthenticationRequired"),
        ("app.bsky.actor.getPreferences", "Basic YWRtaW46d3Jvbmc=", 401, "AuthenticationRequired"),
        ("app.bsky.actor.getPreferences", "Basic !!!", 401, "AuthenticationRequired"),
        ("app.bsky.actor.getPreferences", None, 401, "AuthenticationRequired"),
        ("com.atproto.identity.getRecommendedDidCredentials", f"Bearer {_jwt({}, head='mod')}", 200, "moderator"),
        ("com.atproto.identity.getRecommendedDidCredentials", f"Bearer {_jwt({})}", 401, "UntrustedIss"),
        ("com.atproto.identity.getRecommendedDidCredentials", ADMIN, 200, "admin"),
        ("chat.bsky.actor.exportAccountData", "Bearer takendown", 200, "access"),
        ("com.atproto.server.refreshSession", "Bearer refresh", 200, "refresh"),
        ("com.atproto.server.refreshSession", "Bearer refresh-expired", 400, "ExpiredToken"),
        ("com.atproto.server.refreshSession", "Bearer access", 400, "InvalidToken"),
        ("com.atproto.server.deleteSession", "Bearer refresh-expired", 200, "refresh"),
    ],
)
async def test_each_kind_of_authorisation_takes_its_own(
    server: EdgeServer, nsid: str, authorization: str | None, status: int, expected: str
) -> None:
    found, body = await call(server, nsid, authorization)
    assert (found, body.get("kind", body.get("error"))) == (status, expected), body


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", "access"),
        ("deactivated", "access"),
        ("takendown", "AccountTakedown"),
        ("suspended", "AccountTakedown"),
        (None, "AccountNotFound"),
    ],
)
async def test_the_status_of_the_account_is_checked_where_declared(status: str | None, expected: str) -> None:
    async with edge_server(METHODS, access=ROWS, status=status, validate_responses=False) as server:
        _, body = await call(server, "com.atproto.server.checkAccountStatus", "Bearer access")
        assert body.get("kind", body.get("error")) == expected


@pytest.mark.parametrize(
    ("nsid", "token", "expected"),
    [
        ("com.atproto.server.getSession", "access", "AccountTakedown"),
        ("com.atproto.server.getSession", "app", "AccountTakedown"),
        ("chat.bsky.actor.exportAccountData", "access", "access"),
        ("chat.bsky.actor.exportAccountData", "app", "AccountTakedown"),
        ("chat.bsky.actor.exportAccountData", "takendown", "access"),
        ("com.atproto.server.describeServer", "access", "access"),
    ],
)
@pytest.mark.parametrize("status", ["takendown", "suspended"])
async def test_a_session_from_before_a_takedown_does_no_more_than_one_from_after_it(
    status: str, nsid: str, token: str, expected: str
) -> None:
    async with edge_server(METHODS, access=ROWS, status=status, validate_responses=False) as server:
        _, body = await call(server, nsid, f"Bearer {token}")
        assert body.get("kind", body.get("error")) == expected


async def test_answers_to_authorised_calls_are_private(server: EdgeServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.get("/xrpc/com.atproto.server.getSession", headers={"authorization": "Bearer access"})
    assert answer.json()["did"] == ALICE
    assert answer.headers["cache-control"] == "private"
    assert answer.headers["vary"] == "Authorization"


async def test_guessing_the_admin_token_is_limited() -> None:
    async with edge_server(METHODS, access=ROWS, limiter=RateLimiter(), validate_responses=False) as server:
        wrong = [await call(server, "app.bsky.actor.getPreferences", "Bearer wrong") for _ in range(31)]
        assert [status for status, _ in wrong] == [401] * 30 + [429]
        status, _ = await call(server, "app.bsky.actor.getPreferences", ADMIN)
        assert status == 429
