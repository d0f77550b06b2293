"""What can be wrong with a sandbox of ours, as opposed to a script."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import OurError


@dataclass(kw_only=True, eq=False, repr=False)
class SandboxBroken(OurError):
    """The sandbox cannot start: its engine file or its worker process is not as it should be."""

    code: ClassVar[str] = "SL-8301"
    title: ClassVar[str] = "The sandbox cannot start"
    fix: ClassVar[str] = "Install the package again, or free memory and processes: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class SandboxBusy(OurError):
    """More runs wait than this node is set to keep; another node, or later, will do."""

    code: ClassVar[str] = "SL-8302"
    title: ClassVar[str] = "The sandbox is busy"
    fix: ClassVar[str] = "Try again, or ask another replica: {waiting} runs are waiting."
    retryable: ClassVar[bool] = True

    waiting: int


@dataclass(kw_only=True, eq=False, repr=False)
class BubblewrapFails(OurError):
    """Bubblewrap is installed and cannot make a bubble, often because the kernel gives users no
    namespaces of their own. Workers still have their limits and their system-call filter."""

    code: ClassVar[str] = "SL-8303"
    title: ClassVar[str] = "Bubblewrap does not work here"
    fix: ClassVar[str] = "Allow user namespaces, or remove {program}: {problem}."

    program: str
    problem: str
