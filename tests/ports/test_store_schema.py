"""The schema on both databases, and stores that an earlier release wrote."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from postgres import Cluster
from sqlalchemy.ext.asyncio import create_async_engine

from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry
from settlement.store import offline
from settlement.store.migrate import MIGRATIONS
from settlement.store.places import Place
from settlement.store.postgres import PostgresStore
from settlement.store.schema import metadata
from settlement.store.sqlite import SqliteStore
from settlement.types import Hash

MACHINE = MachineRow(kind="lane", key="é\x00", revision=7, state=b"\x00state")
RECORD = LogRecord(stream="log", position=2**63 - 1, body=b"body")
EFFECT = OutboxEntry(id=Hash(b"i" * 32), kind="Tell", key="k", body=b"{}", due_ms=5, attempts=2)


def written_by_the_first_release(path: Path) -> None:
    """A store of revision 0001 with a row in each table."""
    engine = sa.create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO machine VALUES (?, ?, ?, ?)",
            (MACHINE.kind, MACHINE.key, MACHINE.revision, MACHINE.state),
        )
        connection.execute(
            "INSERT INTO log_record VALUES (?, ?, ?)",
            (RECORD.stream, RECORD.position, RECORD.body),
        )
        connection.execute(
            "INSERT INTO outbox VALUES (1, ?, ?, ?, ?, ?, ?)",
            (EFFECT.id, EFFECT.kind, EFFECT.key, EFFECT.body, EFFECT.due_ms, EFFECT.attempts),
        )
    connection.close()


async def test_a_store_of_the_first_release_gets_its_checksums_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    written_by_the_first_release(path)

    async with SqliteStore(path) as store:
        assert await store.load(MACHINE.kind, MACHINE.key) == MACHINE
        assert list(await store.read_log("log", 0, 9)) == [RECORD]
        assert list(await store.pending(9, 9)) == [EFFECT]
        after = MachineRow(
            kind=MACHINE.kind,
            key=MACHINE.key,
            revision=8,
            state=b"next",
            built_on=MACHINE.checksum(),
        )
        await store.commit(Batch(machines=(after,)))
    assert (await offline.check(Place(where=str(path)))).wrong == ()


async def test_the_migrations_make_the_tables_of_the_code_on_postgres_too(
    postgres_cluster: Cluster,
) -> None:
    target = postgres_cluster.target(await postgres_cluster.database())
    async with PostgresStore(target):
        pass
    engine = create_async_engine("postgresql+asyncpg://", async_creator=target.connect)

    def differences(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
