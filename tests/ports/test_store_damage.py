"""Files that a power loss tore, and files in which a bit rotted.

Forty images and forty bits by default; ``./dev damage`` takes 500 and 200.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from settlement.errors import OurError
from settlement.ports.store import Batch, LogRecord, MachineRow
from settlement.store import offline
from settlement.store.places import Place
from settlement.store.sqlite import SqliteStore

IMAGES = int(os.environ.get("SMARTLAYER_IMAGES", "40"))
FLIPS = int(os.environ.get("SMARTLAYER_FLIPS", "40"))
PAGE = 4_096
GROUPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The files as they were when a group had been synced, and the bookings in it."""

    database: bytes
    log: bytes
    bookings: int


@dataclass(slots=True, kw_only=True)
class Camera:
    """A failpoint that copies the files whenever a group is on the disk."""

    path: Path
    bookings: int = 0
    images: list[Image] = field(default_factory=list)

    def __call__(self, point: str) -> None:
        if point == "group-committed":
            log = self.path.with_name(f"{self.path.name}-wal")
            self.images.append(
                Image(
                    database=self.path.read_bytes(),
                    log=log.read_bytes(),
                    bookings=self.bookings,
                )
            )


def booking(number: int) -> Batch:
    body = random.Random(number).randbytes(3_000)
    return Batch(
        machines=(MachineRow(kind="desk", key="a", revision=number, state=body),),
        records=(LogRecord(stream="a", position=number - 1, body=body),),
    )


@pytest.fixture(scope="module")
async def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    """What a store's files were after each of many commits, over several checkpoints."""
    path = tmp_path_factory.mktemp("camera") / "node.db"
    camera = Camera(path=path)
    async with SqliteStore(path, failpoint=camera) as store:
        with store._write_engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_autocheckpoint=25")
        for number in range(1, GROUPS + 1):
            camera.bookings = number
            await store.commit(booking(number))
    assert len({len(image.database) for image in camera.images}) > 3, "it was checkpointed"
    return camera.images


def torn(before: Image, after: Image, dice: random.Random) -> tuple[bytes, bytes]:
    """Of what the disk was given for ``after``, a part; what was synced for ``before`` stands."""
    log = bytearray(after.log)
    old = before.log.ljust(len(log), b"\0")[: len(log)]
    differing = next((n for n, (a, b) in enumerate(zip(old, log, strict=True)) if a != b), len(log))
    cut = dice.randint(differing, len(log))
    log[cut:] = old[cut:] if dice.random() < 0.5 else dice.randbytes(len(log) - cut)
    return before.database, bytes(log)


def half_checkpointed(before: Image, after: Image, dice: random.Random) -> tuple[bytes, bytes]:
    """A checkpoint that did not come to its end: some of its pages, and the whole synced log."""
    pages = bytearray(before.database.ljust(len(after.database), b"\0"))
    for start in range(0, len(after.database), PAGE):
        if dice.random() < 0.5:
            pages[start : start + PAGE] = after.database[start : start + PAGE]
    return bytes(pages), after.log


@pytest.mark.timeout(60 + IMAGES)
async def test_a_torn_file_holds_all_that_was_acknowledged_and_nothing_half(
    images: list[Image], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    tears = 0
    for number in range(IMAGES):
        index = dice.randrange(len(images) - 1)
        before, after = images[index], images[index + 1]
        checkpointed = before.database != after.database
        tear = half_checkpointed if checkpointed else torn
        least = after.bookings if checkpointed else before.bookings
        path = tmp_path / f"{number}.db"
        database, log = tear(before, after, dice)
        path.write_bytes(database)
        path.with_name(f"{path.name}-wal").write_bytes(log)
        tears += (database, log) != (after.database, after.log)
        async with SqliteStore(path) as store:
            row = await store.load("desk", "a")
            assert row is not None, f"seed {seed}"
            assert least <= row.revision <= after.bookings, f"seed {seed}"
            assert row == booking(row.revision).machines[0], f"seed {seed}"
            assert await store.log_length("a") == row.revision, f"seed {seed}"
        findings = await offline.check(Place(where=str(path)))
        assert findings.wrong == (), f"seed {seed}"
    print(f"{IMAGES} images, {tears} of them torn: all opened, nothing acknowledged was lost")
    assert tears > IMAGES // 4


@pytest.mark.timeout(60 + FLIPS)
async def test_every_rotten_bit_is_found_or_touched_nothing(
    images: list[Image], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    sound = tmp_path / "sound.db"
    sound.write_bytes(images[-1].database)
    sound.with_name("sound.db-wal").write_bytes(images[-1].log)
    async with SqliteStore(sound):
        pass  # leaving it brings the log into the file
    content = sound.read_bytes()
    held = await offline.check(Place(where=str(sound)))
    assert held.wrong == ()
    found = 0
    for number in range(FLIPS):
        rotten = bytearray(content)
        bit = dice.randrange(8 * len(rotten))
        rotten[bit // 8] ^= 1 << bit % 8
        path = tmp_path / f"rotten-{number}.db"
        path.write_bytes(rotten)
        try:
            findings = await offline.check(Place(where=str(path)))
        except OurError:
            found += 1  # it is no database any more, and that is said
            continue
        found += bool(findings.wrong)
        assert findings.wrong or findings.tables == held.tables, f"seed {seed}, bit {bit}"
    print(f"{FLIPS} flipped bits: {found} found, {FLIPS - found} in bytes that hold nothing")
    assert found > FLIPS // 4
