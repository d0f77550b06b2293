"""Votes and leases (SL-51xx)."""

from dataclasses import dataclass
from typing import ClassVar

from node.errors.network import NetworkError


@dataclass(kw_only=True, eq=False, repr=False)
class ElectionError(NetworkError):
    """A vote or a lease was refused."""

    code: ClassVar[str] = "SL-5109"
    title: ClassVar[str] = "The election refused"


@dataclass(kw_only=True, eq=False, repr=False)
class NotElected(ElectionError):
    """Another holder is the winner of this window."""

    code: ClassVar[str] = "SL-5110"
    title: ClassVar[str] = "Another node is elected"
    fix: ClassVar[str] = "Wait for a window that {asker} wins; {winner} has won this one."

    asker: bytes
    winner: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class WrongWindow(ElectionError):
    """The attempt is not the one that the trigger's time gives now."""

    code: ClassVar[str] = "SL-5111"
    title: ClassVar[str] = "It is not the time of this attempt"
    fix: ClassVar[str] = "Ask in the window of the attempt: now it is {current}, not {attempt}."
    retryable: ClassVar[bool] = True

    attempt: int
    current: int


@dataclass(kw_only=True, eq=False, repr=False)
class WindowClosing(ElectionError):
    """Too little of the window is left to act in it."""

    code: ClassVar[str] = "SL-5112"
    title: ClassVar[str] = "The window is about to close"
    fix: ClassVar[str] = "Ask in the next window; this one ends at {end}."
    retryable: ClassVar[bool] = True

    end: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class TriggerUnknown(ElectionError):
    """The trigger is not in this anchor's log."""

    code: ClassVar[str] = "SL-5113"
    title: ClassVar[str] = "The trigger is not known here"
    fix: ClassVar[str] = "Push the entry {trigger} to this anchor first."
    retryable: ClassVar[bool] = True

    trigger: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class TriggerTimeWrong(ElectionError):
    """The trigger's time (milliseconds) is in the future or not the one logged."""

    code: ClassVar[str] = "SL-5114"
    title: ClassVar[str] = "The time of the trigger is wrong"
    fix: ClassVar[str] = "Set the clock, or name the logged time {logged} instead of {time}."

    time: int
    logged: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class TriggerTooOld(ElectionError):
    """So many windows have passed since the trigger that nobody is elected by it any more."""

    code: ClassVar[str] = "SL-5108"
    title: ClassVar[str] = "The trigger is too old"
    fix: ClassVar[str] = "Wait for a newer trigger: attempt {attempt} is beyond {most}."

    attempt: int
    most: int


@dataclass(kw_only=True, eq=False, repr=False)
class FenceTooLow(ElectionError):
    """A higher fence (version, attempt) has been promised or voted for."""

    code: ClassVar[str] = "SL-5115"
    title: ClassVar[str] = "A newer lease has been seen"
    fix: ClassVar[str] = "Ask for a lease above ({version}, {attempt})."

    version: int
    attempt: int


@dataclass(kw_only=True, eq=False, repr=False)
class LeaseHeld(ElectionError):
    """Another node may still hold a lease."""

    code: ClassVar[str] = "SL-5116"
    title: ClassVar[str] = "Another lease is open"
    fix: ClassVar[str] = "Ask again after {until}; {executor} may act until then."
    retryable: ClassVar[bool] = True

    executor: bytes
    until: int


@dataclass(kw_only=True, eq=False, repr=False)
class AlreadyVoted(ElectionError):
    """This anchor has cast another vote on the same fence."""

    code: ClassVar[str] = "SL-5117"
    title: ClassVar[str] = "The vote on this fence is cast"
    fix: ClassVar[str] = "Ask in the next window."
    retryable: ClassVar[bool] = True

    trigger: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class CertificateInvalid(ElectionError):
    """Votes that do not make a lease."""

    code: ClassVar[str] = "SL-5118"
    title: ClassVar[str] = "The lease is not certified"
    fix: ClassVar[str] = "Collect the votes of a quorum of anchors: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class VersionUnproven(ElectionError):
    """The version asked for does not follow from a committed entry."""

    code: ClassVar[str] = "SL-5119"
    title: ClassVar[str] = "The version is not proven"
    fix: ClassVar[str] = "Send the newest commit with the signatures of its majority: {problem}."

    problem: str
