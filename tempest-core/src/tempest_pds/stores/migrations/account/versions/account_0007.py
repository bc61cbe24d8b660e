"""Note in which browser an app was let in, and where one signed in that was given a password."""

import sqlalchemy as sa
from alembic import op

revision = "account_0007"
down_revision = "account_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("oauth_session", sa.Column("browser_id", sa.Text()))
    op.add_column("refresh_token", sa.Column("client_ip", sa.Text()))
    op.add_column("refresh_token", sa.Column("user_agent", sa.Text()))
