"""Let accounts share an e-mail address until one of them has confirmed it."""

import sqlalchemy as sa
from alembic import op

revision = "account_0006"
down_revision = "account_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("account_by_email", "account")
    op.create_index("account_by_email", "account", ["email", "created_at", "did"])
    op.create_index(
        "account_by_confirmed_email",
        "account",
        ["email"],
        unique=True,
        sqlite_where=sa.text("email_confirmed_at IS NOT NULL"),
    )
