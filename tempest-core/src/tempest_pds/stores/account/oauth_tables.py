"""The tables of the OAuth provider, in `account.sqlite`. Every time is in microseconds since 1970, UTC."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from tempest_pds.stores.account.tables import METADATA, of_account

# A request from its being pushed to the exchange of its code; `browser` is the hash of the cookie at work on it, and
# `permission_sets` what was found for the sets that it names when it was made.
OAUTH_REQUEST: Final = Table(
    "oauth_request",
    METADATA,
    Column("id_hash", LargeBinary, primary_key=True, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("client_auth", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("browser", LargeBinary),
    of_account(nullable=True),
    Column("scope", Text),
    Column("code_hash", LargeBinary),
    Column("client_ip", Text),
    Column("permission_sets", Text),
    Index("oauth_request_by_browser", "browser"),
    Index("oauth_request_by_code", "code_hash", unique=True),
    Index("oauth_request_by_did", "did"),
    Index("oauth_request_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# `scope` is what the person granted, in the client's spelling; `permissions` what that stands for, and is enforced.
OAUTH_SESSION: Final = Table(
    "oauth_session",
    METADATA,
    Column("id", Text, primary_key=True, nullable=False),
    of_account(),
    Column("client_id", Text, nullable=False),
    Column("client_name", Text),
    Column("client_auth", Text, nullable=False),
    Column("dpop_jkt", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("refreshed_at", Integer, nullable=False),
    Column("used_at", Integer, nullable=False),
    Column("client_ip", Text),
    Column("idle_after", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    Column("browser_id", Text),
    Index("oauth_session_by_code", "code_hash", unique=True),
    Index("oauth_session_by_did", "did"),
    Index("oauth_session_by_idleness", "idle_after"),
    sqlite_with_rowid=False,
)

OAUTH_CONSENT: Final = Table(
    "oauth_consent",
    METADATA,
    of_account(primary_key=True),
    Column("client_id", Text, primary_key=True, nullable=False),
    Column("scope", Text, nullable=False),
    Column("given_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# PKCE challenges of the last day: one that comes again was not made for its request.
OAUTH_CHALLENGE: Final = Table(
    "oauth_challenge",
    METADATA,
    Column("challenge", Text, primary_key=True, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Index("oauth_challenge_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# What the publishers of permission sets that somebody here has granted said last, for when they cannot be asked.
OAUTH_PERMISSION_SET: Final = Table(
    "oauth_permission_set",
    METADATA,
    Column("nsid", Text, primary_key=True, nullable=False),
    Column("document", Text, nullable=False),
    Column("used_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What clients that somebody has just granted something, or that have just refreshed, had published.
OAUTH_CLIENT_DOCUMENT: Final = Table(
    "oauth_client_document",
    METADATA,
    Column("url", Text, primary_key=True, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("heard_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
