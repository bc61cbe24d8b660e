"""The official client for servers, @atproto/oauth-client-node, unchanged, in all that an application does with it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, post, sign_up
from tests.support.node import Node
from tests.support.oauth_app import AppFailed, OAuthApp, loopback_client_id
from tests.support.oauth_person import Person, person
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"
CID = "bafyreid27zk7lbis4zw5fz4podbvbs4fc5ivwji3dmrwa6zggnj4bnd57u"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


@dataclass
class Visit:
    """A server, a person on it, and the application that they signed in to."""

    server: ServerProcess
    account: Account
    app: OAuthApp
    folder: Path
    node: Node
    plc: PlcDirectory

    @property
    def did(self) -> str:
        return self.account.did

    def another(self, folder: Path | None = None, **given: Any) -> OAuthApp:
        """Return one more process of the application, or another application."""
        return OAuthApp(self.node, folder or self.folder, self.server.url, self.plc.url, **given)

    def person(self) -> Person:
        return person(self.server, self.account)

    def sign_in(self, app: OAuthApp, **options: Any) -> None:
        assert app.callback(self.person().approve(app.authorize(self.account.handle, **options))) == self.did

    def post(self, app: OAuthApp, text: str = "by an application", **refused: Any) -> Any:
        return app.call(
            self.did, "com.atproto.repo.createRecord", body={"repo": self.did, "collection": POST, "record": post(text)}
        )

    def like(self) -> dict[str, Any]:
        subject = {
            "uri": f"at://{self.did}/{POST}/3jui7kd54zh2y",
            "cid": "bafyreid27zk7lbis4zw5fz4podbvbs4fc5ivwji3dmrwa6zggnj4bnd57u",
        }
        return {"$type": LIKE, "subject": subject, "createdAt": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module", params=["reference", "tempest"])
def visit(
    request: pytest.FixtureRequest, node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    """A person who signed in to the application with all that there is to allow, on the reference, then on Tempest."""
    server: ServerProcess = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("node-client") / "app"
    account = sign_up(server, "oauth")
    with OAuthApp(node, folder, server.url, plc.url) as app:
        visit = Visit(server, account, app, folder, node, plc)
        visit.sign_in(app)
        yield visit


def test_a_session_says_who_it_is_of_and_what_it_may(visit: Visit) -> None:
    info = visit.app.ask("info", did=visit.did)
    assert info["sub"] == visit.did
    assert info["iss"] == visit.server.url
    assert set(info["scope"].split()) == {"atproto", "transition:generic", "transition:email"}
    session = visit.app.call(visit.did, "com.atproto.server.getSession")
    assert session["handle"] == visit.account.handle
    assert session["email"] == f"{visit.account.handle}@mail.test"


def test_it_writes_and_reads_records(visit: Visit) -> None:
    made = visit.post(visit.app)
    rkey = made["uri"].rsplit("/", 1)[1]
    read = visit.app.call(
        visit.did, "com.atproto.repo.getRecord", {"repo": visit.did, "collection": POST, "rkey": rkey}
    )
    assert read["value"]["text"] == "by an application"
    create = {"$type": "com.atproto.repo.applyWrites#create", "collection": LIKE, "value": visit.like()}
    delete = {"$type": "com.atproto.repo.applyWrites#delete", "collection": POST, "rkey": rkey}
    done = visit.app.call(
        visit.did, "com.atproto.repo.applyWrites", body={"repo": visit.did, "writes": [create, delete]}
    )
    assert len(done["results"]) == 2


def test_it_uploads_a_blob_and_uses_it(visit: Visit) -> None:
    blob = visit.app.call(
        visit.did, "com.atproto.repo.uploadBlob", base64=base64.b64encode(PICTURE).decode(), encoding="image/png"
    )["blob"]
    profile = {"$type": "app.bsky.actor.profile", "displayName": "Alice", "avatar": blob}
    visit.app.call(
        visit.did,
        "com.atproto.repo.putRecord",
        body={"repo": visit.did, "collection": "app.bsky.actor.profile", "rkey": "self", "record": profile},
    )
    got = visit.app.call(visit.did, "com.atproto.sync.getBlob", {"did": visit.did, "cid": blob["ref"]["$link"]})
    assert got == {"bytes": len(PICTURE)}


def test_it_refreshes(visit: Visit) -> None:
    before = visit.app.ask("stored", did=visit.did)["tokenSet"]
    visit.app.ask("restore", did=visit.did, refresh=True)
    after = visit.app.ask("stored", did=visit.did)["tokenSet"]
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["scope"] == before["scope"]
    visit.post(visit.app)


def test_another_process_goes_on_with_what_is_stored(visit: Visit) -> None:
    with visit.another() as later:
        later.ask("restore", did=visit.did, refresh="auto")
        visit.post(later)


def test_a_request_that_needs_no_nonce_but_the_first_is_sent_once(visit: Visit) -> None:
    visit.post(visit.app)
    visit.app.requests()
    for _ in range(3):
        visit.app.call(visit.did, "com.atproto.server.getSession")
    assert [asked["status"] for asked in visit.app.requests()] == [200, 200, 200]


def test_a_session_may_do_what_its_scopes_say_and_no_more(visit: Visit, tmp_path: Path) -> None:
    narrow = loopback_client_id(f"atproto repo:{POST}?action=create")
    with visit.another(tmp_path / "narrow", client_id=narrow) as app:
        visit.sign_in(app)
        session = app.call(visit.did, "com.atproto.server.getSession")
        assert session["did"] == visit.did
        assert "email" not in session
        rkey = visit.post(app)["uri"].rsplit("/", 1)[1]
        create = {"$type": "com.atproto.repo.applyWrites#create"}
        one_too_many = [
            {**create, "collection": POST, "value": post("allowed")},
            {**create, "collection": LIKE, "value": visit.like()},
        ]
        where = {"repo": visit.did, "collection": POST}
        beyond: list[tuple[str, dict[str, Any]]] = [
            (
                "com.atproto.repo.createRecord",
                {"body": {"repo": visit.did, "collection": LIKE, "record": visit.like()}},
            ),
            ("com.atproto.repo.deleteRecord", {"body": {**where, "rkey": rkey}}),
            ("com.atproto.repo.applyWrites", {"body": {"repo": visit.did, "writes": one_too_many}}),
            ("com.atproto.repo.uploadBlob", {"base64": base64.b64encode(PICTURE).decode(), "encoding": "image/png"}),
            ("app.bsky.actor.getPreferences", {}),
            ("com.atproto.server.getServiceAuth", {"params": {"aud": "did:web:example.com", "lxm": "com.example.get"}}),
        ]
        for nsid, given in beyond:
            with pytest.raises(AppFailed) as refused:
                app.call(visit.did, nsid, **given)
            assert (refused.value.status, refused.value.name) == (403, "ScopeMissingError"), nsid
        app.ask("signOut", did=visit.did)


def test_a_person_who_refuses_is_sent_back_with_that(visit: Visit) -> None:
    sent = visit.person()
    sent.open(visit.app.authorize(visit.account.handle))
    sent.sign_in()
    with pytest.raises(AppFailed) as failed:
        visit.app.callback(sent.reject())
    assert failed.value.name == "OAuthCallbackError"
    visit.post(visit.app)


def test_a_session_that_its_person_takes_away_ends(visit: Visit, tmp_path: Path) -> None:
    with visit.another(tmp_path / "unwanted") as app:
        visit.sign_in(app)
        visit.post(app)
        visit.person().take_away(loopback_client_id())
        with pytest.raises(AppFailed) as refused:
            app.ask("restore", did=visit.did, refresh=True)
        assert refused.value.name == "TokenRefreshError"
        assert app.ask("stored", did=visit.did) is None
    # The other process of the same application lost its session with it.
    with pytest.raises(AppFailed):
        visit.app.ask("restore", did=visit.did, refresh=True)
    visit.sign_in(visit.app)


def test_signing_out_ends_the_tokens(visit: Visit, tmp_path: Path) -> None:
    with visit.another(tmp_path / "leaving") as app, visit.another(tmp_path / "leaving") as thief:
        visit.sign_in(app)
        stolen = app.ask("stored", did=visit.did)
        thief.ask("restore", did=visit.did, refresh=False)
        visit.post(thief)
        app.ask("signOut", did=visit.did)
        thief.ask("keep", did=visit.did, session=stolen)
        with pytest.raises(AppFailed) as refused:
            visit.post(thief)
        assert refused.value.status == 401
