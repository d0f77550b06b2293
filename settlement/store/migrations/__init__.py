"""Alembic's migrations of the store, run by :func:`settlement.store.migrate.ensure_schema`."""
