"""Alembic's entry point: it migrates over the connection that ``ensure_schema`` passes in."""

from alembic import context

from settlement.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
