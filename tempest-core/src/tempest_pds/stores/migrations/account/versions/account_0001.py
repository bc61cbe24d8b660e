"""Make the tables of account.sqlite."""

import sqlalchemy as sa
from alembic import op

revision = "account_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("did", sa.Text(), primary_key=True, nullable=False),
        sa.Column("handle", sa.Text(collation="NOCASE")),
        sa.Column("email", sa.Text(collation="NOCASE")),
        sa.Column("email_confirmed_at", sa.Integer()),
        sa.Column("password_hash", sa.Text()),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("deactivated_at", sa.Integer()),
        sa.Column("delete_after", sa.Integer()),
        sa.Column("suspended_at", sa.Integer()),
        sa.Column("takedown_ref", sa.Text()),
        sa.Column("invites_disabled", sa.Boolean(), nullable=False),
        sa.Column("invite_note", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("account_by_creation", "account", ["created_at", "did"])
    op.create_index("account_by_email", "account", ["email"], unique=True)
    op.create_index("account_by_handle", "account", ["handle"], unique=True)
    op.create_table(
        "invite_code",
        sa.Column("code", sa.Text(), primary_key=True, nullable=False),
        sa.Column("available_uses", sa.Integer(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("for_account", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("invite_code_by_account", "invite_code", ["for_account"])
    op.create_index("invite_code_by_creation", "invite_code", ["created_at", "code"])
    op.create_table(
        "pending_event",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "reserved_handle",
        sa.Column("handle", sa.Text(collation="NOCASE"), primary_key=True, nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "app_password",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("privileged", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "email_token",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("purpose", sa.Text(), primary_key=True, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("email_token_by_hash", "email_token", ["purpose", "token_hash"], unique=True)
    op.create_table(
        "invite_use",
        sa.Column(
            "code", sa.Text(), sa.ForeignKey("invite_code.code", ondelete="CASCADE"), primary_key=True, nullable=False
        ),
        sa.Column("used_by", sa.Text(), primary_key=True, nullable=False),
        sa.Column("used_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("invite_use_by_account", "invite_use", ["used_by"])
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("app_password_name", sa.Text()),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("next_id", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("refresh_token_by_did", "refresh_token", ["did"])
    op.create_index("refresh_token_by_expiry", "refresh_token", ["expires_at"])
    op.create_index("refresh_token_by_session", "refresh_token", ["session_id"])
    op.create_table(
        "repo_head",
        sa.Column("did", sa.Text(), sa.ForeignKey("account.did", ondelete="CASCADE"), primary_key=True, nullable=False),
        sa.Column("commit_cid", sa.LargeBinary(), nullable=False),
        sa.Column("rev", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
