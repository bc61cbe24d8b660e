"""Keep what others have published that codes and sessions rest on: permission sets, and documents of clients."""

import sqlalchemy as sa
from alembic import op

revision = "account_0008"
down_revision = "account_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was found for such a request is not known any more: it has to be made anew.
    op.execute("DELETE FROM oauth_request WHERE parameters LIKE '%include%'")
    op.add_column("oauth_request", sa.Column("permission_sets", sa.Text()))
    op.create_table(
        "oauth_permission_set",
        sa.Column("nsid", sa.Text(), primary_key=True, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "oauth_client_document",
        sa.Column("url", sa.Text(), primary_key=True, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("heard_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
