"""The app of `docs/signing-in.md`, copied from the page, against a server that nobody configured."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
from tests.support.account import Account, sign_up
from tests.support.node import Node
from tests.support.oauth_person import person
from tests.support.process import free_port
from tests.support.server import Tempest

PAGE = (Path(__file__).parent.parent / "docs" / "signing-in.md").read_text()
(PROGRAM,) = re.findall(r"^```js\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("lone") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def alice(server: Tempest) -> Account:
    return sign_up(server, "alice")


def test_the_app_of_the_page_signs_in_and_posts(node: Node, server: Tempest, alice: Account, tmp_path: Path) -> None:
    port = str(free_port())
    script = tmp_path / "app.mjs"
    script.write_text(PROGRAM.replace("http://localhost:4000", server.url).replace("3999", port))
    with subprocess.Popen(node.command(script), stdout=subprocess.PIPE, text=True, env=node.environment()) as app:
        try:
            assert app.stdout is not None
            answer = person(server, alice).approve(app.stdout.readline().strip())
            shown = httpx.get(f"http://127.0.0.1:{port}/callback?{urlencode(answer)}", timeout=30)
        finally:
            app.kill()
    assert shown.status_code == 200, shown.text
    posts = httpx.get(
        f"{server.url}/xrpc/com.atproto.repo.listRecords",
        params={"repo": alice.did, "collection": "app.bsky.feed.post"},
    ).json()["records"]
    assert [post["uri"] for post in posts] == [shown.text.removeprefix(f"{alice.did} has posted ")]


def test_a_server_with_a_ledger_answers_as_a_plc_directory(server: Tempest, alice: Account) -> None:
    def ask(what: str, did: str = alice.did) -> httpx.Response:
        return httpx.get(f"{server.url}/{quote(did, safe='')}{what}", headers={"Origin": "http://127.0.0.1:3999"})

    document, data, audit = ask(""), ask("/data").json(), ask("/log/audit").json()
    assert document.headers["content-type"].startswith("application/did+ld+json")
    assert document.headers["access-control-allow-origin"] == "*"
    assert document.json()["id"] == data["did"] == alice.did
    assert document.json()["alsoKnownAs"] == data["alsoKnownAs"] == [f"at://{alice.handle}"]
    assert data["services"]["atproto_pds"] == {"type": "AtprotoPersonalDataServer", "endpoint": server.url}
    assert [(entry["did"], entry["nullified"]) for entry in audit] == [(alice.did, False)]
    operations = [entry["operation"] for entry in audit]
    assert (ask("/log").json(), ask("/log/last").json()) == (operations, operations[-1])
    for path, did in (("", "did:plc:" + "a" * 24), ("", "did:plc:%FF/.."), ("/elsewhere", alice.did)):
        refused = ask(path, did)
        assert (refused.status_code, set(refused.json())) == (404, {"error", "message"})
    assert httpx.post(f"{server.url}/{alice.did}", json=operations[0]).status_code == 405
