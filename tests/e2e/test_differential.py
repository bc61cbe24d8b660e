"""The same requests to both servers: the same status, the same error name, JSON of the same shape."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from tests.e2e.exchange import Exchange, State
from tests.e2e.exchanges import EXCHANGES
from tests.support.account import sign_up
from tests.support.process import ServerProcess
from tests.support.reference import ADMIN_PASSWORD, PlcDirectory, ReferencePds
from tests.support.server import Tempest

OPTIONAL = {"didDoc", "email", "emailConfirmed", "emailAuthFactor", "status", "contact", "links", "privacyPolicy"}
"""Keys that either server may leave out, as the lexicons allow."""

DIFFERENCES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("no such method", "no such procedure", "one word for a method"),
        (
            "501 MethodNotImplemented",
            "the reference wants a login before it says that it has nowhere to pass a call on to",
        ),
    ),
    "a subscription without an upgrade": ("426 UpgradeRequired", "the reference passes the call on"),
    "request for a crawl": ("400 InvalidRequest", "the reference passes on what it does not serve, this too"),
    **dict.fromkeys(
        ("JSON that is none", "a body with null"),
        ("400 InvalidRequest", "an error name that is a class of JavaScript tells a client nothing"),
    ),
    "account without a password": ("400 InvalidPassword", "the reference makes an account that nobody can log in to"),
    "account taken": ("400 HandleNotAvailable", "the name that the lexicon has for it, and updateHandle uses"),
    "app password twice": ("400 DuplicateCreate", "the reference fails on its own unique index"),
    **dict.fromkeys(
        ("account with mail that is taken", "change the address to a taken one"),
        ("200", "the reference tells strangers which addresses have an account"),
    ),
    "request a reset of nobody": ("200", "the reference tells strangers which addresses have no account"),
    "reset with a long password": ("400 InvalidPassword", "the name that createAccount has for it"),
    "service token for a takeover": (
        "400 InvalidRequest",
        "deleting the account belongs to the methods never delegated",
    ),
    **dict.fromkeys(
        ("create with a broken link", "create with broken bytes", "create with a link and more"),
        ("400 InvalidRequest", "the data model forbids them, in records of an open lexicon too"),
    ),
    "create with another type of blob": ("400 InvalidMimeType", "the reference does not look at a blob in use again"),
    "create with another size of blob": ("400 InvalidSize", "the reference does not look at a blob in use again"),
    "apply an update of nothing": ("400 InvalidRequest", "the reference fails inside its tree"),
    "apply a delete of nothing": ("200", "as deleteRecord, which may be repeated"),
    "blocks that are not there": ("400 BlockNotFound", "the name that the lexicon has for it"),
    **dict.fromkeys(
        ("blob of another", "blob that is not there"), ("400 BlobNotFound", "the name that the lexicon has for it")
    ),
    "passed on without a token": ("401 AuthMissing", "the reference fails on the missing account"),
    "record of a deactivated account": ("400 RecordNotFound", "the record's home says so itself, and asks no AppView"),
}
"""By exchange: what Tempest answers instead ("status error"), and why."""


@dataclass(frozen=True)
class Reply:
    """An answer, as far as it is compared."""

    status: int
    error: str | None
    content_type: str
    shape: Any
    text: str

    @property
    def verdict(self) -> str:
        return f"{self.status} {self.error or ''}".strip()


def shape(value: Any) -> Any:
    """Reduce JSON to its keys and types; a list to the shape of its first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items()) if key not in OPTIONAL}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def send(server: ServerProcess, exchange: Exchange, state: State) -> Reply:
    blob_cid = state.blob.get("ref", {}).get("$link", "")
    path = exchange.path.format(**vars(state), blob_cid=blob_cid, HANDLE=state.handle.upper())
    headers = dict(exchange.headers)
    data = exchange.raw
    if exchange.body is not None:
        data = json.dumps(exchange.body(state)).encode()
        headers["Content-Type"] = "application/json"
    if exchange.auth is not None:
        headers["Authorization"] = state.tokens[exchange.auth]
    request = urllib.request.Request(server.url + path, data=data, headers=headers, method=exchange.method)
    if data is not None and "Content-Type" not in headers:
        # urllib would add a type of its own.
        request.add_unredirected_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, body, kind = answer.status, answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as refused:
        status, body, kind = refused.code, refused.read(), refused.headers.get_content_type()
    parsed = None
    if kind == "application/json" and body:
        parsed = json.loads(body)
    error = parsed.get("error") if status >= 400 and isinstance(parsed, dict) else None
    remember(exchange, state, parsed)
    return Reply(status, error, kind if body else "", shape(parsed), body[:300].decode(errors="replace"))


def remember(exchange: Exchange, state: State, parsed: Any) -> None:
    """Keep what later exchanges refer to."""
    if exchange.name == "create" and isinstance(parsed, dict) and "cid" in parsed:
        state.uri, state.cid, state.commit = parsed["uri"], parsed["cid"], parsed["commit"]["cid"]
    if exchange.name == "upload" and isinstance(parsed, dict) and "blob" in parsed:
        state.blob = parsed["blob"]


def prepare(server: ServerProcess) -> State:
    account, other = sign_up(server, "diff"), sign_up(server, "else")
    state = State(account.did, account.handle, account.password, other.did, other.handle)
    app = account.procedure("com.atproto.server.createAppPassword", name="first")["password"]
    session = account.procedure("com.atproto.server.createSession", identifier=account.handle, password=app)
    forged = account.access.rpartition(".")[0] + "." + "A" * 43

    admin = base64.b64encode(f"admin:{ADMIN_PASSWORD}".encode()).decode()
    state.tokens = {
        "access": f"Bearer {account.access}",
        "refresh": f"Bearer {account.refresh}",
        "app": f"Bearer {session['accessJwt']}",
        "rubbish": "Bearer rubbish",
        "forged": f"Bearer {forged}",
        "admin": f"Basic {admin}",
    }
    return state


def play(server: ServerProcess) -> dict[str, Reply]:
    """Send every exchange in order."""
    state = prepare(server)
    return {exchange.name: send(server, exchange, state) for exchange in EXCHANGES}


@pytest.fixture(scope="module")
def reference_replies(reference: ReferencePds) -> dict[str, Reply]:
    return play(reference)


@pytest.fixture(scope="module")
def tempest_replies(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Reply]]:
    folder: Path = tmp_path_factory.mktemp("differential") / "data"
    with Tempest(folder, plc.url, TEMPEST_ADMIN_TOKEN_HASH=PasswordHasher().hash(ADMIN_PASSWORD)) as server:
        yield play(server)


def test_every_exchange_has_a_name_of_its_own() -> None:
    names = [exchange.name for exchange in EXCHANGES]
    assert len(names) == len(set(names))


def test_every_difference_is_of_an_exchange() -> None:
    assert set(DIFFERENCES) <= {exchange.name for exchange in EXCHANGES}


@pytest.mark.parametrize("name", [exchange.name for exchange in EXCHANGES])
def test_both_servers_answer_alike(
    name: str, reference_replies: dict[str, Reply], tempest_replies: dict[str, Reply]
) -> None:
    theirs, ours = reference_replies[name], tempest_replies[name]
    if name in DIFFERENCES:
        verdict, _ = DIFFERENCES[name]
        assert ours.verdict == verdict, ours.text
        assert theirs.verdict != ours.verdict, "no longer a difference"
        return
    assert ours.verdict == theirs.verdict, f"{ours.text} against {theirs.text}"
    if theirs.status < 400:
        assert ours.content_type == theirs.content_type
        assert ours.shape == theirs.shape
