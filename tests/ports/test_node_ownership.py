"""One key is one node: its file is locked, and its database names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.config import load_config
from node.store.ownership import DatabaseOfAnother, KeyInUse, claim_database, key_in_use
from settlement.errors import InputError
from settlement.ports.store import MemoryStore
from settlement.store.sqlite import SqliteStore
from settlement.types import Address

ONE, OTHER = Address(b"1" * 20), Address(b"2" * 20)
HOLD = (
    "import sys; from pathlib import Path; from node.store.ownership import key_in_use\n"
    "with key_in_use(Path(sys.argv[1]), shared=sys.argv[2] == 'shared'):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def holder(keystore: Path, how: str) -> subprocess.Popen[bytes]:
    """Another process that signs with the key."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(keystore), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.mark.parametrize(("theirs", "ours"), [("alone", False), ("alone", True), ("shared", False)])
def test_a_second_process_with_one_key_refuses_to_sign_until_the_first_is_gone(
    tmp_path: Path, theirs: str, ours: bool
) -> None:
    keystore = tmp_path / "key.json"
    keystore.write_text("{}")
    process = holder(keystore, theirs)
    try:
        with pytest.raises(KeyInUse, match=r"key\.json"), key_in_use(keystore, shared=ours):
            pass
    finally:
        process.kill()
        process.communicate()
    with key_in_use(keystore, shared=ours):
        pass


def test_workers_of_one_node_share_its_key(tmp_path: Path) -> None:
    keystore = tmp_path / "key.json"
    keystore.write_text("{}")
    with key_in_use(keystore, shared=True), key_in_use(keystore, shared=True):
        pass


async def test_a_database_belongs_to_the_key_that_wrote_to_it_first(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    async with SqliteStore(path) as store:
        await claim_database(store, ONE)
    async with SqliteStore(path) as store:
        await claim_database(store, ONE)
        with pytest.raises(DatabaseOfAnother, match="31313131"):
            await claim_database(store, OTHER)


async def test_of_two_workers_that_begin_at_once_both_find_their_key() -> None:
    store = MemoryStore(shared=True)
    await claim_database(store, ONE)
    stale = MemoryStore(shared=True)
    stale.commit = store.commit  # type: ignore[method-assign]  # it looked before the other wrote
    found = iter([None])
    load = store.load

    async def late(kind: str, key: str) -> object:
        return next(found, await load(kind, key))

    stale.load = late  # type: ignore[method-assign,assignment]  # as above
    await claim_database(stale, ONE)


def test_a_workers_name_is_short_and_plain(tmp_path: Path) -> None:
    given = {
        "data_dir": tmp_path,
        "deployment": tmp_path,
        "rpc_url": ["http://127.0.0.1:1"],
        "keystore": tmp_path,
        "password_file": tmp_path,
    }
    assert load_config(None, **given).store == str(tmp_path / "node.sqlite")
    elsewhere = load_config(None, **given, database="postgresql:///node", worker="one-2")
    assert (elsewhere.store, elsewhere.worker) == ("postgresql:///node", "one-2")
    for name in ("", "../x", "One", "x" * 33):
        with pytest.raises(InputError, match="worker"):
            load_config(None, **given, worker=name)


def test_a_file_that_is_no_toml_is_told_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "node.toml"
    for content in (b"x = [", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(InputError, match="no TOML"):
            load_config(broken)
