"""The tables of `account.sqlite`. Every time is in microseconds since 1970, UTC."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text

METADATA: Final = MetaData()


def of_account(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    """Make a DID column whose rows go when the account goes."""
    key = ForeignKey("account.did", ondelete="CASCADE")
    return Column("did", Text, key, primary_key=primary_key, nullable=nullable)


ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("did", Text, primary_key=True, nullable=False),
    Column("handle", Text(collation="NOCASE")),
    Column("email", Text(collation="NOCASE")),
    Column("email_confirmed_at", Integer),
    Column("password_hash", Text),
    Column("created_at", Integer, nullable=False),
    Column("deactivated_at", Integer),
    Column("delete_after", Integer),
    Column("suspended_at", Integer),
    Column("takedown_ref", Text),
    Column("invites_disabled", Boolean(create_constraint=False), nullable=False),
    Column("invite_note", Text),
    Column("sessions_ended_at", Integer),
    Column("email_given_at", Integer),
    Index("account_by_handle", "handle", unique=True),
    Index("account_by_email", "email", "email_given_at", "did"),
    # Anybody can give any address; only who reads its mail can keep others from having it.
    Index("account_by_confirmed_email", "email", unique=True, sqlite_where=text("email_confirmed_at IS NOT NULL")),
    Index("account_by_creation", "created_at", "did"),
    sqlite_with_rowid=False,
)

REFRESH_TOKEN: Final = Table(
    "refresh_token",
    METADATA,
    Column("id", Text, primary_key=True, nullable=False),
    of_account(),
    Column("session_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("app_password_name", Text),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("next_id", Text),
    Column("factor_at", Integer),
    Column("client_ip", Text),
    Column("user_agent", Text),
    Index("refresh_token_by_did", "did"),
    Index("refresh_token_by_session", "session_id"),
    Index("refresh_token_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

APP_PASSWORD: Final = Table(
    "app_password",
    METADATA,
    of_account(primary_key=True),
    Column("name", Text, primary_key=True, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("privileged", Boolean(create_constraint=False), nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

INVITE_CODE: Final = Table(
    "invite_code",
    METADATA,
    Column("code", Text, primary_key=True, nullable=False),
    Column("available_uses", Integer, nullable=False),
    Column("disabled", Boolean(create_constraint=False), nullable=False),
    Column("for_account", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Index("invite_code_by_account", "for_account"),
    Index("invite_code_by_creation", "created_at", "code"),
    sqlite_with_rowid=False,
)

INVITE_USE: Final = Table(
    "invite_use",
    METADATA,
    Column("code", Text, ForeignKey("invite_code.code", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("used_by", Text, primary_key=True, nullable=False),
    Column("used_at", Integer, nullable=False),
    Index("invite_use_by_account", "used_by"),
    sqlite_with_rowid=False,
)

EMAIL_TOKEN: Final = Table(
    "email_token",
    METADATA,
    of_account(primary_key=True),
    Column("purpose", Text, primary_key=True, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    Index("email_token_by_hash", "purpose", "token_hash", unique=True),
    sqlite_with_rowid=False,
)

RESERVED_HANDLE: Final = Table(
    "reserved_handle",
    METADATA,
    Column("handle", Text(collation="NOCASE"), primary_key=True, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# AUTOINCREMENT: the sequencer remembers the last id it took, so an id must never come again.
PENDING_EVENT: Final = Table(
    "pending_event",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("did", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_autoincrement=True,
)

REPO_HEAD: Final = Table(
    "repo_head",
    METADATA,
    of_account(primary_key=True),
    Column("commit_cid", LargeBinary, nullable=False),
    Column("rev", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Of accounts whose row is gone already; no foreign key therefore.
ACCOUNT_DELETION: Final = Table(
    "account_deletion",
    METADATA,
    Column("did", Text, primary_key=True, nullable=False),
    Column("handle", Text),
    Column("deleted_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

MAIL_OUTBOX: Final = Table(
    "mail_outbox",
    METADATA,
    Column("id", Text, primary_key=True, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("posted_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Integer, nullable=False),
    Index("mail_outbox_by_next_attempt", "next_attempt_at", "posted_at"),
    sqlite_with_rowid=False,
)
