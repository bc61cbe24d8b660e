"""An administrator's requests to both servers: the same status, the same error name, JSON of the same shape."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from tests.e2e.admin_exchanges import EXCHANGES
from tests.e2e.exchange import Exchange, State
from tests.e2e.test_differential import Reply, send
from tests.support.account import sign_up
from tests.support.admin import Moderator, basic
from tests.support.node import Node
from tests.support.process import ServerProcess
from tests.support.reference import ADMIN_PASSWORD, PlcDirectory, ReferencePds
from tests.support.server import Tempest

_NO_SUCH = "the reference says that it has done it"
_ENDED = "a session from before a takedown can do no more than one from after it"
DIFFERENCES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("info as rubbish", "takedown as rubbish"),
        ("401 AuthenticationRequired", "it may be the administrator's token, which comes as Bearer too"),
    ),
    "email that is taken": ("200", "an address is unique only where it is confirmed, and the new one is not"),
    "email that is none": ("400 InvalidRequest", "no mail can be sent there"),
    "long password": ("400 InvalidPassword", "the name that the lexicon of createAccount has for it"),
    **dict.fromkeys(
        ("password of nobody", "disableAccountInvites of nobody", "enableAccountInvites of nobody", "delete again"),
        ("400 AccountNotFound", _NO_SUCH),
    ),
    "takedown of nobody": ("400 NotFound", _NO_SUCH),
    "takedown of a record of nobody": ("400 NotFound", "the reference fails on a key that it does not have"),
    **dict.fromkeys(
        (f"blob without the blob as {who}" for who in (None, "access", "admin")),
        ("400 BlobNotFound", "the name that the lexicon has for it"),
    ),
    **dict.fromkeys(
        (f"record without the account as {who}" for who in (None, "access", "admin")),
        ("400 RecordNotFound", "the record's home says so itself, and asks no AppView"),
    ),
    **dict.fromkeys(
        (
            f"{what} when down as {who}"
            for what in ("session", "service token", "passed on")
            for who in ("access", "app")
        ),
        ("401 AccountTakedown", _ENDED),
    ),
    "service token when down as access": ("400 InvalidToken", _ENDED),
    "session after the end": ("403 AccountNotFound", "a session does not outlive its account, whatever it is used for"),
    "activate when down": ("401 AccountTakedown", _ENDED),
}
"""By exchange: what Tempest answers instead ("status error"), and why."""


def prepare(server: ServerProcess) -> State:
    account, other = sign_up(server, "adm"), sign_up(server, "oth")
    app = account.procedure("com.atproto.server.createAppPassword", name="app")["password"]
    state = State(account.did, account.handle, account.password, other.did, other.handle, app_password=app)
    session = account.procedure("com.atproto.server.createSession", identifier=account.handle, password=app)
    state.tokens = {
        "access": f"Bearer {account.access}",
        "refresh": f"Bearer {account.refresh}",
        "app": f"Bearer {session['accessJwt']}",
        "rubbish": "Bearer rubbish",
        "forged": f"Bearer {account.access.rpartition('.')[0]}.{'A' * 43}",
        "admin": basic(ADMIN_PASSWORD),
        "wrong": basic("not-" + ADMIN_PASSWORD),
        "wrong-name": "Basic bW9kOmFkbWlu",
    }
    return state


def play(server: ServerProcess, moderator: Moderator, stranger: Moderator) -> dict[str, Reply]:
    """Send every exchange in order; a service token is made for each method anew."""
    state = prepare(server)
    replies: dict[str, Reply] = {}
    for exchange in EXCHANGES:
        method = exchange.path.removeprefix("/xrpc/").partition("?")[0]
        state.tokens |= service_tokens(exchange, state, method, moderator, stranger)
        replies[exchange.name] = send(server, exchange, state)
    return replies


def service_tokens(
    exchange: Exchange, state: State, method: str, moderator: Moderator, stranger: Moderator
) -> dict[str, str]:
    if exchange.auth is None or exchange.auth in ("access", "admin"):
        return {}
    return {
        "moderator": f"Bearer {moderator.token(method)}",
        "moderator-elsewhere": f"Bearer {moderator.token('com.atproto.admin.sendEmail')}",
        "moderator-late": f"Bearer {moderator.token(method, exp=1000)}",
        "stranger": f"Bearer {stranger.token(method)}",
        "service": f"Bearer {stranger.token(method, iss=state.did)}",
    }


@pytest.fixture(scope="module")
def replies(
    node: Node, plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Reply], dict[str, Reply]]]:
    """Give the answers of the reference server and of Tempest."""
    folder = tmp_path_factory.mktemp("admin-differential")
    moderator, stranger = Moderator.register(plc), Moderator.register(plc)
    hers = {"PDS_MOD_SERVICE_URL": "http://localhost:1", "PDS_MOD_SERVICE_DID": moderator.did}
    ours = {
        "TEMPEST_MOD_SERVICE_URL": "http://localhost:1",
        "TEMPEST_MOD_SERVICE_DID": moderator.did,
        "TEMPEST_ADMIN_TOKEN_HASH": PasswordHasher().hash(ADMIN_PASSWORD),
    }
    with (
        ReferencePds(node, folder / "pds", plc.url, **hers) as reference,
        Tempest(folder / "data", plc.url, **ours) as tempest,
    ):
        yield play(reference, moderator, stranger), play(tempest, moderator, stranger)


def test_every_exchange_has_a_name_of_its_own() -> None:
    names = [exchange.name for exchange in EXCHANGES]
    assert len(names) == len(set(names))


def test_every_difference_is_of_an_exchange() -> None:
    assert set(DIFFERENCES) <= {exchange.name for exchange in EXCHANGES}


@pytest.mark.parametrize("name", [exchange.name for exchange in EXCHANGES])
def test_both_servers_answer_alike(name: str, replies: tuple[dict[str, Reply], dict[str, Reply]]) -> None:
    theirs, ours = replies[0][name], replies[1][name]
    if name in DIFFERENCES:
        verdict, _ = DIFFERENCES[name]
        assert ours.verdict == verdict, ours.text
        assert theirs.verdict != ours.verdict, "no longer a difference"
        return
    assert ours.verdict == theirs.verdict, f"{ours.text} against {theirs.text}"
    if theirs.status < 400:
        assert ours.content_type == theirs.content_type
        assert ours.shape == theirs.shape
