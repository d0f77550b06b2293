"""Tokens' journals (SL-51xx)."""

from dataclasses import dataclass
from typing import ClassVar

from node.errors.network import NetworkError


@dataclass(kw_only=True, eq=False, repr=False)
class JournalError(NetworkError):
    """An input or an entry of a token's journal was refused."""

    code: ClassVar[str] = "SL-5139"
    title: ClassVar[str] = "The journal refused"


@dataclass(kw_only=True, eq=False, repr=False)
class InputInvalid(JournalError):
    """An input that cannot be read, or is not what it says it is."""

    code: ClassVar[str] = "SL-5140"
    title: ClassVar[str] = "The input is not valid"
    fix: ClassVar[str] = "Correct the input: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class InputNotDeclared(JournalError):
    """The token script does not ask for this."""

    code: ClassVar[str] = "SL-5141"
    title: ClassVar[str] = "The script does not declare this input"
    fix: ClassVar[str] = "Declare it in the service part of the script: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class InputStale(JournalError):
    """An input of the same strand and place, or a later one, has been journalled."""

    code: ClassVar[str] = "SL-5142"
    title: ClassVar[str] = "The input has had its turn"
    fix: ClassVar[str] = "Nothing to do: {strand} is at {next}, past {place}."

    strand: str
    place: int
    next: int


@dataclass(kw_only=True, eq=False, repr=False)
class InputOutOfOrder(JournalError):
    """The executor leaves out an input that this replica holds."""

    code: ClassVar[str] = "SL-5143"
    title: ClassVar[str] = "An earlier input comes first"
    fix: ClassVar[str] = "Propose {place} of {strand} first."

    strand: str
    place: int


@dataclass(kw_only=True, eq=False, repr=False)
class QueueFull(JournalError):
    """Too many inputs wait at this token."""

    code: ClassVar[str] = "SL-5144"
    title: ClassVar[str] = "Too many inputs wait"
    fix: ClassVar[str] = "Send the input again later; {waiting} wait."
    retryable: ClassVar[bool] = True

    waiting: int


@dataclass(kw_only=True, eq=False, repr=False)
class NotActive(JournalError):
    """The token is not held here, or this replica has stopped."""

    code: ClassVar[str] = "SL-5150"
    title: ClassVar[str] = "The token is not active here"
    fix: ClassVar[str] = "Ask another replica; this one is {phase}."

    phase: str


@dataclass(kw_only=True, eq=False, repr=False)
class LeaseMissing(JournalError):
    """This node may not write now."""

    code: ClassVar[str] = "SL-5151"
    title: ClassVar[str] = "There is no lease to act under"
    fix: ClassVar[str] = "Wait for a lease: {problem}."
    retryable: ClassVar[bool] = True

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMoved(JournalError):
    """The token moved on while the input ran."""

    code: ClassVar[str] = "SL-5152"
    title: ClassVar[str] = "The run is on an older state"
    fix: ClassVar[str] = "Run the input again on version {version}."
    retryable: ClassVar[bool] = True

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class JournalBehind(JournalError):
    """This replica has to catch up first."""

    code: ClassVar[str] = "SL-5153"
    title: ClassVar[str] = "Earlier entries are missing"
    fix: ClassVar[str] = "Send the entries from {needed} on; {given} cannot be applied yet."
    retryable: ClassVar[bool] = True

    needed: int
    given: int


@dataclass(kw_only=True, eq=False, repr=False)
class AlreadyCommitted(JournalError):
    """The version has been committed already."""

    code: ClassVar[str] = "SL-5154"
    title: ClassVar[str] = "The version is committed already"
    fix: ClassVar[str] = "Nothing to do: the token is at version {version}."

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class ProposalInvalid(JournalError):
    """An entry that its lease, its time or its place in the journal does not allow."""

    code: ClassVar[str] = "SL-5155"
    title: ClassVar[str] = "The proposal is not valid"
    fix: ClassVar[str] = "Correct the entry: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class EntryUnknown(JournalError):
    """A co-signature of an entry that is not proposed now."""

    code: ClassVar[str] = "SL-5156"
    title: ClassVar[str] = "No such entry is proposed"
    fix: ClassVar[str] = "Nothing to do: the entry of version {version} was replaced."

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class CommitInvalid(JournalError):
    """Signatures that are no majority of the holders."""

    code: ClassVar[str] = "SL-5157"
    title: ClassVar[str] = "The commit is not valid"
    fix: ClassVar[str] = "Show the signatures of a majority of the holders: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class RunDiffers(JournalError):
    """This replica's own run gives another outcome; evidence is logged."""

    code: ClassVar[str] = "SL-5158"
    title: ClassVar[str] = "The outcome is another one here"
    fix: ClassVar[str] = "Compare both runs of version {version}: {proposed}, here {own}."

    version: int
    proposed: bytes
    own: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class ActionUnknown(JournalError):
    """No such action is open, or not for this node to perform."""

    code: ClassVar[str] = "SL-5159"
    title: ClassVar[str] = "The action is not open"
    fix: ClassVar[str] = "Nothing to do: it is settled, or another node performs it: {problem}."

    problem: str
