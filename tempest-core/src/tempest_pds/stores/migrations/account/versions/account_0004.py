"""Note when the sessions of an account were ended."""

import sqlalchemy as sa
from alembic import op

revision = "account_0004"
down_revision = "account_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("sessions_ended_at", sa.Integer()))
