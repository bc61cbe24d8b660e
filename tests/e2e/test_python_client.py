"""The Python client of PyPI, `atproto`, from signing up to deleting, and its own firehose reader."""

import secrets
import threading
import time
from dataclasses import dataclass

import pytest
from atproto import CAR, Client, FirehoseSubscribeReposClient, models, parse_subscribe_repos_message
from atproto_client.exceptions import BadRequestError, UnauthorizedError
from tests.support.account import Account, sign_up
from tests.support.process import ServerProcess

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f0005000"
    "1ff56c7d5050000000049454e44ae426082"
)


@dataclass
class Person:
    """A signed-up account and the client that it is logged in with."""

    account: Account
    client: Client


def connect(server: ServerProcess, account: Account) -> Client:
    client = Client(base_url=f"{server.url}/xrpc")
    # client.login() also fetches the profile, which is an AppView's to answer.
    session = client.com.atproto.server.create_session(
        models.ComAtprotoServerCreateSession.Data(identifier=account.handle, password=account.password)
    )
    client._set_session("create", session)
    client.me = models.AppBskyActorDefs.ProfileViewDetailed(did=session.did, handle=session.handle)
    return client


@pytest.fixture
def person(pds: ServerProcess) -> Person:
    account = sign_up(pds, "py")
    return Person(account, connect(pds, account))


def test_a_login_with_a_wrong_password_is_refused(pds: ServerProcess) -> None:
    account = sign_up(pds, "py")
    client = Client(base_url=f"{pds.url}/xrpc")
    with pytest.raises(UnauthorizedError):
        client.com.atproto.server.create_session(
            models.ComAtprotoServerCreateSession.Data(identifier=account.handle, password="wrong")
        )


def test_a_post_is_written_read_and_deleted(person: Person) -> None:
    sent = person.client.send_post("Hello from Python", langs=["en"])
    read = person.client.get_post(sent.uri.rpartition("/")[2], person.account.did)
    assert read.value.text == "Hello from Python"
    assert read.cid == sent.cid
    assert person.client.delete_post(sent.uri)
    with pytest.raises(BadRequestError) as missing:
        person.client.get_post(sent.uri.rpartition("/")[2], person.account.did)
    assert missing.value.response is not None
    assert missing.value.response.content.error == "RecordNotFound"


def test_an_image_is_posted_and_downloaded(person: Person) -> None:
    sent = person.client.send_image("with a picture", PNG, "one pixel")
    read = person.client.get_post(sent.uri.rpartition("/")[2], person.account.did)
    link = read.value.embed.images[0].image.cid.encode()
    blob = person.client.com.atproto.sync.get_blob({"did": person.account.did, "cid": link})
    assert blob == PNG


def test_a_session_is_resumed_and_refreshed(pds: ServerProcess, person: Person) -> None:
    exported = person.client.export_session_string()
    again = Client(base_url=f"{pds.url}/xrpc")
    again._import_session_string(exported)
    assert again.com.atproto.server.get_session().handle == person.account.handle
    again._refresh_and_set_session()
    assert again.com.atproto.server.get_session().did == person.account.did


def test_a_batch_of_writes_and_their_listing(person: Person) -> None:
    def create(number: int) -> models.ComAtprotoRepoApplyWrites.Create:
        record = models.AppBskyFeedPost.Record(text=f"batch {number}", created_at=person.client.get_current_time_iso())
        return models.ComAtprotoRepoApplyWrites.Create(collection="app.bsky.feed.post", value=record)

    data = models.ComAtprotoRepoApplyWrites.Data(repo=person.account.did, writes=[create(at) for at in range(25)])
    answer = person.client.com.atproto.repo.apply_writes(data)
    assert answer.results is not None
    assert len(answer.results) == 25
    listed = person.client.com.atproto.repo.list_records(
        {"repo": person.account.did, "collection": "app.bsky.feed.post", "limit": 50}
    )
    assert [record.value.text for record in listed.records] == [f"batch {at}" for at in reversed(range(25))]


def test_the_repo_is_a_car_that_the_client_reads(person: Person) -> None:
    person.client.send_post("in the CAR")
    car = CAR.from_bytes(person.client.com.atproto.sync.get_repo({"did": person.account.did}))
    assert car.root in car.blocks
    texts = [block.get("text") for block in car.blocks.values() if isinstance(block, dict)]
    assert "in the CAR" in texts


def test_the_firehose_reader_parses_every_commit(pds: ServerProcess, person: Person) -> None:
    reader = FirehoseSubscribeReposClient(base_uri=f"{pds.websocket_url}/xrpc")
    texts: list[str] = []
    expected = [f"live {number} {secrets.token_hex(2)}" for number in range(10)]

    def on_message(message: object) -> None:
        commit = parse_subscribe_repos_message(message)
        if isinstance(commit, models.ComAtprotoSyncSubscribeRepos.Commit) and commit.repo == person.account.did:
            car = CAR.from_bytes(commit.blocks)
            texts.extend(car.blocks[op.cid]["text"] for op in commit.ops)
            if len(texts) == len(expected):
                reader.stop()

    thread = threading.Thread(target=reader.start, args=(on_message,), daemon=True)
    thread.start()
    time.sleep(1.5)
    for text in expected:
        person.client.send_post(text)
    thread.join(20)
    assert texts == expected
