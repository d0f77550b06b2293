"""The error tree of Smart Layer; every error that leaves a room is one of these.

::

    SmartLayerError
    ├── InputError        a caller sent something that cannot be read or is out of range
    ├── PeerError         a peer broke a rule of the protocol (it signed, or failed to sign)
    │   ├── PaymentError      vouchers, statements, leases (SL-2xxx)
    │   └── (node.errors)     access, tokens, links, elections (SL-3xxx to SL-6xxx)
    ├── ChainError        the chain, or the RPC endpoint that shows it (SL-7xxx)
    └── OurError          this process: its store, its configuration, a bug (SL-8xxx, SL-9xxx)

An error carries fields, not prose: its ``code`` is stable, ``title`` names the rule, ``fix`` says
in one sentence what to do about it (``str.format`` over the fields), ``retryable`` says whether
the same request may succeed later. None of them derives from ``ValueError``.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import ClassVar


class Party(StrEnum):
    """Who broke the rule."""

    CALLER = "caller"
    PEER = "peer"
    CHAIN = "chain"
    US = "us"


@dataclass(kw_only=True, eq=False, repr=False)
class SmartLayerError(Exception):
    """Root of the tree. Subclasses are dataclasses; their fields are the evidence."""

    code: ClassVar[str] = "SL-9000"
    title: ClassVar[str] = "Unclassified failure"
    fix: ClassVar[str] = "Report this with the log of the process that raised it."
    party: ClassVar[Party] = Party.US
    retryable: ClassVar[bool] = False

    def details(self) -> dict[str, str | int | bool | None]:
        """The error's fields as JSON values; bytes become 0x-prefixed hex."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def advice(self) -> str:
        """The sentence with the fix, filled in from the fields."""
        return self.fix.format(**self.details())

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.details().items())
        return f"{self.code} {self.title}" + (f" ({shown})" if shown else "")


def _plain(value: object) -> str | int | bool | None:
    match value:
        case bytes():
            return "0x" + value.hex()
        case bool() | int() | str() | None:
            return value
        case _:
            return str(value)


@dataclass(kw_only=True, eq=False, repr=False)
class InputError(SmartLayerError):
    """Something from outside cannot be parsed: a request, a file, a flag."""

    code: ClassVar[str] = "SL-1000"
    title: ClassVar[str] = "The input cannot be read"
    fix: ClassVar[str] = "Correct {where}: {problem}."
    party: ClassVar[Party] = Party.CALLER

    where: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AmountOutOfRange(InputError):
    """An integer does not fit the width that the protocol gives it."""

    code: ClassVar[str] = "SL-1001"
    title: ClassVar[str] = "A number does not fit its width"


@dataclass(kw_only=True, eq=False, repr=False)
class PeerError(SmartLayerError):
    """A peer broke a rule of the protocol."""

    code: ClassVar[str] = "SL-5000"
    title: ClassVar[str] = "A peer broke the protocol"
    party: ClassVar[Party] = Party.PEER


@dataclass(kw_only=True, eq=False, repr=False)
class SignatureInvalid(PeerError):
    """A signature is malformed, malleable (high s, odd v), or by another key than it must be."""

    code: ClassVar[str] = "SL-1002"
    title: ClassVar[str] = "The signature is not valid"
    fix: ClassVar[str] = "Sign the {message} again with the expected key: {problem}."

    message: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class PaymentError(PeerError):
    """A voucher, statement or lease was refused. Nothing was charged."""

    code: ClassVar[str] = "SL-2000"
    title: ClassVar[str] = "The payment was refused"


@dataclass(kw_only=True, eq=False, repr=False)
class ChainError(SmartLayerError):
    """The chain refused a call, or its RPC endpoint cannot be trusted or reached."""

    code: ClassVar[str] = "SL-7000"
    title: ClassVar[str] = "The chain refused"
    party: ClassVar[Party] = Party.CHAIN


@dataclass(kw_only=True, eq=False, repr=False)
class OurError(SmartLayerError):
    """This process cannot go on as asked: its store, its configuration or a bug."""

    code: ClassVar[str] = "SL-8000"
    title: ClassVar[str] = "This node failed"


@dataclass(kw_only=True, eq=False, repr=False)
class StoreFailed(OurError):
    """A commit did not reach the disk; the process refuses further writes until restarted."""

    code: ClassVar[str] = "SL-8001"
    title: ClassVar[str] = "The store refused a commit"
    fix: ClassVar[str] = "Free disk space or repair the database, then restart: {problem}."
    retryable: ClassVar[bool] = True

    problem: str
