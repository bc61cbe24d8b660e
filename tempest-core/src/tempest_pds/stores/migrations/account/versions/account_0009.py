"""Note since when an account has its e-mail address."""

import sqlalchemy as sa
from alembic import op

revision = "account_0009"
down_revision = "account_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("email_given_at", sa.Integer()))
    op.execute("UPDATE account SET email_given_at = created_at")
    op.drop_index("account_by_email", "account")
    op.create_index("account_by_email", "account", ["email", "email_given_at", "did"])
