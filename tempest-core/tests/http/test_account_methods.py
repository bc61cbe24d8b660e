"""The account methods over HTTP: the whole server on a folder, asked as a client asks it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from edge_server import serving

from tempest_pds.app import build_app
from tempest_pds.protocol.crypto import jwt
from tempest_pds.settings_loading import load_settings
from tempest_pds.stores.key_files import KeyFiles

PASSWORD = "correct horse battery"


class Client:
    """One user of the server."""

    def __init__(self, http: httpx.AsyncClient, folder: Path) -> None:
        self.http = http
        self.folder = folder
        self.tokens: dict[str, str] = {}

    async def get(self, method: str, *, token: str | None = None, **params: Any) -> httpx.Response:
        return await self.http.get(f"/xrpc/{method}", params=params, headers=self._headers(token))

    async def post(self, method: str, given: Any = None, *, token: str | None = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/xrpc/{method}", json=given, headers=self._headers(token) | headers)

    def _headers(self, token: str | None) -> dict[str, str]:
        named = self.tokens.get(token or "accessJwt", token)
        return {"Authorization": f"Bearer {named}"} if named else {}

    async def sign_up(self, name: str = "alice") -> dict[str, Any]:
        given = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": PASSWORD}
        answer = await self.http.post("/xrpc/com.atproto.server.createAccount", json=given)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        self.tokens = made
        return made

    @property
    def admin(self) -> httpx.BasicAuth:
        return httpx.BasicAuth("admin", KeyFiles(self.folder / "keys").load_or_create("admin_token").hex())


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    environ = {"TEMPEST_DATA_DIR": str(tmp_path), "PORT": "4000", "TEMPEST_VALIDATE_RESPONSES": "true"}
    app = build_app(load_settings(environ), environ)
    await app.start()
    try:
        async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:  # type: ignore[arg-type]
            yield Client(http, tmp_path)
    finally:
        await app.stop()


def refused(answer: httpx.Response, status: int, name: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, name), answer.text
    assert set(body) == {"error", "message"}


async def test_the_server_describes_itself(client: Client) -> None:
    answer = (await client.get("com.atproto.server.describeServer")).json()
    assert answer["did"] == "did:web:localhost"
    assert answer["availableUserDomains"] == [".test"]
    assert answer["inviteCodeRequired"] is False
    assert answer["blobUploadLimit"] > 0


async def test_signing_up_and_looking_at_the_session(client: Client) -> None:
    made = await client.sign_up()
    assert set(made) == {"handle", "did", "didDoc", "accessJwt", "refreshJwt"}
    assert made["didDoc"]["id"] == made["did"]
    session = await client.get("com.atproto.server.getSession")
    assert session.headers["cache-control"] == "private"
    assert session.json() == {
        "did": made["did"],
        "handle": "alice.test",
        "email": "alice@example.com",
        "emailConfirmed": False,
        "active": True,
        "didDoc": made["didDoc"],
    }


async def test_what_sign_up_refuses_has_the_name_of_the_lexicon(client: Client) -> None:
    await client.sign_up()
    good = {"handle": "bob.test", "email": "bob@example.com", "password": PASSWORD}
    for changed, name in (
        ({"handle": "x.test"}, "InvalidHandle"),
        ({"handle": "admin.test"}, "HandleNotAvailable"),
        ({"handle": "alice.test"}, "HandleNotAvailable"),
        ({"handle": "bob.example.com"}, "UnsupportedDomain"),
        ({"password": "x"}, "InvalidPassword"),
        ({"inviteCode": "x"}, "InvalidInviteCode"),
        ({"email": "x"}, "InvalidRequest"),
        ({"handle": "not a handle"}, "InvalidRequest"),
    ):
        answer = await client.http.post("/xrpc/com.atproto.server.createAccount", json=good | changed)
        refused(answer, 400, name)
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    answer = await client.http.post("/xrpc/com.atproto.server.createAccount", json=good | {"did": did})
    refused(answer, 401, "AuthenticationRequired")


async def test_logging_in_refreshing_and_logging_out(client: Client) -> None:
    await client.sign_up()
    given = {"identifier": "alice.test", "password": PASSWORD}
    session = (await client.http.post("/xrpc/com.atproto.server.createSession", json=given)).json()
    assert session["active"] is True
    assert "status" not in session
    client.tokens = session
    first = (await client.post("com.atproto.server.refreshSession", token="refreshJwt")).json()
    again = (await client.post("com.atproto.server.refreshSession", token="refreshJwt")).json()
    assert first["refreshJwt"] == again["refreshJwt"] != session["refreshJwt"]
    assert (await client.post("com.atproto.server.deleteSession", token="refreshJwt")).status_code == 200
    refused(await client.post("com.atproto.server.refreshSession", token="refreshJwt"), 400, "ExpiredToken")
    refused(await client.post("com.atproto.server.refreshSession", token="accessJwt"), 400, "InvalidToken")
    refused(await client.get("com.atproto.server.getSession", token="refreshJwt"), 400, "InvalidToken")
    refused(await client.http.get("/xrpc/com.atproto.server.getSession"), 401, "AuthMissing")
    wrong = await client.http.post("/xrpc/com.atproto.server.createSession", json=given | {"password": "wrong"})
    refused(wrong, 401, "AuthenticationRequired")


async def test_app_passwords_open_less(client: Client) -> None:
    await client.sign_up()
    made = (await client.post("com.atproto.server.createAppPassword", {"name": "app"})).json()
    assert set(made) == {"name", "password", "createdAt", "privileged"}
    given = {"identifier": "alice.test", "password": made["password"]}
    app = (await client.http.post("/xrpc/com.atproto.server.createSession", json=given)).json()
    refused(
        await client.post("com.atproto.server.createAppPassword", {"name": "b"}, token=app["accessJwt"]),
        400,
        "InvalidToken",
    )
    listed = (await client.get("com.atproto.server.listAppPasswords", token=app["accessJwt"])).json()
    assert [(row["name"], row["privileged"]) for row in listed["passwords"]] == [("app", False)]
    assert (await client.post("com.atproto.server.revokeAppPassword", {"name": "app"})).status_code == 200
    assert (await client.get("com.atproto.server.listAppPasswords")).json() == {"passwords": []}


async def test_a_service_token_is_signed_with_the_accounts_key(client: Client) -> None:
    made = await client.sign_up()
    method = "com.atproto.server.getServiceAuth"
    answer = await client.get(method, aud="did:web:video.example.com", lxm="com.atproto.repo.uploadBlob")
    token = jwt.decode_unverified(answer.json()["token"])
    jwt.verify_with_key(token, KeyFiles(client.folder / "keys").signing_key(made["did"]).public)
    refused(await client.get(method, aud="did:web:a.com", exp=1), 400, "BadExpiration")
    refused(await client.get(method, aud="nonsense"), 400, "InvalidRequest")


async def test_the_servers_own_service_token_opens_no_account_of_another(client: Client) -> None:
    """A service token for createAccount is taken for the DID that it is of, and for no other."""
    made = await client.sign_up()
    method = "com.atproto.server.createAccount"
    token = (await client.get("com.atproto.server.getServiceAuth", aud="did:web:localhost", lxm=method)).json()["token"]
    given = {"handle": "bob.test", "email": "bob@example.com", "password": PASSWORD}
    other = given | {"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}
    refused(await client.post(method, other, token=token), 401, "AuthenticationRequired")
    refused(await client.post(method, given | {"did": made["did"]}, token=token), 400, "AlreadyExists")
    refused(await client.post(method, given, token="x.y.z"), 401, "BadJwt")


async def test_an_account_goes_off_and_on(client: Client) -> None:
    made = await client.sign_up()
    assert (await client.post("com.atproto.server.deactivateAccount", {})).status_code == 200
    session = (await client.get("com.atproto.server.getSession")).json()
    assert (session["active"], session["status"]) == (False, "deactivated")
    status = (await client.get("com.atproto.server.checkAccountStatus")).json()
    assert (status["activated"], status["validDid"], status["repoBlocks"]) == (False, True, 2)
    assert (await client.post("com.atproto.server.activateAccount")).status_code == 200
    status = (await client.get("com.atproto.server.checkAccountStatus")).json()
    assert status["activated"] is True
    assert set(status) == {
        "activated",
        "validDid",
        "repoCommit",
        "repoRev",
        "repoBlocks",
        "indexedRecords",
        "privateStateValues",
        "expectedBlobs",
        "importedBlobs",
    }
    assert made["did"]


async def test_invite_codes_are_the_administrators_to_give(client: Client) -> None:
    made = await client.sign_up()
    path = "/xrpc/com.atproto.server.createInviteCode"
    refused(await client.post("com.atproto.server.createInviteCode", {"useCount": 1}), 401, "AuthenticationRequired")
    code = (await client.http.post(path, json={"useCount": 1}, auth=client.admin)).json()["code"]
    assert code.startswith("localhost-")
    given = {"codeCount": 2, "useCount": 1, "forAccounts": [made["did"]]}
    codes = (await client.http.post(f"{path}s", json=given, auth=client.admin)).json()["codes"]
    assert [(row["account"], len(row["codes"])) for row in codes] == [(made["did"], 2)]
    listed = (await client.get("com.atproto.server.getAccountInviteCodes")).json()["codes"]
    assert sorted(row["code"] for row in listed) == sorted(codes[0]["codes"])


async def test_handles_are_resolved_and_changed(client: Client) -> None:
    made = await client.sign_up()
    method = "com.atproto.identity.resolveHandle"
    assert (await client.get(method, handle="Alice.test")).json() == {"did": made["did"]}
    refused(await client.get(method, handle="nobody.test"), 400, "HandleNotFound")
    assert (await client.post("com.atproto.identity.updateHandle", {"handle": "alicia.test"})).status_code == 200
    assert (await client.get(method, handle="alicia.test")).json() == {"did": made["did"]}
    refused(await client.get(method, handle="alice.test"), 400, "HandleNotFound")
    session = (await client.get("com.atproto.server.getSession")).json()
    assert session["didDoc"]["alsoKnownAs"] == ["at://alicia.test"]


async def test_preferences_are_kept(client: Client) -> None:
    await client.sign_up()
    preferences = [
        {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": False},
        {"$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": "1990-01-01T00:00:00.000Z"},
    ]
    assert (await client.post("app.bsky.actor.putPreferences", {"preferences": preferences})).status_code == 200
    kept = (await client.get("app.bsky.actor.getPreferences")).json()["preferences"]
    assert kept[:2] == preferences
    assert kept[2]["isOverAge18"] is True
    bad = {"preferences": [{"$type": "com.example.pref"}]}
    refused(await client.post("app.bsky.actor.putPreferences", bad), 400, "InvalidRequest")


async def test_a_reserved_key_is_the_same_for_the_same_did(client: Client) -> None:
    method = "com.atproto.server.reserveSigningKey"
    given = {"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}
    first = (await client.post(method, given)).json()["signingKey"]
    assert first.startswith("did:key:zQ3s")
    assert (await client.post(method, given)).json()["signingKey"] == first
    assert (await client.post(method, {})).json()["signingKey"] != first


async def test_nobody_queues(client: Client) -> None:
    await client.sign_up()
    assert (await client.get("com.atproto.temp.checkSignupQueue")).json() == {"activated": True}


async def test_a_method_that_is_not_built_is_not_implemented(client: Client) -> None:
    await client.sign_up()
    refused(await client.post("com.atproto.admin.updateAccountSigningKey"), 501, "MethodNotImplemented")
