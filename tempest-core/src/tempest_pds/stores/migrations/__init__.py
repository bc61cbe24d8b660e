"""Alembic migrations, one script location for each kind of database file."""
