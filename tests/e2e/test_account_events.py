"""What the network hears of an account's life, in which order, and how the state shows meanwhile."""

import urllib.request
from collections.abc import Iterator

import pytest
from tests.support.account import Account, CallRefused, sign_up
from tests.support.frames import Frame, Subscription
from tests.support.process import ServerProcess

SERVER, IDENTITY = "com.atproto.server", "com.atproto.identity"


@pytest.fixture
def account(pds: ServerProcess) -> Account:
    return sign_up(pds, "life")


@pytest.fixture
def marker(pds: ServerProcess) -> Account:
    return sign_up(pds, "marker")


@pytest.fixture
def live(pds: ServerProcess, account: Account, marker: Account) -> Iterator[Subscription]:
    with Subscription(pds) as subscription:
        subscription.before(marker)
        yield subscription


def facts(frames: list[Frame]) -> list[tuple[str, dict[str, object]]]:
    names = ("handle", "active", "status")
    return [(frame.kind, {name: frame.body[name] for name in names if name in frame.body}) for frame in frames]


def activate(account: Account) -> None:
    """Call a procedure that takes no body at all, not even an empty object."""
    url = f"{account.server.url}/xrpc/{SERVER}.activateAccount"
    headers = {"Authorization": f"Bearer {account.access}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="POST"), timeout=30) as answer:
        assert answer.status == 200


def test_a_new_handle_is_an_identity_and_the_same_one_again_too(account: Account, live: Subscription) -> None:
    handle = f"new-{account.handle}"
    for _ in range(2):
        account.procedure(f"{IDENTITY}.updateHandle", handle=handle)
        assert facts(live.take(1)) == [("#identity", {"handle": handle})]
    assert account.query(f"{IDENTITY}.resolveHandle", handle=handle)["did"] == account.did
    with pytest.raises(CallRefused):
        account.query(f"{IDENTITY}.resolveHandle", handle=account.handle)


def test_going_is_an_account_and_coming_back_an_account_an_identity_and_a_sync(
    account: Account, live: Subscription, marker: Account
) -> None:
    account.procedure(f"{SERVER}.deactivateAccount")
    assert facts(live.take(1)) == [("#account", {"active": False, "status": "deactivated"})]
    with pytest.raises(CallRefused) as refused:
        account.post("from beyond")
    assert (refused.value.status, refused.value.name) == (401, "AccountDeactivated")
    activate(account)
    came_back = live.take(3)
    assert facts(came_back) == [
        ("#account", {"active": True}),
        ("#identity", {"handle": account.handle}),
        ("#sync", {}),
    ]
    made = account.post("back again")
    commit = live.take(1)[0]
    assert (commit.kind, commit.body["since"]) == ("#commit", came_back[2].body["rev"])
    assert commit.body["rev"] == made["commit"]["rev"]
    assert live.before(marker) == []
