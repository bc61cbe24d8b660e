"""The tables of browsers, second factors and security events, in `account.sqlite`. Times in microseconds since 1970."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from tempest_pds.stores.account.tables import METADATA, of_account

# `secret_hash` is that of the cookie, `id` what the browser is called where its owner sees it in a list.
BROWSER: Final = Table(
    "browser",
    METADATA,
    Column("id", Text, primary_key=True, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("user_agent", Text),
    Column("client_ip", Text),
    Column("created_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Index("browser_by_secret", "secret_hash", unique=True),
    sqlite_with_rowid=False,
)

# `confirmed_at` is when the password, and the second factor of accounts that have one, were last given.
BROWSER_ACCOUNT: Final = Table(
    "browser_account",
    METADATA,
    Column("browser_id", Text, ForeignKey("browser.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    of_account(primary_key=True),
    Column("signed_in_at", Integer, nullable=False),
    Column("confirmed_at", Integer, nullable=False),
    Column("remembered", Boolean(create_constraint=False), nullable=False),
    Column("expires_at", Integer, nullable=False),
    Index("browser_account_by_did", "did"),
    Index("browser_account_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# `last_step` is the newest time step whose code was used, so that none is used twice.
TOTP: Final = Table(
    "totp",
    METADATA,
    of_account(primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("confirmed_at", Integer),
    Column("last_step", Integer),
    sqlite_with_rowid=False,
)

RECOVERY_CODE: Final = Table(
    "recovery_code",
    METADATA,
    of_account(primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

PASSKEY: Final = Table(
    "passkey",
    METADATA,
    Column("credential_id", LargeBinary, primary_key=True, nullable=False),
    of_account(),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("used_at", Integer),
    Index("passkey_by_did", "did"),
    sqlite_with_rowid=False,
)

SECURITY_EVENT: Final = Table(
    "security_event",
    METADATA,
    Column("id", Integer, primary_key=True),
    of_account(),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("client_ip", Text),
    Column("user_agent", Text),
    Column("happened_at", Integer, nullable=False),
    Index("security_event_by_did", "did", "id"),
    Index("security_event_by_time", "happened_at"),
)
