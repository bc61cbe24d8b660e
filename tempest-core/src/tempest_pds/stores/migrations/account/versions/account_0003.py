"""Add the list of deletions that are to be finished."""

import sqlalchemy as sa
from alembic import op

revision = "account_0003"
down_revision = "account_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_deletion",
        sa.Column("did", sa.Text(), primary_key=True, nullable=False),
        sa.Column("handle", sa.Text()),
        sa.Column("deleted_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
