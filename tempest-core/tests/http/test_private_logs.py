"""A day with every kind of credential, in right places and wrong ones, leaves none of them in the log."""

import base64
import contextlib
import json
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from whole_server import PASSWORD, WholeServer, whole_server

SERVER = "/xrpc/com.atproto.server"
SUBSCRIBE = "/xrpc/com.atproto.sync.subscribeRepos"


def parts(token: str) -> list[str]:
    """Return what of a JWT must not be seen: its claims and its signature."""
    return token.split(".")[1:]


async def everywhere(server: WholeServer, token: str) -> None:
    """Put a token where clients put tokens by mistake."""
    basic = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = [
        {"Authorization": value}
        for value in (f"Bearer {token}", token, f"Bearer {token} more", f"DPoP {token}", f"Basic {basic}")
    ]
    headers += [{"Cookie": f"session={token}", "DPoP": token}, {}]
    query = f"?token={token}&password={PASSWORD.replace(' ', '+')}&accessJwt={token}&did={token}&handle={token}"
    paths = [f"/xrpc/com.atproto.{name}{query}" for name in ("server.getSession", "sync.getRepo", "repo.createRecord")]
    paths += [f"/xrpc/{name}{query}" for name in ("_health", "com.example.nothing", "app.bsky.feed.getTimeline", token)]
    paths += [f"/{query}", f"/{token}", f"/login/{token}/{query}", f"/tls-check{query}&domain={token}"]
    for path in paths:
        for sent in headers:
            for verb in ("GET", "POST", "OPTIONS"):
                await server.http.request(verb, path, headers=sent, json={"password": PASSWORD, "token": token})
    for query in (f"cursor={token}", f"cursor=99999999&token={token}"):
        address = f"ws://127.0.0.1:{server.port}{SUBSCRIBE}?{query}"
        with contextlib.suppress(WebSocketException):
            async with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
                await socket.recv()


async def test_no_credential_reaches_the_log(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        made = (await alice.post("com.atproto.server.createAppPassword", {"name": "app"})).json()
        service = await alice.service_token("did:web:localhost", "com.atproto.repo.uploadBlob")
        await alice.upload(b"text", "text/plain", service)
        for password in (PASSWORD, made["password"], f"not {PASSWORD}"):
            for name in (alice.handle, "alice@example.com", alice.did, PASSWORD):
                given = {"identifier": name, "password": password}
                await server.http.post(f"{SERVER}.createSession", json=given)
        broken = json.dumps({"identifier": "alice.test", "password": PASSWORD})[:-1].encode()
        await server.http.post(f"{SERVER}.createSession", content=broken, headers={"Content-Type": "application/json"})
        taken = {"handle": "alice.test", "email": "a@example.com", "password": PASSWORD, "inviteCode": PASSWORD}
        await server.http.post(f"{SERVER}.createAccount", json=taken)
        admin = server.admin_token
        for auth in (httpx.BasicAuth("admin", admin), httpx.BasicAuth("admin", PASSWORD)):
            await server.http.post(f"{SERVER}.createInviteCode", json={"useCount": 1}, auth=auth)
        await server.http.get("/", headers={"Authorization": f"Bearer {admin}"})
        for token in (alice.token, service):
            await everywhere(server, token)
        ended = {"Authorization": f"Bearer {alice.refresh}"}
        for method in ("refreshSession", "refreshSession", "deleteSession", "refreshSession"):
            await server.http.post(f"{SERVER}.{method}", headers=ended)
    # The last lines are written as the server ends.
    log = server.log_text()
    basic = base64.b64encode(f"admin:{admin}".encode()).decode()
    secrets = [PASSWORD, PASSWORD.replace(" ", "+"), PASSWORD.replace(" ", "%20"), made["password"], admin, basic]
    secrets += [*parts(alice.token), *parts(alice.refresh), *parts(service), "eyJ"]
    assert [secret for secret in secrets if secret in log] == []
    lines = [json.loads(line) for line in log.splitlines()]
    assert not [line for line in lines if line["level"] == "error"]
    requests = [line for line in lines if line["event"] == "request"]
    assert {"timestamp", "level", "method", "target", "status", "ms", "ip"} <= set(requests[-1])
    assert len(requests) > 200
    subscribed = [line for line in lines if str(line["event"]).startswith("subscription")]
    # A cursor that is no number is not written down; what a subscriber was told in the end is.
    assert [(line["event"], line.get("cursor"), line.get("error")) for line in subscribed] == [
        ("subscription began", 99999999, None),
        ("subscription ended", None, "FutureCursor"),
    ] * 2
