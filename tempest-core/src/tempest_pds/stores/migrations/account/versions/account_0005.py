"""Add what the OAuth provider, browsers that are signed in, second factors and security events take."""

import sqlalchemy as sa
from alembic import op

revision = "account_0005"
down_revision = "account_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_oauth()
    _create_sign_in()
    op.add_column("refresh_token", sa.Column("factor_at", sa.Integer()))


def _create_oauth() -> None:
    op.create_table(
        "oauth_request",
        sa.Column("id_hash", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_auth", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("browser", sa.LargeBinary()),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), nullable=True),
        sa.Column("scope", sa.Text()),
        sa.Column("code_hash", sa.LargeBinary()),
        sa.Column("client_ip", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("oauth_request_by_browser", "oauth_request", ["browser"])
    op.create_index("oauth_request_by_code", "oauth_request", ["code_hash"], unique=True)
    op.create_index("oauth_request_by_did", "oauth_request", ["did"])
    op.create_index("oauth_request_by_expiry", "oauth_request", ["expires_at"])
    op.create_table(
        "oauth_session",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_name", sa.Text()),
        sa.Column("client_auth", sa.Text(), nullable=False),
        sa.Column("dpop_jkt", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("refreshed_at", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.Integer(), nullable=False),
        sa.Column("client_ip", sa.Text()),
        sa.Column("idle_after", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("oauth_session_by_code", "oauth_session", ["code_hash"], unique=True)
    op.create_index("oauth_session_by_did", "oauth_session", ["did"])
    op.create_index("oauth_session_by_idleness", "oauth_session", ["idle_after"])
    op.create_table(
        "oauth_consent",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("client_id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "oauth_challenge",
        sa.Column("challenge", sa.Text(), primary_key=True, nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("oauth_challenge_by_expiry", "oauth_challenge", ["expires_at"])


def _create_sign_in() -> None:
    op.create_table(
        "browser",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.Text()),
        sa.Column("client_ip", sa.Text()),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("browser_by_secret", "browser", ["secret_hash"], unique=True)
    op.create_table(
        "browser_account",
        sa.Column(
            "browser_id", sa.Text(), sa.ForeignKey("browser.id", ondelete="CASCADE"), primary_key=True, nullable=False
        ),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("signed_in_at", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.Integer(), nullable=False),
        sa.Column("remembered", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("browser_account_by_did", "browser_account", ["did"])
    op.create_index("browser_account_by_expiry", "browser_account", ["expires_at"])
    op.create_table(
        "totp",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.Integer()),
        sa.Column("last_step", sa.Integer()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recovery_code",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.Integer()),
        sqlite_with_rowid=False,
    )
    op.create_index("passkey_by_did", "passkey", ["did"])
    op.create_table(
        "security_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("client_ip", sa.Text()),
        sa.Column("user_agent", sa.Text()),
        sa.Column("happened_at", sa.Integer(), nullable=False),
    )
    op.create_index("security_event_by_did", "security_event", ["did", "id"])
    op.create_index("security_event_by_time", "security_event", ["happened_at"])
