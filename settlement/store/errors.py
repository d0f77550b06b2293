"""What a durable store can refuse besides a conflict and a failed commit.

::

    OurError
    ├── StoreFailed         (settlement.errors) a commit did not reach the disk
    │   ├── StoreFull       the disk is full; writes go on once it is not
    │   ├── StoreUnopened   it could not be opened at all
    │   └── StoreUnsure     the process ended while nobody could say whether a commit was made
    ├── StoreOwned          another process holds the store
    ├── StoreFenced         another process has taken the store over
    ├── StoreMoved          the store lives in another database by now
    ├── StoreCorrupt        what is stored is not what was written
    ├── RevisionConflict    (settlement.ports.store) another worker was first
    ├── StoreBusy           the queue of waiting commits is full
    ├── StoreUnreadable     a read failed
    └── SchemaUnknown       the file was written by another release
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import OurError, StoreFailed


@dataclass(kw_only=True, eq=False, repr=False)
class StoreBusy(OurError):
    """More commits wait for the disk than the queue may hold; nothing was kept."""

    code: ClassVar[str] = "SL-8003"
    title: ClassVar[str] = "Too many commits are waiting for the disk"
    fix: ClassVar[str] = "Send the request again in a second: {waiting} commits are ahead of it."
    retryable: ClassVar[bool] = True

    waiting: int


@dataclass(kw_only=True, eq=False, repr=False)
class StoreUnopened(StoreFailed):
    """A database could not be opened: it cannot be reached or made, or is none."""

    code: ClassVar[str] = "SL-8014"
    title: ClassVar[str] = "The database cannot be opened"
    fix: ClassVar[str] = (
        "Check that {database} is the node's database and can be reached: {problem}."
    )
    retryable: ClassVar[bool] = False

    database: str


@dataclass(kw_only=True, eq=False, repr=False)
class StoreUnreadable(OurError):
    """The database could not answer a read."""

    code: ClassVar[str] = "SL-8004"
    title: ClassVar[str] = "The store cannot be read"
    fix: ClassVar[str] = "Check the database file {path} and the disk below it: {problem}."
    retryable: ClassVar[bool] = True

    path: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class SchemaUnknown(OurError):
    """The database carries a schema revision that this release has no migration for."""

    code: ClassVar[str] = "SL-8005"
    title: ClassVar[str] = "The database belongs to another release"
    fix: ClassVar[str] = (
        "Start the release that wrote {path} (schema {found}), or restore a backup."
    )

    path: str
    found: str


@dataclass(kw_only=True, eq=False, repr=False)
class StoreFull(StoreFailed):
    """There is no room for a commit. Nothing of it was kept; the next one is tried all the same."""

    code: ClassVar[str] = "SL-8006"
    title: ClassVar[str] = "The disk is full"
    fix: ClassVar[str] = "Free disk space; writes go on by themselves then: {problem}."


@dataclass(kw_only=True, eq=False, repr=False)
class StoreUnsure(StoreFailed):
    """The store was closed before the database could say whether it had made a commit.

    The commit stands or does not; whoever loads the rows again knows.
    """

    code: ClassVar[str] = "SL-8007"
    title: ClassVar[str] = "Whether a commit was made is not known yet"
    fix: ClassVar[str] = "Ask again with the same request id once the database answers: {problem}."


@dataclass(kw_only=True, eq=False, repr=False)
class StoreOwned(OurError):
    """Another process holds this store; two that sign from one store would contradict another."""

    code: ClassVar[str] = "SL-8008"
    title: ClassVar[str] = "Another process uses this database"
    fix: ClassVar[str] = (
        "Stop the other process ({holder}) that uses {database}, or give each a worker's name."
    )

    database: str
    holder: str


@dataclass(kw_only=True, eq=False, repr=False)
class StoreFenced(OurError):
    """Another process took this store over; nothing is written, hence nothing signed, any more."""

    code: ClassVar[str] = "SL-8009"
    title: ClassVar[str] = "Another process has taken this database over"
    fix: ClassVar[str] = "Stop this process: {database} belongs to another since its fence {fence}."

    database: str
    fence: int


@dataclass(kw_only=True, eq=False, repr=False)
class StoreCorrupt(OurError):
    """A row does not have the checksum that was written with it."""

    code: ClassVar[str] = "SL-8010"
    title: ClassVar[str] = "What is stored is not what was written"
    fix: ClassVar[str] = "Restore a backup of {database}, or copy the node's data anew: {place}."

    database: str
    place: str


@dataclass(kw_only=True, eq=False, repr=False)
class StoreMoved(OurError):
    """The store was moved; signing from the old database too would contradict the new one."""

    code: ClassVar[str] = "SL-8013"
    title: ClassVar[str] = "The database was moved"
    fix: ClassVar[str] = "Start with the database {where}: this one was moved there."

    where: str
