"""What keeps a node key to one node: a lock on its file, and its name in the database.

Two processes that sign with one key from two databases would promise the same deposit twice and
vote twice in one election. On one machine the lock on the keystore stops the second; beside
another's database the name does. Two machines cannot see each other here: see the tutorial of
operators.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from settlement.errors import OurError
from settlement.ports.store import Batch, MachineRow, RevisionConflict, Store
from settlement.types import Address

_KIND, _KEY = "identity", "node"


@dataclass(kw_only=True, eq=False, repr=False)
class KeyInUse(OurError):
    """Another process on this machine signs with the same key."""

    code: ClassVar[str] = "SL-8405"
    title: ClassVar[str] = "Another process signs with this key"
    fix: ClassVar[str] = (
        "Stop the other process that uses {keystore}, or give each of its workers a name."
    )

    keystore: str


@dataclass(kw_only=True, eq=False, repr=False)
class DatabaseOfAnother(OurError):
    """The database holds what another key has signed."""

    code: ClassVar[str] = "SL-8011"
    title: ClassVar[str] = "The database belongs to another node key"
    fix: ClassVar[str] = "Start with the key {owner}, or give {key} a database of its own."

    owner: Address
    key: Address


@contextmanager
def key_in_use(keystore: Path, *, shared: bool) -> Iterator[None]:
    """Hold a key for this process, or for it and its fellow workers (``shared``).

    The system lets go of it when the process ends. Raises KeyInUse.
    """
    handle = os.open(keystore, os.O_RDONLY | os.O_CLOEXEC)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeyInUse(keystore=str(keystore)) from error
        yield
    finally:
        os.close(handle)


class Lead:
    """Which of the workers that share a folder leads: holds the links, keeps the node's books.

    The system takes the lead from a process that ends.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lead.lock"
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lead if nobody has it; whether it is ours now."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def leave(self) -> None:
        """Give it to whoever takes it next."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


async def claim_database(store: Store, key: Address) -> None:
    """Write the key into a new database; raise DatabaseOfAnother where another's stands in it."""
    row = await store.load(_KIND, _KEY)
    if row is None:
        mine = MachineRow(kind=_KIND, key=_KEY, revision=1, state=key)
        try:
            await store.commit(Batch(machines=(mine,)))
        except RevisionConflict:  # a fellow worker was first
            row = await store.load(_KIND, _KEY)
        else:
            return
    if row is not None and row.state != key:
        raise DatabaseOfAnother(owner=Address(row.state), key=key)
