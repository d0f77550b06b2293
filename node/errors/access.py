"""Grants and calls that are refused before anything is read or charged (SL-3xxx)."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, PeerError


@dataclass(kw_only=True, eq=False, repr=False)
class AccessError(PeerError):
    """A call was refused before anything was read or charged."""

    code: ClassVar[str] = "SL-3000"
    title: ClassVar[str] = "Access was refused"
    party: ClassVar[Party] = Party.CALLER


@dataclass(kw_only=True, eq=False, repr=False)
class GrantMissing(AccessError):
    """No grant came with a call that needs one."""

    code: ClassVar[str] = "SL-3001"
    title: ClassVar[str] = "A grant of the holder is needed"
    fix: ClassVar[str] = "Ask the holder of {token} to grant the interface {interface}."

    token: bytes
    interface: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantExpired(AccessError):
    """The grant's time is over (milliseconds)."""

    code: ClassVar[str] = "SL-3002"
    title: ClassVar[str] = "The grant has expired"
    fix: ClassVar[str] = "Ask the holder for a new grant: this one ended at {expires}."

    expires: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class GrantNotForYou(AccessError):
    """The grant names another token or another integration."""

    code: ClassVar[str] = "SL-3003"
    title: ClassVar[str] = "The grant is for somebody else"
    fix: ClassVar[str] = "Send the grant for this {what}: {expected}, not {found}."

    what: str
    found: bytes
    expected: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class GrantForged(AccessError):
    """The grant is not signed by the holder that the chain shows."""

    code: ClassVar[str] = "SL-3004"
    title: ClassVar[str] = "The grant is not by the holder"
    fix: ClassVar[str] = "Have the present holder sign the grant: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantInterface(AccessError):
    """The grant does not name the interface that was called."""

    code: ClassVar[str] = "SL-3005"
    title: ClassVar[str] = "The grant does not cover this interface"
    fix: ClassVar[str] = "Ask the holder to grant {interface}; the grant has {granted}."

    interface: str
    granted: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantRevoked(AccessError):
    """The holder has withdrawn the grant."""

    code: ClassVar[str] = "SL-3006"
    title: ClassVar[str] = "The grant was revoked"
    fix: ClassVar[str] = "Ask the holder for a new grant."


@dataclass(kw_only=True, eq=False, repr=False)
class InterfaceUnknown(AccessError):
    """The token's script has no such read."""

    code: ClassVar[str] = "SL-3020"
    title: ClassVar[str] = "The token has no such interface"
    fix: ClassVar[str] = "Ask for one of: {known}; there is no {interface}."

    interface: str
    known: str


@dataclass(kw_only=True, eq=False, repr=False)
class PaymentMissing(AccessError):
    """A priced call came without a voucher."""

    code: ClassVar[str] = "SL-3021"
    title: ClassVar[str] = "This call must be paid for"
    fix: ClassVar[str] = "Send a voucher that covers {price} base units for {interface}."

    interface: str
    price: int


@dataclass(kw_only=True, eq=False, repr=False)
class RentSuspended(AccessError):
    """Nobody paid the class's rent for so long that nodes stopped serving it; its state is kept."""

    code: ClassVar[str] = "SL-3023"
    title: ClassVar[str] = "The token's class is suspended"
    fix: ClassVar[str] = (
        "Start the rent of class {token_class} again, as anybody may; it ended at {expiry} and its "
        "grace at {suspended_at} (unix seconds)."
    )

    token_class: bytes
    expiry: int
    suspended_at: int


@dataclass(kw_only=True, eq=False, repr=False)
class ReadFailed(AccessError):
    """The script's read ended without a result; nothing was charged."""

    code: ClassVar[str] = "SL-3022"
    title: ClassVar[str] = "The token's script gave no result"
    fix: ClassVar[str] = "Tell the token's issuer: {interface} ended with {status}, {problem}."

    interface: str
    status: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FailuresUsedUp(AccessError):
    """So many reads of this session key ended without a result, unpaid, that no more are run of an
    interface that failed it; nothing was charged."""

    code: ClassVar[str] = "SL-3024"
    title: ClassVar[str] = "Too many reads gave no result"
    fix: ClassVar[str] = (
        "Ask another node, read other interfaces, or wait for the end of period {period}: {failed} "
        "reads failed unpaid, {interface} among them, and each paid read makes good for one."
    )

    interface: str
    failed: int
    period: int
