"""Runs and effects of scripts (SL-6xxx)."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, SmartLayerError


@dataclass(kw_only=True, eq=False, repr=False)
class SandboxError(SmartLayerError):
    """A run of a script gave no result."""

    code: ClassVar[str] = "SL-6000"
    title: ClassVar[str] = "The script did not run"
    party: ClassVar[Party] = Party.PEER


@dataclass(kw_only=True, eq=False, repr=False)
class RunFailed(SandboxError):
    """This node could not finish a run; another one, or this one later, may."""

    code: ClassVar[str] = "SL-6010"
    title: ClassVar[str] = "The script could not be run here"
    fix: ClassVar[str] = "Ask another replica, or this one again: {status}, {problem}."
    party: ClassVar[Party] = Party.US
    retryable: ClassVar[bool] = True

    status: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class EffectError(SmartLayerError):
    """An effect that a script asked for was refused or failed."""

    code: ClassVar[str] = "SL-6500"
    title: ClassVar[str] = "The effect failed"
    party: ClassVar[Party] = Party.PEER


@dataclass(kw_only=True, eq=False, repr=False)
class EffectRefused(EffectError):
    """A script asked for something that its own signed declarations do not allow."""

    code: ClassVar[str] = "SL-6501"
    title: ClassVar[str] = "The effect is not allowed"
    fix: ClassVar[str] = "Declare it in the script's service part: {problem}."

    problem: str
