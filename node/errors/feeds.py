"""Attesters' feeds (SL-51xx)."""

from dataclasses import dataclass
from typing import ClassVar

from node.errors.network import NetworkError


@dataclass(kw_only=True, eq=False, repr=False)
class FeedError(NetworkError):
    """An entry of an attester's feed was refused."""

    code: ClassVar[str] = "SL-5129"
    title: ClassVar[str] = "The feed refused"


@dataclass(kw_only=True, eq=False, repr=False)
class FeedEntryInvalid(FeedError):
    """An entry that cannot be its attester's."""

    code: ClassVar[str] = "SL-5130"
    title: ClassVar[str] = "The feed entry is not valid"
    fix: ClassVar[str] = "Drop it, and ask another peer for {sequence}: {problem}."

    sequence: int
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FeedFrozen(FeedError):
    """The attester has forked its feed; nothing more is taken from it."""

    code: ClassVar[str] = "SL-5131"
    title: ClassVar[str] = "The feed is forked and frozen"
    fix: ClassVar[str] = (
        "The attester must begin a new epoch and answer for its fork at {sequence}."
    )

    sequence: int


@dataclass(kw_only=True, eq=False, repr=False)
class ForkUnproven(FeedError):
    """Two entries that are no fork."""

    code: ClassVar[str] = "SL-5132"
    title: ClassVar[str] = "This is no fork"
    fix: ClassVar[str] = "Show two entries that one attester signed and that contradict: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FeedUnwanted(FeedError):
    """No script of a rented class subscribes to the feed; nobody pays for keeping it."""

    code: ClassVar[str] = "SL-5133"
    title: ClassVar[str] = "Nobody subscribes to the feed"
    fix: ClassVar[str] = (
        "Publish a script that subscribes to {topic} of {attester}, and pay its rent: {problem}."
    )

    attester: bytes
    topic: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FeedLimitReached(FeedError):
    """More feeds, or more entries of one feed in a minute, than a node takes."""

    code: ClassVar[str] = "SL-5134"
    title: ClassVar[str] = "The feed has reached a limit"
    fix: ClassVar[str] = "Wait for a minute and push it again: {problem}."
    retryable: ClassVar[bool] = True

    problem: str
