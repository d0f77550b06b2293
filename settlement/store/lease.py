"""Which processes may write to a store.

A store belongs to one process (the *sole* owner), or to several *workers*, each under a name of its
own. Who opens it takes the name's lease: the fence in its row grows, and every commit checks that
it is still the fence that was taken. So a process that was believed dead and is not can never
commit again once another has taken its place, whatever it believes itself.

That two do not take turns in fencing one another is the lock's work: a file's lock on SQLite, an
advisory lock on PostgreSQL, both released by the system when their process ends.
"""

import os
import re
import socket
from dataclasses import dataclass

import sqlalchemy as sa

from settlement.errors import InputError
from settlement.store.errors import StoreMoved
from settlement.store.schema import lease

SOLE = ""
"""The name of the sole owner; workers have longer ones."""
_MOVED = "~moved"
"""A row that is no worker's: it names where the store went."""
WORKER_NAME = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A name, and the fence under which it was taken."""

    name: str
    fence: int


def require_worker_name(worker: str | None) -> None:
    """Raise InputError unless a worker's name is short and plain."""
    if worker is not None and not WORKER_NAME.fullmatch(worker):
        raise InputError(where=f"worker {worker!r}", problem="expected 1 to 32 of a-z, 0-9 and -")


def this_process() -> str:
    """Who holds a lease, in words."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def take_lease(connection: sa.Connection, worker: str | None) -> Lease:
    """Take the lease of a worker, or of the sole owner where there is no name.

    Call it with the store's lock held, in a transaction. A sole owner fences everybody else, a
    worker fences a sole owner, and both whoever had the name before. Raises StoreMoved.
    """
    require_not_moved(connection)
    name = SOLE if worker is None else worker
    others = lease.c.name != name if worker is None else lease.c.name == SOLE
    connection.execute(
        sa.update(lease).where(sa.or_(others, lease.c.name == name)).values(fence=lease.c.fence + 1)
    )
    holder = this_process()
    row = sa.select(lease.c.fence).where(lease.c.name == name)
    fence = connection.execute(row).scalar()
    if fence is None:
        fence = 1
        connection.execute(
            sa.insert(lease).values(name=name, holder=holder, fence=fence, position=0)
        )
    else:
        connection.execute(sa.update(lease).where(lease.c.name == name).values(holder=holder))
    return Lease(name=name, fence=fence)


def holds(connection: sa.Connection, held: Lease) -> bool:
    """Whether nobody has taken the lease since."""
    row = sa.select(lease.c.fence).where(lease.c.name == held.name)
    return connection.execute(row).scalar() == held.fence


def holder_of(connection: sa.Connection) -> str:
    """Who took a lease last, for the sentence that refuses a second process."""
    row = (
        sa.select(lease.c.holder)
        .where(lease.c.name != _MOVED)
        .order_by(lease.c.fence.desc())
        .limit(1)
    )
    return str(connection.execute(row).scalar() or "unknown")


def require_not_moved(connection: sa.Connection) -> None:
    """Raise StoreMoved if the store lives elsewhere by now."""
    row = sa.select(lease.c.holder).where(lease.c.name == _MOVED)
    if (where := connection.execute(row).scalar()) is not None:
        raise StoreMoved(where=str(where))


def mark_moved(connection: sa.Connection, where: str) -> None:
    """Have the store refuse to be opened from now on: it was moved to ``where``."""
    connection.execute(sa.insert(lease).values(name=_MOVED, holder=where, fence=0, position=0))
