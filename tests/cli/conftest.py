"""Servers for the commands: each command is run while its server runs, and again while none does."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.account import Account, post, sign_up
from tests.support.server import Tempest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


@dataclass
class Site:
    """A server, running or not, with an account of eight posts, one of which shows a picture, and another account."""

    server: Tempest
    alice: Account
    bob: Account


def populate(server: Tempest) -> Site:
    """Make the account and what it has."""
    alice = sign_up(server, "alice")
    for number in range(7):
        alice.post(f"post {number}")
    request = urllib.request.Request(
        f"{server.url}/xrpc/com.atproto.repo.uploadBlob",
        data=PNG,
        headers={"Authorization": f"Bearer {alice.access}", "Content-Type": "image/png"},
    )
    with urllib.request.urlopen(request) as answer:
        blob = json.loads(answer.read())["blob"]
    record = post("look") | {"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}}
    alice.procedure("com.atproto.repo.createRecord", repo=alice.did, collection="app.bsky.feed.post", record=record)
    return Site(server, alice, sign_up(server, "bob"))


@pytest.fixture(scope="package", params=["running", "stopped"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose server runs, and one whose server has been stopped; tests share it, and change Bob at most."""
    server = Tempest(tmp_path_factory.mktemp(request.param) / "data")
    server.start()
    try:
        made = populate(server)
        if request.param == "stopped":
            assert server.stop() in {0, -15}
        yield made
    finally:
        server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Tempest]:
    """A server of the test's own, not started."""
    server = Tempest(tmp_path / "data")
    yield server
    server.kill()
