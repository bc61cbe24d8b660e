"""An owner who deactivates his account says when it is to be deleted, and then it is."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from whole_server import User, WholeServer, verdict, whole_server

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.due_deletions import DueDeletions

SERVER, SYNC = "com.atproto.server", "com.atproto.sync"
DAY = 24 * 3_600 * 1_000_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


def in_days(days: float) -> str:
    moment = datetime.now(UTC) + timedelta(days=days)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def deactivate(user: User, days: float | None = None) -> None:
    given = {} if days is None else {"deleteAfter": in_days(days)}
    answer = await user.post(f"{SERVER}.deactivateAccount", given)
    assert answer.status_code == 200, answer.text


def due_deletions(server: WholeServer, days: float) -> DueDeletions:
    """Give what deletes, with its clock so many days ahead."""
    made: DueDeletions = server.services.status.upkeep._due_deletions
    made._now = lambda: int(datetime.now(UTC).timestamp() * 1_000_000 + days * DAY)
    return made


async def status(server: WholeServer, user: User) -> str:
    answer = await server.anybody(f"{SYNC}.getRepoStatus", did=user.did)
    told: dict[str, Any] = answer.json()
    return str(told.get("error") or told.get("status") or "active")


def planned(server: WholeServer, user: User) -> int | None:
    connection = sqlite3.connect(server.folder / "account.sqlite")
    try:
        row = connection.execute("SELECT delete_after FROM account WHERE did = ?", (user.did,)).fetchone()
        return None if row is None or row[0] is None else int(row[0])
    finally:
        connection.close()


def mails(server: WholeServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log_text().splitlines() if "a mail, not sent" in line]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come true")


async def test_what_is_due_is_deleted_and_nothing_else(server: WholeServer) -> None:
    users = [await server.sign_up(name) for name in ("soon", "later", "never", "stays", "back")]
    soon, later, never, _, back = users
    await deactivate(soon, 3)
    await deactivate(later, 10)
    await deactivate(never)
    await deactivate(back, 3)
    assert (await back.post(f"{SERVER}.activateAccount")).status_code == 200
    for days, expected in (
        (2.9, ["deactivated", "deactivated", "deactivated", "active", "active"]),
        (3.1, ["RepoNotFound", "deactivated", "deactivated", "active", "active"]),
        (9_000, ["RepoNotFound", "RepoNotFound", "deactivated", "active", "active"]),
    ):
        await due_deletions(server, days).run()
        assert [await status(server, user) for user in users] == expected
    notes = [json.loads(line) for line in server.log_text().splitlines() if "account.deleted_as_due" in line]
    assert [(note["by"], note["subject"]) for note in notes] == [("owner", user.did) for user in (soon, later)]


@pytest.mark.parametrize("what", ["takedown", "suspension"])
async def test_what_a_moderator_keeps_stays_until_he_lets_go_of_it(server: WholeServer, what: str) -> None:
    alice = await server.sign_up("alice")
    await deactivate(alice, 3)
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": alice.did}

    async def keep(kept: bool) -> None:
        if what == "takedown":
            await server.set_takedown(subject, applied=kept)
            return
        what_to_do = "suspend" if kept else "unsuspend"
        answer = await server.administer(f"_admin/account/{what_to_do}", {"account": alice.did})
        assert answer.status_code == 200, answer.text

    await keep(True)
    deletions = due_deletions(server, 4)
    await deletions.run()
    # Not by a list that was made before the moderator came, either.
    with mock.patch.object(deletions._store.accounts, "due_for_deletion", return_value=[Did(alice.did)]):
        await deletions.run()
    assert await status(server, alice) in ("takendown", "suspended")
    await keep(False)
    await deletions.run()
    assert await status(server, alice) == "RepoNotFound"


async def test_who_comes_back_while_others_are_deleted_is_not_deleted(server: WholeServer) -> None:
    """Whether an account is due is decided by the transaction that deletes it, not by the list made before."""
    alice, bob, carol = [await server.sign_up(name) for name in ("alice", "bob", "carol")]
    for user in (alice, bob, carol):
        await deactivate(user, 3)
    deletions = due_deletions(server, 4)
    real = deletions._deletion.delete

    async def delete(did: Did, condition: Any) -> None:
        if did == bob.did:
            assert (await bob.post(f"{SERVER}.activateAccount")).status_code == 200
        if did == carol.did:
            await deactivate(carol, 30)
        await real(did, condition)

    with mock.patch.object(deletions._deletion, "delete", delete):
        await deletions.run()
    assert [await status(server, user) for user in (alice, bob, carol)] == ["RepoNotFound", "active", "deactivated"]
    assert (await bob.get(f"{SERVER}.getSession")).status_code == 200


async def test_one_that_cannot_be_deleted_now_does_not_keep_the_others_from_it(server: WholeServer) -> None:
    alice, bob, carol = [await server.sign_up(name) for name in ("alice", "bob", "carol")]
    for user in (alice, bob, carol):
        await deactivate(user, 3)
    deletions = due_deletions(server, 4)
    real = deletions._deletion.delete

    async def delete(did: Did, condition: Any) -> None:
        if did == alice.did:
            raise OSError("the disk is full")
        await real(did, condition)

    async with server.services.repos._repos.locked_out(Did(bob.did)):
        with mock.patch.object(deletions._deletion, "delete", delete):
            await deletions.run()
    assert [await status(server, user) for user in (alice, bob, carol)] == [
        "deactivated",
        "deactivated",
        "RepoNotFound",
    ]
    await deletions.run()
    assert [await status(server, user) for user in (alice, bob)] == ["RepoNotFound", "RepoNotFound"]


async def test_a_time_that_is_past_or_none_at_all_is_refused_and_changes_nothing(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    for given in (in_days(-1), "2020-01-01T00:00:00Z", "tomorrow", "2099-01-01", "", 12, None):
        answer = await alice.post(f"{SERVER}.deactivateAccount", {"deleteAfter": given})
        assert verdict(answer) == (400, "InvalidRequest"), given
    assert await status(server, alice) == "active"


async def test_no_account_goes_within_a_day_for_a_session_alone_must_not_delete_it(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await deactivate(alice, 0.0001)
    await due_deletions(server, 0.99).run()
    assert await status(server, alice) == "deactivated"
    await due_deletions(server, 1.01).run()
    assert await status(server, alice) == "RepoNotFound"


async def test_to_deactivate_again_plans_anew(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await deactivate(alice, 3)
    first = planned(server, alice)
    await deactivate(alice, 5)
    again = planned(server, alice)
    assert first is not None
    assert again is not None
    assert 2 * DAY - 60_000_000 < again - first < 2 * DAY + 60_000_000
    await deactivate(alice)
    assert planned(server, alice) is None


async def test_the_owner_is_told_by_mail_and_the_administrator_sees_it(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    await deactivate(bob)
    answer = await alice.post(f"{SERVER}.deactivateAccount", {"deleteAfter": "2099-01-02T03:04:05Z"})
    assert answer.status_code == 200
    await until(lambda: len(mails(server)) == 1)
    [mail] = mails(server)
    assert mail["to"] == "alice@example.com"
    assert "2 January 2099, 03:04 UTC" in " ".join(mail["text"].split())
    assert "@alice.test" in mail["text"]
    auth = ("admin", server.admin_token)
    shown = (await server.http.get("/xrpc/_admin/account", params={"account": alice.did}, auth=auth)).json()
    assert shown["deleteAfter"] == "2099-01-02T03:04:05.000Z"
    await due_deletions(server, 40_000).run()
    await until(lambda: len(mails(server)) == 2)
    assert (mails(server)[1]["to"], mails(server)[1]["subject"]) == (
        "alice@example.com",
        "The account @alice.test was deleted",
    )
    assert "mail.handed_over" not in server.log_text()


async def test_a_restart_deletes_what_became_due_while_the_server_was_off(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
        await deactivate(alice, 3)
        await deactivate(bob, 3)
    with sqlite3.connect(tmp_path / "account.sqlite") as connection:
        connection.execute("UPDATE account SET delete_after = 1 WHERE did = ?", (alice.did,))
    connection.close()
    async with whole_server(tmp_path) as server:
        await until(lambda: "account.deleted_as_due" in server.log_text())
        assert await status(server, alice) == "RepoNotFound"
        assert await status(server, bob) == "deactivated"
