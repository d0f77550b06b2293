"""One place that knows what a store's name means: a file, or a database of PostgreSQL."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from settlement.ports.store import Store
from settlement.store.sqlite import SqliteStore

SCHEMES = ("postgresql://", "postgres://")


def open_store(
    where: str, *, password: str | None = None, worker: str | None = None
) -> AbstractAsyncContextManager[Store]:
    """The store at ``where``, to be entered: ``postgresql://…``, or the path of a SQLite file.

    ``worker`` names this process where several share the store. Raises InputError.
    """
    if where.startswith(SCHEMES):
        # Imported here, as most nodes keep a file and need not wait for PostgreSQL's driver.
        from settlement.store.postgres import PostgresStore
        from settlement.store.postgres_session import Target

        return PostgresStore(Target(url=where, password=password), worker=worker)
    return SqliteStore(Path(where), worker=worker)
