"""`account.sqlite` as the release before OAuth has left it: what stood in it is there, whatever ends the migration."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.older_files import BEFORE_OAUTH

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.account_schema import SCHEMA
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import AccountStatus, EmailTaken
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds.stores.account.security_events import EventRow
from tempest_pds.stores.migrations.runner import upgrade

ALICE, BOB = Did("did:plc:alice"), Did("did:web:bob.test")
HEAD: Final = CID.for_dag_cbor(b"\xa0")
# In the columns of that release, and in their order.
ROWS: Final[dict[str, list[tuple[object, ...]]]] = {
    "account": [
        (ALICE, "alice.test", "alice@example.com", 20, "$argon2id$a", 10, None, None, None, None, False, None, 15),
        (BOB, "bob.test", "bob@example.com", None, "$argon2id$b", 11, 30, 99, None, None, True, "a note", None),
        ("did:plc:carol", None, None, None, None, 12, None, None, 40, "ref", False, None, None),
    ],
    "invite_code": [("code-1", 2, False, "admin", "admin", 1)],
    "invite_use": [("code-1", ALICE, 10)],
    "pending_event": [(7, ALICE, "identity", "{}", 10)],
    "reserved_handle": [("gone.test", 5)],
    "app_password": [(ALICE, "my bot", "hash-of-it", True, 12)],
    "email_token": [(ALICE, "reset_password", hashlib.sha256(b"AAAAABBBBB").digest(), 50)],
    "refresh_token": [
        ("used", ALICE, "session", "com.atproto.access", None, 10, 900, "next"),
        ("next", ALICE, "session", "com.atproto.access", None, 20, 900, None),
        ("bot", ALICE, "other", "com.atproto.appPass", "my bot", 21, 900, None),
    ],
    "repo_head": [(ALICE, bytes(HEAD), "3jzfcijpj2z2a")],
    "mail_outbox": [("mail-1", "alice@example.com", "Hello", "text", "<p>text</p>", 50, 950, 3, 60)],
    "account_deletion": [("did:plc:dave", "dave.test", 5)],
}
MIGRATE: Final = """
import os, signal, sys
from pathlib import Path
from tempest_pds.stores.account.account_schema import SCHEMA
from tempest_pds.stores.migrations import runner

connect, left = runner.connect, int(sys.argv[2])

def watched(path, **more):
    connection = connect(path, **more)
    connection.set_trace_callback(count)
    return connection

def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

runner.connect = watched
runner.upgrade(Path(sys.argv[1]), SCHEMA)
print(int(sys.argv[2]) - left)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file, closed."""
    path = tmp_path / "account.sqlite"
    upgrade(path, SCHEMA, BEFORE_OAUTH)
    connection = sqlite3.connect(path)
    for table, rows in ROWS.items():
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[AccountStore]:
    """The file, opened by this version."""
    store = AccountStore(path)
    yield store
    store.close()


def test_accounts_are_what_they_were(store: AccountStore) -> None:
    alice, bob, carol = (store.accounts.get(str(row[0])) for row in ROWS["account"])
    assert alice is not None
    assert (alice.handle, alice.email, alice.email_confirmed, alice.status) == (
        "alice.test",
        "alice@example.com",
        True,
        AccountStatus.ACTIVE,
    )
    assert (alice.password_hash, alice.created_at, alice.sessions_ended_at) == ("$argon2id$a", 10, 15)
    assert bob is not None
    assert (bob.email_confirmed, bob.status, bob.delete_after) == (False, AccountStatus.DEACTIVATED, 99)
    assert (bob.invites_disabled, bob.invite_note) == (True, "a note")
    assert carol is not None
    assert carol.status is AccountStatus.TAKENDOWN
    assert store.repo_heads.get(ALICE) == (HEAD, "3jzfcijpj2z2a")


def test_sessions_and_app_passwords_go_on(store: AccountStore) -> None:
    used, bot = store.refresh_tokens.get("used"), store.refresh_tokens.get("bot")
    assert used is not None
    assert (used.next_id, used.factor_at, used.client_ip, used.user_agent) == ("next", None, None, None)
    assert bot is not None
    assert bot.app_password_name == "my bot"
    [found] = store.app_passwords.list(ALICE)
    assert (found.name, found.privileged) == ("my bot", True)
    assert store.app_passwords.with_hash(ALICE, "hash-of-it") == found


def test_what_waits_still_waits(store: AccountStore) -> None:
    assert store.email_tokens.owner(EmailTokenPurpose.RESET_PASSWORD, "AAAAA-BBBBB", 60) == ALICE
    [mail] = store.waiting_mails.soonest(10)
    assert (mail.mail.id, mail.mail.subject, mail.attempts) == ("mail-1", "Hello", 3)
    assert [event.id for event in store.pending_events.oldest()] == [7]
    assert [deletion.did for deletion in store.account_deletions.all()] == ["did:plc:dave"]
    assert Handle("gone.test") in store.reserved_handles
    code = store.invite_codes.get("code-1")
    assert code is not None
    assert code.uses_left == 1


def test_only_an_address_that_is_confirmed_is_kept_from_others(store: AccountStore) -> None:
    store.accounts.set_email(BOB, "Alice@example.com", given_at=70)
    with pytest.raises(EmailTaken):
        store.accounts.confirm_email(BOB, 70)
    found = store.accounts.by_email("ALICE@example.com")
    assert found is not None
    assert found.did == ALICE


def test_an_account_of_then_takes_what_is_new(store: AccountStore) -> None:
    store.recovery_codes.replace(ALICE, [b"hash"], 80)
    store.security_events.add(ALICE, EventRow("password_changed", "{}", None, None, 80))
    store.end_sessions(ALICE)
    assert store.refresh_tokens.get("next") is None
    assert len(store.security_events.list(ALICE, 10, 10)) == 1
    store.accounts.delete(ALICE)
    assert store.recovery_codes.count(ALICE) == 0


def test_a_migration_that_is_killed_changes_nothing_and_is_made_at_the_next_start(path: Path) -> None:
    before = contents(path)
    whole = path.with_name("whole.sqlite")
    whole.write_bytes(path.read_bytes())
    statements = int(migrate(whole, 0).stdout)
    assert statements > 30
    for last in (2, statements // 3, statements * 2 // 3, statements - 1, statements):
        assert migrate(path, last).returncode == -signal.SIGKILL
        assert contents(path) == before
    store = AccountStore(path)
    assert store.accounts.count() == len(ROWS["account"])
    store.close()
    assert contents(path)["alembic_version"] == [(SCHEMA.head,)]


def migrate(path: Path, last: int) -> subprocess.CompletedProcess[str]:
    """Migrate a file in a process of its own, which is killed as it begins a statement."""
    command = [sys.executable, "-c", MIGRATE, str(path), str(last)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read every table of a file."""
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    connection.close()
    return found
