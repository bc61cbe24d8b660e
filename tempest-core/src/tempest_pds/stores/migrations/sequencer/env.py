"""Run by Alembic; the transaction is that of `tempest_pds.stores.migrations.runner`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=True,
)
context.run_migrations()
