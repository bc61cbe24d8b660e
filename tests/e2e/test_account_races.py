"""Writers that race with the changes of their account: the firehose tells it in an order that can be followed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.account import Account, CallRefused, sign_up
from tests.support.admin import ADMIN, Admin, repo_ref
from tests.support.frames import Frame, Subscription
from tests.support.server import Tempest

SERVER = "com.atproto.server"
LIKE = "app.bsky.feed.like"
ROUNDS = 12
REFUSALS = {
    (401, "AccountDeactivated"),
    (401, "AccountTakedown"),
    (400, "RepoBusy"),
    (400, "RepoNotFound"),
    (403, "AccountNotFound"),
}


class Writers:
    """Threads that write for an account without a pause, posts and likes by turns.

    A like waits for the writes before it, so that much can happen between its request and its commit.
    """

    def __init__(self, account: Account, subject: dict[str, str]) -> None:
        self.acknowledged: list[str] = []
        self.unexpected: list[str] = []
        self._account = account
        self._subject = subject
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(6)]

    def _write(self, number: int) -> None:
        like = {"$type": LIKE, "subject": self._subject, "createdAt": "2026-01-02T03:04:05.678Z"}
        write: Callable[[], Any] = (
            (lambda: self._account.post("words"))
            if number % 2
            else lambda: self._account.procedure(
                "com.atproto.repo.createRecord", repo=self._account.did, collection=LIKE, record=like
            )
        )
        while not self._stopped.is_set():
            try:
                self.acknowledged.append(write()["commit"]["rev"])
            except CallRefused as refused:
                if (refused.status, refused.name) not in REFUSALS:
                    self.unexpected.append(str(refused))

    def wrote_again(self) -> None:
        """Wait until a write goes through that was not yet when this was called."""
        before = len(self.acknowledged)
        for _ in range(5_000):
            if len(self.acknowledged) > before + 3:
                return
            self._stopped.wait(0.002)
        raise AssertionError("nobody can write")

    @contextmanager
    def writing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join(30)


def follow(frames: list[Frame], did: str) -> list[str]:
    """Follow an account as a relay does, which drops what comes while it is not active; return its commits' revs."""
    is_active, rev = True, None
    revs: list[str] = []
    for frame in frames:
        body = frame.body
        match frame.kind:
            case "#account":
                is_active = body["active"]
            case "#sync":
                assert is_active, f"a state of an account that is not active: {body}"
                assert rev is None or body["rev"] >= rev, "the state went back"
                rev = body["rev"]
            case "#commit":
                assert is_active, f"a commit of an account that is not active: {body['seq']}"
                assert rev is None or body["since"] == rev, "a commit was left out, or came twice"
                rev = body["rev"]
                revs.append(body["rev"])
    return revs


def test_no_commit_comes_behind_the_end_of_its_account_or_before_its_return(tempest: Tempest) -> None:
    account, admin = sign_up(tempest, "race"), Admin.of(tempest)
    liked = sign_up(tempest, "liked").post("like me")
    writers = Writers(account, {"uri": liked["uri"], "cid": liked["cid"]})
    frames: list[Frame] = []
    with Subscription(tempest) as live:

        def read() -> None:
            while (frame := live.next(60)) is not None:
                if account.did in (frame.body.get("did"), frame.body.get("repo")):
                    frames.append(frame)
                    if frame.body.get("status") == "deleted":
                        return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with writers.writing():
            for _ in range(ROUNDS):
                writers.wrote_again()
                account.procedure(f"{SERVER}.deactivateAccount")
                account.procedure(f"{SERVER}.activateAccount")
                writers.wrote_again()
                admin.take_down(repo_ref(account.did))
                admin.restore(repo_ref(account.did))
            writers.wrote_again()
            admin.call(f"{ADMIN}.deleteAccount", {"did": account.did})
        reader.join(60)
        assert live.quiet()
    assert writers.unexpected == []
    revs = follow(frames, account.did)
    assert set(writers.acknowledged) <= set(revs)
    told = [frame.body.get("status", "active") for frame in frames if frame.kind == "#account"]
    assert told == ["deactivated", "active", "takendown", "active"] * ROUNDS + ["deleted"]
