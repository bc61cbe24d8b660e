"""Make the tables of a repo file."""

import sqlalchemy as sa
from alembic import op

revision = "repo_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backlink",
        sa.Column("path", sa.Text(), primary_key=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("backlink_by_subject", "backlink", ["subject", "path"])
    op.create_table(
        "blob",
        sa.Column("cid", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Integer(), nullable=False),
        sa.Column("takedown_ref", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node",
        sa.Column("cid", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("rev", sa.Text(), nullable=False),
        sa.Column("block", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "preference",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_index("preference_by_name", "preference", ["name"])
    op.create_table(
        "record",
        sa.Column("path", sa.Text(), primary_key=True, nullable=False),
        sa.Column("cid", sa.LargeBinary(), nullable=False),
        sa.Column("rev", sa.Text(), nullable=False),
        sa.Column("takedown_ref", sa.Text()),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("record_by_cid", "record", ["cid"])
    op.create_table(
        "record_blob",
        sa.Column("path", sa.Text(), primary_key=True, nullable=False),
        sa.Column("cid", sa.LargeBinary(), primary_key=True, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("record_blob_by_cid", "record_blob", ["cid", "path"])
    op.create_table(
        "root",
        sa.Column(
            "id", sa.Integer(), sa.CheckConstraint("id = 1", name="root_is_one_row"), primary_key=True, nullable=False
        ),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("commit_cid", sa.LargeBinary(), nullable=False),
        sa.Column("rev", sa.Text(), nullable=False),
        sa.Column("data_cid", sa.LargeBinary(), nullable=False),
        sa.Column("commit_block", sa.LargeBinary(), nullable=False),
    )
