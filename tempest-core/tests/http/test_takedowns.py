"""Where an account, a record and a blob can be read, and that a takedown hides each there, and nothing else.

A *surface* is one way to read something. A record stays in the repository after its takedown, for the repository has to
stay whole: that is what the reference server does, and relays and AppViews hide it by labels of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from whole_server import PASSWORD, PNG, POST, User, WholeServer, verdict, whole_server

from tempest_pds.adapters.blob_paths import walk

REPO, SYNC, SERVER = "com.atproto.repo", "com.atproto.sync", "com.atproto.server"
TEXT = "look"
OTHER = PNG + b"another"


@dataclass
class Scene:
    """An account with two posts, each with a picture; the first is what is taken down."""

    server: WholeServer
    user: User
    uri: str
    record_cid: str
    blob: str
    other_uri: str
    other_blob: str

    @property
    def rkey(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def other_rkey(self) -> str:
        return self.other_uri.rpartition("/")[2]

    def subject(self, kind: str) -> dict[str, str]:
        defs = "com.atproto.admin.defs"
        return {
            "account": {"$type": f"{defs}#repoRef", "did": self.user.did},
            "record": {"$type": f"{REPO}.strongRef", "uri": self.uri, "cid": self.record_cid},
            "blob": {"$type": f"{defs}#repoBlobRef", "did": self.user.did, "cid": self.blob},
        }[kind]

    async def get(self, method: str, **params: str) -> httpx.Response:
        return await self.server.anybody(method, **params)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with whole_server(tmp_path) as server:
        user = await server.sign_up("alice")
        blob, other_blob = await user.picture(PNG), await user.picture(OTHER)
        listed = await server.anybody(f"{REPO}.listRecords", repo=user.did, collection=POST)
        records = listed.json()["records"]
        first, second = sorted(records, key=lambda record: str(record["uri"]))
        yield Scene(server, user, first["uri"], first["cid"], blob, second["uri"], other_blob)


Surface = Callable[[Scene], Awaitable[bool]]
SURFACES: dict[str, tuple[Surface, set[str]]] = {}
"""By name: what tells whether the first post or its picture shows, and which takedowns hide it."""


def surface(*hidden_by: str) -> Callable[[Surface], Surface]:
    def declare(function: Surface) -> Surface:
        SURFACES[function.__name__] = (function, set(hidden_by))
        return function

    return declare


@surface("account", "record")
async def record(scene: Scene) -> bool:
    answer = await scene.get(f"{REPO}.getRecord", repo=scene.user.did, collection=POST, rkey=scene.rkey)
    assert answer.status_code == 200 or verdict(answer) == (400, "RecordNotFound")
    return answer.status_code == 200


@surface("account", "record")
async def record_by_handle_and_cid(scene: Scene) -> bool:
    answer = await scene.get(
        f"{REPO}.getRecord", repo=scene.user.handle, collection=POST, rkey=scene.rkey, cid=scene.record_cid
    )
    return answer.status_code == 200


@surface("account", "record")
async def records(scene: Scene) -> bool:
    answer = await scene.get(f"{REPO}.listRecords", repo=scene.user.did, collection=POST)
    return scene.uri in answer.text


@surface("account")
async def description(scene: Scene) -> bool:
    return POST in (await scene.get(f"{REPO}.describeRepo", repo=scene.user.did)).text


@surface("account")
async def export(scene: Scene) -> bool:
    return TEXT.encode() in (await scene.get(f"{SYNC}.getRepo", did=scene.user.did)).content


@surface("account")
async def checkout(scene: Scene) -> bool:
    return TEXT.encode() in (await scene.get(f"{SYNC}.getCheckout", did=scene.user.did)).content


@surface("account")
async def proof(scene: Scene) -> bool:
    answer = await scene.get(f"{SYNC}.getRecord", did=scene.user.did, collection=POST, rkey=scene.rkey)
    return TEXT.encode() in answer.content


@surface("account")
async def blocks(scene: Scene) -> bool:
    return TEXT.encode() in (await scene.get(f"{SYNC}.getBlocks", did=scene.user.did, cids=scene.record_cid)).content


@surface("account", "blob")
async def picture(scene: Scene) -> bool:
    answer = await scene.get(f"{SYNC}.getBlob", did=scene.user.did, cid=scene.blob)
    return answer.status_code == 200 and answer.content == PNG


@surface("account", "blob")
async def part_of_the_picture(scene: Scene) -> bool:
    params = {"did": scene.user.did, "cid": scene.blob}
    answer = await scene.server.http.get(f"/xrpc/{SYNC}.getBlob", params=params, headers={"Range": "bytes=0-3"})
    return answer.status_code == 206


@surface("account", "blob")
async def known_picture(scene: Scene) -> bool:
    params = {"did": scene.user.did, "cid": scene.blob}
    headers = {"If-None-Match": f'"{scene.blob}"'}
    return (await scene.server.http.get(f"/xrpc/{SYNC}.getBlob", params=params, headers=headers)).status_code == 304


@surface("account", "blob")
async def picture_as_its_owner(scene: Scene) -> bool:
    if not (await scene.user.get(f"{SERVER}.getSession")).is_success:
        # The owner of an account that is down may fetch what is his, to move out with it.
        assert (await scene.user.get(f"{SYNC}.getBlob", did=scene.user.did, cid=scene.blob)).status_code == 200
        return False
    return (await scene.user.get(f"{SYNC}.getBlob", did=scene.user.did, cid=scene.blob)).status_code == 200


@surface("account")
async def list_of_pictures(scene: Scene) -> bool:
    return scene.blob in (await scene.get(f"{SYNC}.listBlobs", did=scene.user.did)).text


@surface("account")
async def latest_commit(scene: Scene) -> bool:
    return (await scene.get(f"{SYNC}.getLatestCommit", did=scene.user.did)).status_code == 200


@surface("account")
async def head(scene: Scene) -> bool:
    return (await scene.get(f"{SYNC}.getHead", did=scene.user.did)).status_code == 200


@surface("account")
async def status(scene: Scene) -> bool:
    answer = (await scene.get(f"{SYNC}.getRepoStatus", did=scene.user.did)).json()
    assert answer["active"] or answer == {"did": scene.user.did, "active": False, "status": "takendown"}
    return bool(answer["active"])


@surface("account")
async def list_of_repositories(scene: Scene) -> bool:
    (row,) = (await scene.get(f"{SYNC}.listRepos")).json()["repos"]
    assert row["active"] or row["status"] == "takendown"
    return bool(row["active"])


@surface("account")
async def handle(scene: Scene) -> bool:
    return (await scene.get("com.atproto.identity.resolveHandle", handle=scene.user.handle)).status_code == 200


@surface("account")
async def handle_on_its_own_host(scene: Scene) -> bool:
    answer = await scene.server.http.get("/.well-known/atproto-did", headers={"Host": scene.user.handle})
    return answer.status_code == 200


async def shown(scene: Scene) -> set[str]:
    return {name for name, (look, _) in SURFACES.items() if await look(scene)}


@pytest.mark.parametrize("kind", ["account", "record", "blob"])
async def test_a_takedown_hides_its_subject_wherever_it_can_be_read_and_nothing_else(scene: Scene, kind: str) -> None:
    assert await shown(scene) == set(SURFACES)
    await scene.server.set_takedown(scene.subject(kind))
    assert await shown(scene) == {name for name, (_, hidden_by) in SURFACES.items() if kind not in hidden_by}
    if kind != "account":
        other = await scene.get(f"{REPO}.getRecord", repo=scene.user.did, collection=POST, rkey=scene.other_rkey)
        assert other.status_code == 200
        assert (await scene.get(f"{SYNC}.getBlob", did=scene.user.did, cid=scene.other_blob)).content == OTHER
    await scene.server.set_takedown(scene.subject(kind), applied=False)
    assert await shown(scene) == set(SURFACES)


def bytes_of(server: WholeServer, place: str) -> list[bytes]:
    return [path.read_bytes() for _, path in walk(server.folder / "blobs", f"{place}/")]


async def test_the_bytes_of_a_blob_are_put_where_nobody_reads_them_and_come_back(scene: Scene) -> None:
    server = scene.server
    await server.set_takedown(scene.subject("blob"))
    assert bytes_of(server, "quarantine") == [PNG]
    assert bytes_of(server, "public") == [OTHER]
    await server.set_takedown(scene.subject("blob"))
    assert bytes_of(server, "quarantine") == [PNG]
    await server.set_takedown(scene.subject("blob"), applied=False)
    assert bytes_of(server, "quarantine") == []
    assert sorted(bytes_of(server, "public")) == sorted([PNG, OTHER])
    await server.set_takedown(scene.subject("blob"), applied=False)
    assert sorted(bytes_of(server, "public")) == sorted([PNG, OTHER])


async def test_a_blob_that_was_taken_down_can_neither_be_uploaded_nor_referred_to_again(scene: Scene) -> None:
    user = scene.user
    blob = (await user.upload(PNG, "image/png")).json()["blob"]
    await scene.server.set_takedown(scene.subject("blob"))
    refused = await user.upload(PNG, "image/png")
    assert verdict(refused) == (400, "InvalidRequest")
    assert "takendown" in refused.json()["message"]
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    record = {"$type": POST, "text": "again", "createdAt": "2026-01-02T03:04:05.678Z", "embed": embed}
    given = {"repo": user.did, "collection": POST, "record": record}
    assert verdict(await user.post(f"{REPO}.createRecord", given)) == (400, "BlobNotFound")
    # Nor does deleting what refers to it wash it clean.
    await user.post(f"{REPO}.deleteRecord", {"repo": user.did, "collection": POST, "rkey": scene.rkey})
    assert verdict(await user.upload(PNG, "image/png")) == (400, "InvalidRequest")
    await scene.server.set_takedown(scene.subject("blob"), applied=False)
    assert (await user.upload(PNG, "image/png")).status_code == 200
    assert bytes_of(scene.server, "quarantine") == []


async def test_a_blob_that_nothing_refers_to_yet_can_be_taken_down(scene: Scene) -> None:
    data = PNG + b"temporary"
    blob = (await scene.user.upload(data, "image/png")).json()["blob"]
    subject = {**scene.subject("blob"), "cid": blob["ref"]["$link"]}
    await scene.server.set_takedown(subject)
    assert (bytes_of(scene.server, "temporary"), bytes_of(scene.server, "quarantine")) == ([], [data])
    await scene.server.set_takedown(subject, applied=False)
    assert (bytes_of(scene.server, "temporary"), bytes_of(scene.server, "quarantine")) == ([data], [])


async def test_a_record_that_takes_the_place_of_a_hidden_one_is_hidden_too(scene: Scene) -> None:
    await scene.server.set_takedown(scene.subject("record"))
    record = {"$type": POST, "text": "other words", "createdAt": "2026-01-02T03:04:05.678Z"}
    given = {"repo": scene.user.did, "collection": POST, "rkey": scene.rkey, "record": record}
    assert (await scene.user.post(f"{REPO}.putRecord", given)).status_code == 200
    assert scene.uri not in (await scene.get(f"{REPO}.listRecords", repo=scene.user.did, collection=POST)).text


async def test_a_takedown_outlives_a_restart(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        cid = await alice.picture()
        subject = {"$type": "com.atproto.admin.defs#repoBlobRef", "did": alice.did, "cid": cid}
        await server.set_takedown(subject)
    async with whole_server(tmp_path) as server:
        assert verdict(await server.anybody(f"{SYNC}.getBlob", did=alice.did, cid=cid)) == (400, "BlobNotFound")
        answer = await server.administer("com.atproto.admin.getSubjectStatus", did=alice.did, blob=cid)
        assert answer.json() == {"subject": subject, "takedown": {"applied": True, "ref": "test"}}


async def test_a_takedown_ends_sessions_and_lets_nobody_in(scene: Scene) -> None:
    server, user = scene.server, scene.user
    made = (await user.post(f"{SERVER}.createAppPassword", {"name": "app"})).json()["password"]
    given = {"identifier": user.did, "password": made}
    app = (await server.http.post(f"/xrpc/{SERVER}.createSession", json=given)).json()
    await server.set_takedown(scene.subject("account"))
    login = f"/xrpc/{SERVER}.createSession"
    for password, name in ((PASSWORD, "AccountTakedown"), (made, "AuthenticationRequired")):
        refused = await server.http.post(login, json={"identifier": user.did, "password": password})
        assert verdict(refused) == (401, name)
    for token in (user.refresh, app["refreshJwt"]):
        headers = {"Authorization": f"Bearer {token}"}
        refused = await server.http.post(f"/xrpc/{SERVER}.refreshSession", headers=headers)
        assert verdict(refused) == (401, "AccountTakedown")
    post = {"repo": user.did, "collection": POST, "record": {"$type": POST}}
    for token in (user.token, app["accessJwt"]):
        user.token = token
        assert verdict(await user.post(f"{REPO}.createRecord", post)) == (401, "AccountTakedown")
        assert verdict(await user.get(f"{SERVER}.getSession")) == (401, "AccountTakedown")
        assert verdict(await user.upload(OTHER, "image/png")) == (401, "AccountTakedown")
        refused = await user.get(f"{SERVER}.getServiceAuth", aud="did:web:x.example", lxm="app.bsky.feed.getTimeline")
        assert refused.status_code in (400, 401)
    await server.set_takedown(scene.subject("account"), applied=False)
    headers = {"Authorization": f"Bearer {app['refreshJwt']}"}
    assert verdict(await server.http.post(f"/xrpc/{SERVER}.refreshSession", headers=headers)) == (400, "ExpiredToken")
    assert (await server.http.post(login, json={"identifier": user.did, "password": made})).status_code == 200


async def test_an_account_comes_back_in_the_status_it_had(scene: Scene) -> None:
    server, user = scene.server, scene.user
    await user.post(f"{SERVER}.deactivateAccount", {})
    await server.set_takedown(scene.subject("account"))
    assert (await scene.get(f"{SYNC}.getRepoStatus", did=user.did)).json()["status"] == "takendown"
    await server.set_takedown(scene.subject("account"), applied=False)
    assert (await scene.get(f"{SYNC}.getRepoStatus", did=user.did)).json()["status"] == "deactivated"
