"""What the network hears of what an administrator does, in which order: the same from both servers."""

from collections.abc import Iterator

import pytest
from tests.support.account import Account, sign_up
from tests.support.admin import ADMIN, Admin, blob_ref, record_ref, repo_ref
from tests.support.frames import Frame, Subscription
from tests.support.process import ServerProcess, json_request
from tests.support.reference import ReferencePds

SERVER = "com.atproto.server"
DOWN = ("#account", {"active": False, "status": "takendown"})
UP = ("#account", {"active": True})
OFF = ("#account", {"active": False, "status": "deactivated"})


@pytest.fixture
def account(pds: ServerProcess) -> Account:
    return sign_up(pds, "mod")


@pytest.fixture
def marker(pds: ServerProcess) -> Account:
    return sign_up(pds, "marker")


@pytest.fixture
def live(pds: ServerProcess, account: Account, marker: Account) -> Iterator[Subscription]:
    with Subscription(pds) as subscription:
        subscription.before(marker)
        yield subscription


@pytest.fixture
def admin(pds: ServerProcess) -> Admin:
    return Admin.of(pds)


def facts(frames: list[Frame]) -> list[tuple[str, dict[str, object]]]:
    names = ("handle", "active", "status")
    return [(frame.kind, {name: frame.body[name] for name in names if name in frame.body}) for frame in frames]


def test_a_takedown_and_its_end_are_an_account_event_each(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    subject = repo_ref(account.did)
    admin.take_down(subject)
    assert facts(live.take(1)) == [DOWN]
    admin.take_down(subject, "another reason")
    assert facts(live.take(1)) == [DOWN]
    admin.restore(subject)
    assert facts(live.take(1)) == [UP]
    admin.restore(subject)
    assert facts(live.take(1)) == [UP]
    assert live.before(marker) == []


def test_an_account_that_is_off_comes_back_as_such(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    subject = repo_ref(account.did)
    admin.set_status(subject, deactivated={"applied": True})
    admin.take_down(subject)
    admin.restore(subject)
    assert facts(live.take(3)) == [OFF, DOWN, OFF]
    admin.set_status(subject, deactivated={"applied": False})
    assert facts(live.take(3)) == [UP, ("#identity", {"handle": account.handle}), ("#sync", {})]
    assert live.before(marker) == []


def test_a_takedown_that_switches_off_too_is_told_twice(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    admin.set_status(repo_ref(account.did), takedown={"applied": True}, deactivated={"applied": True})
    assert facts(live.take(2)) == [DOWN, DOWN]
    admin.restore(repo_ref(account.did))
    assert facts(live.take(1)) == [OFF]
    assert live.before(marker) == []


def test_with_nothing_to_change_the_status_is_told_again(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    admin.set_status(repo_ref(account.did))
    assert facts(live.take(1)) == [UP]
    assert live.before(marker) == []


def test_the_takedown_of_a_record_or_a_blob_is_told_to_nobody(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    made = account.post("words")
    assert live.take(1)[0].kind == "#commit"
    record = record_ref(made["uri"], made["cid"])
    admin.take_down(record)
    admin.restore(record)
    url = f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob"
    status, uploaded = json_request(url, "bytes", {"Authorization": f"Bearer {account.access}"})
    assert (status, isinstance(uploaded, dict)) == (200, True)
    assert isinstance(uploaded, dict)
    blob = blob_ref(account.did, uploaded["blob"]["ref"]["$link"])
    admin.take_down(blob)
    admin.restore(blob)
    assert live.before(marker) == []


def test_a_handle_is_an_identity_and_mail_and_password_are_nothing(
    account: Account, live: Subscription, marker: Account, admin: Admin
) -> None:
    handle = f"n-{account.handle}"
    admin.call(f"{ADMIN}.updateAccountHandle", {"did": account.did, "handle": handle})
    assert facts(live.take(1)) == [("#identity", {"handle": handle})]
    admin.call(f"{ADMIN}.updateAccountEmail", {"account": account.did, "email": f"n{account.handle}@mail.test"})
    admin.call(f"{ADMIN}.updateAccountPassword", {"did": account.did, "password": "another password"})
    assert live.before(marker) == []


def test_the_events_of_an_account_that_is_down_stay_and_those_of_one_that_is_deleted_go(
    account: Account, live: Subscription, marker: Account, admin: Admin, pds: ServerProcess
) -> None:
    """But for its records, which the reference sends on: the specification has it that nobody should."""
    account.post("words")
    commit = live.take(1)[0]
    admin.take_down(repo_ref(account.did))
    down = live.take(1)[0]
    sent = [(commit.seq, "#commit")] if isinstance(pds, ReferencePds) else []
    sent.append((down.seq, "#account"))
    with Subscription(pds, commit.seq - 1) as later:
        assert [(frame.seq, frame.kind) for frame in later.take(len(sent))] == sent
    admin.call(f"{ADMIN}.deleteAccount", {"did": account.did})
    deleted = live.take(1)[0]
    assert facts([deleted]) == [("#account", {"active": False, "status": "deleted"})]
    assert live.before(marker) == []
    with Subscription(pds, commit.seq - 1) as later:
        assert [(frame.seq, frame.kind) for frame in later.take(1)] == [(deleted.seq, "#account")]
