"""Find records by the revision that wrote them."""

from alembic import op

revision = "repo_0002"
down_revision = "repo_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("record_by_rev", "record", ["rev", "path"])
