"""What a durable store can refuse besides a conflict and a failed commit.

::

    OurError
    ├── StoreFailed         (settlement.errors) a commit did not reach the disk
    ├── RevisionConflict    (settlement.ports.store) another worker was first
    ├── StoreBusy           the queue of waiting commits is full
    ├── StoreUnreadable     a read failed
    └── SchemaUnknown       the file was written by another release
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import OurError


@dataclass(kw_only=True, eq=False, repr=False)
class StoreBusy(OurError):
    """More commits wait for the disk than the queue may hold; nothing was kept."""

    code: ClassVar[str] = "SL-8003"
    title: ClassVar[str] = "Too many commits are waiting for the disk"
    fix: ClassVar[str] = "Send the request again in a second: {waiting} commits are ahead of it."
    retryable: ClassVar[bool] = True

    waiting: int


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
