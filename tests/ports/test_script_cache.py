"""The script cache on disk: what it returns is what was put, or nothing."""

from pathlib import Path

import pytest

from node.store.scripts import ScriptCache
from settlement.types import Hash, keccak

SCRIPT = b"<ts:token/>"


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def damage(folder: Path, contents: bytes) -> None:
    for file in files(folder):
        file.write_bytes(contents)


async def test_a_script_is_read_back_by_its_hash(tmp_path: Path) -> None:
    script_hash = await ScriptCache(tmp_path / "new" / "folder").put(SCRIPT)

    assert script_hash == keccak(SCRIPT)
    assert await ScriptCache(tmp_path / "new" / "folder").get(script_hash) == SCRIPT


async def test_an_absent_script_is_none(tmp_path: Path) -> None:
    assert await ScriptCache(tmp_path / "never made").get(Hash(bytes(32))) is None


async def test_putting_a_script_twice_keeps_one_file(tmp_path: Path) -> None:
    cache = ScriptCache(tmp_path)
    await cache.put(SCRIPT)
    await cache.put(SCRIPT)

    assert [file.name for file in files(tmp_path)] == [f"{keccak(SCRIPT).hex()}.tsml"]


@pytest.mark.parametrize("damaged", [b"", SCRIPT[:-1], SCRIPT + b"x", b"<ts:tokem/>"])
async def test_a_damaged_file_counts_as_absent_and_heals(tmp_path: Path, damaged: bytes) -> None:
    cache = ScriptCache(tmp_path)
    script_hash = await cache.put(SCRIPT)
    damage(tmp_path, damaged)

    assert await cache.get(script_hash) is None
    await cache.put(SCRIPT)
    assert await cache.get(script_hash) == SCRIPT


async def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    in_the_way = tmp_path / f"{keccak(SCRIPT).hex()}.tsml"
    in_the_way.mkdir()

    with pytest.raises(IsADirectoryError):
        await ScriptCache(tmp_path).put(SCRIPT)
    assert files(tmp_path) == [in_the_way]
