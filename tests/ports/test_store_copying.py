"""Stores moved, backed up, restored and checked, between files and PostgreSQL."""

import asyncio
import json
import random
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from postgres import Cluster
from typer.testing import CliRunner

from node.cli import app
from settlement.errors import InputError, StoreFailed
from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry
from settlement.store import copying, offline
from settlement.store.copying import CopyDiffers, TableReport
from settlement.store.errors import SchemaUnknown, StoreCorrupt, StoreMoved, StoreOwned
from settlement.store.opening import open_store
from settlement.store.places import Place
from settlement.store.sqlite import SqliteStore
from settlement.types import Hash

NewPlace = Callable[[str], Awaitable[Place]]


@pytest.fixture
async def places(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    numbers = iter(range(100))

    async def new(kind: str) -> Place:
        if kind == "sqlite":
            return Place(where=str(tmp_path / f"{next(numbers)}.db"))
        cluster: Cluster = request.getfixturevalue("postgres_cluster")
        target = cluster.target(await cluster.database())
        return Place(where=target.url, password=target.password)

    return new


def content() -> Batch:
    dice = random.Random(3)
    names = ["", "a\x00b", "é", "\U0010ffff", "z" * 300, "%_'\"\\"]
    return Batch(
        machines=tuple(
            MachineRow(kind="lane", key=f"{name}{n}", revision=1, state=dice.randbytes(50))
            for n, name in enumerate(names * 50)
        ),
        records=tuple(
            LogRecord(stream=name, position=n, body=dice.randbytes(20))
            for name in names
            for n in (0, 1, 2, 2**63 - 1)
        ),
        outbox=tuple(
            OutboxEntry(
                id=Hash(dice.randbytes(32)), kind="Tell", key=name, body=b"{}", due_ms=n, attempts=n
            )
            for n, name in enumerate(names)
        ),
    )


async def filled(place: Place) -> Place:
    async with open_store(place.where, password=place.password) as store:
        await store.commit(content())
        await store.done(content().outbox[0].id)
    return place


async def require_content(place: Place) -> None:
    async with open_store(place.where, password=place.password) as store:
        for row in content().machines[::20]:
            assert await store.load(row.kind, row.key) == row
        assert len(await store.keys("lane")) == 300
        assert [r.position for r in await store.read_log("é", 0, 9)] == [0, 1, 2, 2**63 - 1]
        assert list(await store.pending(2**62, 99)) == list(content().outbox[1:])
        late = OutboxEntry(id=Hash(b"l" * 32), kind="Tell", key="late", body=b"", due_ms=1)
        await store.commit(Batch(outbox=(late,)))
        assert late in await store.pending(2**62, 99)


WAYS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite")]


@pytest.mark.parametrize(("old", "new"), WAYS, ids=lambda kind: kind)
async def test_a_moved_store_holds_all_that_the_old_one_did_which_is_closed(
    places: NewPlace, old: str, new: str
) -> None:
    source, target = await filled(await places(old)), await places(new)

    tables = await offline.migrate(source, target)

    assert [(table.name, table.rows) for table in tables] == [
        ("machine", 300),
        ("log_record", 24),
        ("outbox", 5),
    ]
    assert (await offline.check(target)).tables == tables
    await require_content(target)
    with pytest.raises(StoreMoved):
        async with open_store(source.where, password=source.password):
            pass
    with pytest.raises(StoreMoved):
        await offline.migrate(source, await places(new))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_backup_of_a_store_in_use_is_one_moment_of_it(
    places: NewPlace, tmp_path: Path, kind: str
) -> None:
    place = await filled(await places(kind))
    file = tmp_path / "node.backup"
    async with open_store(place.where, password=place.password) as store:

        async def write() -> None:
            for number in range(1_000_000):
                row = MachineRow(kind="tally", key="t", revision=number + 1, state=b"s")
                record = LogRecord(stream="tally", position=number, body=b"b")
                await store.commit(Batch(machines=(row,), records=(record,)))

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        await offline.backup(place, file)
        writing.cancel()
        await asyncio.wait([writing])

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with SqliteStore(file) as backed_up:
        tally = await backed_up.load("tally", "t")
        assert await backed_up.log_length("tally") == (tally.revision if tally else 0)
    await require_content(Place(where=str(file)))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_backup_becomes_a_store_again(places: NewPlace, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "node.backup"
    await offline.backup(await filled(await places("sqlite")), file)
    target = await places(kind)

    await offline.restore(file, target, now_ms=7)
    await require_content(target)

    with pytest.raises(InputError, match=r"exists|empty"):
        await offline.restore(file, target, now_ms=8)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_store_in_use_is_not_moved_and_nothing_is_overwritten(
    places: NewPlace, kind: str
) -> None:
    place, other = await filled(await places(kind)), await filled(await places(kind))
    async with open_store(place.where, password=place.password):
        with pytest.raises(StoreOwned):
            await offline.migrate(place, await places("sqlite"))
    async with open_store(other.where, password=other.password) as store:
        await store.commit(Batch(records=(LogRecord(stream="mine", position=0, body=b""),)))
    with pytest.raises(InputError, match=r"exists|empty"):
        await offline.migrate(place, other)
    await require_content(place)


async def test_an_interrupted_move_is_done_by_the_same_command(
    places: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = await filled(await places("sqlite")), await places("sqlite")
    part = target.file.with_name(f"{target.file.name}.part")
    part.write_bytes(b"half of a copy")
    copy = copying.copy_tables

    async def fails(*_: object, **__: object) -> tuple[TableReport, ...]:
        raise StoreFailed(problem="the power went")

    monkeypatch.setattr(offline, "copy_tables", fails)
    with pytest.raises(StoreFailed):
        await offline.migrate(source, target)
    assert not target.file.exists()

    monkeypatch.setattr(offline, "copy_tables", copy)
    monkeypatch.setattr(offline, "mark_moved", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await offline.migrate(source, target)
    assert target.file.exists()

    monkeypatch.undo()
    await offline.migrate(source, target)
    assert not part.exists()
    await require_content(target)
    with pytest.raises(StoreMoved):
        await filled(source)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_rotten_rows_are_found_and_not_copied(
    places: NewPlace, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    place = await filled(await places(kind))
    rot = "UPDATE log_record SET position = 3 WHERE position = 2"
    if place.target is None:
        with sqlite3.connect(place.file) as connection:
            connection.execute(rot)
        connection.close()
    else:
        cluster: Cluster = request.getfixturevalue("postgres_cluster")
        await cluster.execute(rot, database=place.where.partition("?")[0].rpartition("/")[2])

    findings = await offline.check(place)

    assert len(findings.wrong) == 6
    assert "record 3 of é" in findings.wrong
    with pytest.raises(StoreCorrupt):
        await offline.backup(place, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


async def test_a_copy_that_does_not_read_back_is_not_kept(
    places: NewPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await filled(await places("sqlite"))
    table = TableReport(name="machine", rows=0, digest=b"")

    async def other(*_: object) -> tuple[TableReport, ...]:
        return (table, table, table)

    monkeypatch.setattr(copying, "table_reports", other)
    with pytest.raises(CopyDiffers):
        await offline.backup(place, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


async def test_what_is_no_store_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        await offline.check(Place(where=str(tmp_path / "none.db")))
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    with pytest.raises(SchemaUnknown):
        await offline.check(Place(where=str(empty)))
    with pytest.raises(InputError, match="file of its own"):
        await offline.check(Place(where="postgresql://node:secret@localhost/node"))


async def test_the_commands_say_what_they_copied_and_whether_it_is_sound(
    places: NewPlace, tmp_path: Path
) -> None:
    place, target = await filled(await places("postgres")), await places("postgres")
    password = tmp_path / "password"
    password.write_text(f"{place.password}\n")
    password.chmod(0o600)
    file = str(tmp_path / "backup")
    moved = str(tmp_path / "moved.db")
    secret = f"--password-file={password}"

    def call(*words: str) -> tuple[int, dict[str, object]]:
        found = CliRunner().invoke(app, ["db", *words, "--json"])
        assert place.password is not None
        assert place.password not in found.output
        return found.exit_code, json.loads(found.stdout)

    def commands() -> None:
        status, backed_up = call("backup", place.where, file, secret)
        assert status == 0
        status, restored = call("restore", file, target.where, secret)
        assert (status, restored["machine"]) == (0, backed_up["machine"])
        status, checked = call("check", target.where, secret)
        assert (status, checked["sound"], checked["wrong"]) == (0, True, [])
        status, _ = call("migrate", place.where, moved, f"--from-password-file={password}")
        assert status == 0
        with sqlite3.connect(moved) as connection:
            connection.execute("UPDATE machine SET state = x'00' WHERE key = '0'")
        connection.close()
        status, checked = call("check", moved)
        assert (status, checked["sound"]) == (1, False)

    await asyncio.to_thread(commands)
