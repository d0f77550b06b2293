"""Bring a database to the schema of this release, with alembic, at start."""

from pathlib import Path

import sqlalchemy as sa

from settlement.store.errors import SchemaUnknown
from settlement.store.schema import REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATING = 0x534C_0001
"""The advisory lock under which one of several workers migrates a database of PostgreSQL."""


def ensure_schema(connection: sa.Connection, database: str) -> None:
    """Migrate ``database`` to :data:`settlement.store.schema.REVISION`, in the open transaction.

    A database that is already there costs one read, and alembic is not loaded. All migrations of
    one start are one transaction. Raises SchemaUnknown for a revision of another release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATING)))
    found = _revision(connection)
    if found != REVISION:
        _upgrade(connection, database, found)


def require_schema(connection: sa.Connection, database: str) -> None:
    """Raise SchemaUnknown unless the database has the schema of this release."""
    found = _revision(connection)
    if found != REVISION:
        raise SchemaUnknown(path=database, found=found or "none")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection, database: str, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaUnknown(path=database, found=found)
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
