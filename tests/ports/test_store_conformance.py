"""What every store promises, asked of the in-memory fake, of SQLite and of PostgreSQL alike."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postgres import Cluster

from settlement.errors import AmountOutOfRange
from settlement.ports.store import (
    Batch,
    LogRecord,
    MachineRow,
    MemoryStore,
    OutboxEntry,
    RevisionConflict,
    Store,
)
from settlement.store.postgres import PostgresStore
from settlement.store.sqlite import SqliteStore
from settlement.types import Hash


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            async with SqliteStore(tmp_path / "node.db") as sqlite:
                yield sqlite
        case "postgres":
            cluster: Cluster = request.getfixturevalue("postgres_cluster")
            async with PostgresStore(cluster.target(await cluster.database())) as postgres:
                yield postgres


def row(key: str, revision: int, state: bytes = b"state", kind: str = "lane") -> MachineRow:
    return MachineRow(kind=kind, key=key, revision=revision, state=state)


def record(position: int, body: bytes = b"body", stream: str = "log") -> LogRecord:
    return LogRecord(stream=stream, position=position, body=body)


def effect(number: int, due_ms: int = 0, attempts: int = 0) -> OutboxEntry:
    return OutboxEntry(
        id=Hash(number.to_bytes(32, "big")),
        kind="SendVoucher",
        key=f"lane-{number}",
        body=b"effect",
        due_ms=due_ms,
        attempts=attempts,
    )


async def test_what_was_never_committed_is_not_there(store: Store) -> None:
    assert await store.load("lane", "a") is None
    assert list(await store.keys("lane")) == []
    assert list(await store.read_log("log", 0, 10)) == []
    assert await store.log_length("log") == 0
    assert list(await store.pending(2**62, 10)) == []


async def test_a_committed_machine_is_loaded_at_its_newest_revision(store: Store) -> None:
    await store.commit(Batch(machines=(row("a", 1, b"one"),)))
    await store.commit(Batch(machines=(row("a", 2, b"\x00two\xff"),)))

    assert await store.load("lane", "a") == row("a", 2, b"\x00two\xff")


async def test_machines_of_different_kinds_do_not_meet(store: Store) -> None:
    await store.commit(Batch(machines=(row("a", 1, kind="lane"), row("a", 1, kind="channel"))))

    assert await store.load("channel", "a") == row("a", 1, kind="channel")
    assert list(await store.keys("lane")) == ["a"]


@pytest.mark.parametrize("revision", [1, 3, 2**40])
async def test_a_revision_that_does_not_follow_is_a_conflict(store: Store, revision: int) -> None:
    await store.commit(Batch(machines=(row("a", 1, b"first"),)))

    with pytest.raises(RevisionConflict):
        await store.commit(Batch(machines=(row("a", revision, b"second"),)))

    assert await store.load("lane", "a") == row("a", 1, b"first")


async def test_of_a_conflicting_batch_nothing_is_kept(store: Store) -> None:
    await store.commit(Batch(machines=(row("a", 1),)))
    stale = Batch(machines=(row("b", 1), row("a", 1)), records=(record(0),), outbox=(effect(1),))

    with pytest.raises(RevisionConflict) as conflict:
        await store.commit(stale)

    assert (conflict.value.kind, conflict.value.key) == ("lane", "a")
    assert await store.load("lane", "b") is None
    assert await store.log_length("log") == 0
    assert list(await store.pending(2**62, 10)) == []


async def test_a_place_in_a_log_is_written_once(store: Store) -> None:
    await store.commit(Batch(records=(record(0, b"first"),)))

    with pytest.raises(RevisionConflict):
        await store.commit(Batch(machines=(row("a", 1),), records=(record(0, b"second"),)))

    assert list(await store.read_log("log", 0, 10)) == [record(0, b"first")]
    assert await store.load("lane", "a") is None


async def test_one_batch_may_not_write_the_same_row_twice(store: Store) -> None:
    with pytest.raises(RevisionConflict):
        await store.commit(Batch(records=(record(0, b"first"), record(0, b"second"))))
    with pytest.raises(RevisionConflict):
        await store.commit(Batch(machines=(row("a", 1, b"first"), row("a", 1, b"second"))))

    assert await store.log_length("log") == 0
    assert await store.load("lane", "a") is None


async def test_concurrent_writers_of_one_revision_leave_one_winner(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.commit(Batch(machines=(row("a", 1, bytes([n])),))) for n in range(20)),
        return_exceptions=True,
    )

    assert outcomes[0] is None, "the first to ask wins"
    assert all(isinstance(outcome, RevisionConflict) for outcome in outcomes[1:])
    assert await store.load("lane", "a") == row("a", 1, b"\x00")


async def test_commits_keep_the_order_in_which_they_were_asked_for(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        for revision in range(1, 51):
            group.create_task(store.commit(Batch(machines=(row("a", revision),))))

    newest = await store.load("lane", "a")
    assert newest is not None
    assert newest.revision == 50


async def test_a_conflict_spoils_only_its_own_batch_and_those_built_on_it(store: Store) -> None:
    await store.commit(Batch(machines=(row("a", 1),)))
    batches = [row("a", 1), row("b", 1), row("a", 2), row("c", 2), row("b", 2), row("a", 4)]

    outcomes = await asyncio.gather(
        *(store.commit(Batch(machines=(each,))) for each in batches), return_exceptions=True
    )

    refused = [isinstance(outcome, RevisionConflict) for outcome in outcomes]
    assert refused == [True, False, False, True, False, True]


async def test_keys_come_sorted_and_only_those_with_the_prefix(store: Store) -> None:
    last = "\U0010ffff"
    keys = ["b", "ab", "a", "aé", "a" + last, "a" + last + "z", "A", "a\x00b", "\ud7ff", "\ue000"]
    await store.commit(Batch(machines=tuple(row(key, 1) for key in keys)))

    assert list(await store.keys("lane")) == sorted(keys)
    expected = ["a", "a\x00b", "ab", "aé", "a" + last, "a" + last + "z"]
    assert list(await store.keys("lane", "a")) == expected
    assert list(await store.keys("lane", "a" + last)) == ["a" + last, "a" + last + "z"]
    assert list(await store.keys("lane", "\ud7ff")) == ["\ud7ff"]
    assert list(await store.keys("lane", last)) == []


async def test_a_log_is_read_in_order_from_any_place(store: Store) -> None:
    await store.commit(Batch(records=(record(2), record(0), record(7))))
    await store.commit(Batch(records=(record(1), record(0, stream="other"))))

    def places(records: object) -> list[int]:
        return [each.position for each in records]

    assert places(await store.read_log("log", 0, 10)) == [0, 1, 2, 7]
    assert places(await store.read_log("log", 1, 2)) == [1, 2]
    assert places(await store.read_log("log", 8, 10)) == []
    assert await store.log_length("log") == 8
    assert await store.log_length("other") == 1


async def test_effects_wait_in_the_order_of_their_commits_until_they_are_done(
    store: Store,
) -> None:
    await store.commit(Batch(outbox=(effect(3), effect(1))))
    await store.commit(Batch(outbox=(effect(2),)))

    assert list(await store.pending(0, 10)) == [effect(3), effect(1), effect(2)]
    assert list(await store.pending(0, 2)) == [effect(3), effect(1)]

    await store.done(effect(3).id)

    assert list(await store.pending(0, 10)) == [effect(1), effect(2)]


async def test_a_postponed_effect_is_due_later_and_counts_its_attempts(store: Store) -> None:
    await store.commit(Batch(outbox=(effect(1), effect(2))))

    await store.postpone(effect(1).id, 5_000, 3)

    assert list(await store.pending(4_999, 10)) == [effect(2)]
    assert list(await store.pending(5_000, 10)) == [effect(2), effect(1, 5_000, 3)]


async def test_an_effect_that_is_already_forgotten_may_be_done_or_postponed_again(
    store: Store,
) -> None:
    await store.commit(Batch(outbox=(effect(1),)))
    await store.done(effect(1).id)

    await store.done(effect(1).id)
    await store.postpone(effect(1).id, 5, 1)

    assert list(await store.pending(2**62, 10)) == []


async def test_changes_to_one_effect_in_one_breath_take_effect_in_order(store: Store) -> None:
    await asyncio.gather(
        store.commit(Batch(outbox=(effect(1), effect(2), effect(3)))),
        store.postpone(effect(1).id, 7, 1),
        store.done(effect(2).id),
        store.postpone(effect(2).id, 8, 1),
        store.done(effect(3).id),
        store.commit(Batch(outbox=(effect(3, 9),))),
    )

    assert list(await store.pending(10, 10)) == [effect(1, 7, 1), effect(3, 9)]


@pytest.mark.parametrize("number", [-1, -(2**70), 2**63, 2**70])
async def test_no_number_beyond_63_bits_reads_anything(store: Store, number: int) -> None:
    await store.commit(Batch(records=tuple(map(record, range(3))), outbox=(effect(1),)))

    with pytest.raises(AmountOutOfRange):
        await store.read_log("log", number, 1)
    with pytest.raises(AmountOutOfRange):
        await store.read_log("log", 0, number)
    with pytest.raises(AmountOutOfRange):
        await store.pending(number, 1)
    with pytest.raises(AmountOutOfRange):
        await store.pending(0, number)
    with pytest.raises(AmountOutOfRange):
        await store.postpone(effect(1).id, number, 1)
    with pytest.raises(AmountOutOfRange):
        await store.postpone(effect(1).id, 1, number)

    assert list(await store.pending(0, 10)) == [effect(1)]


async def test_the_widest_numbers_that_fit_are_read(store: Store) -> None:
    most = 2**63 - 1
    await store.commit(Batch(records=(record(0),), outbox=(effect(1),)))

    assert list(await store.read_log("log", most, most)) == []
    assert list(await store.read_log("log", 0, most)) == [record(0)]
    assert list(await store.read_log("log", 0, 0)) == []
    assert list(await store.pending(most, most)) == [effect(1)]
