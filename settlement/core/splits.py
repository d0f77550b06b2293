"""How the gross of a lane is split, to the last unit.

Source: ``contracts/libraries/Splits.sol``. Of gross G: protocol = ceil(G * p), of which
floor(protocol * b) is burnt and the rest is the treasury's; anchor = floor(G * a); issuer =
floor(G * s); the node gets what is left. p + a + s is at most 45 % by the parameters' bounds, so
the node's part is never negative.
"""

from dataclasses import dataclass

from settlement.types import BASIS_POINTS, Uint16, Uint128, unsigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The shares that hold for one period, in basis points."""

    protocol: Uint16
    burn: Uint16
    anchor: Uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The five parts of one gross amount; they sum to it exactly."""

    treasury: Uint128
    burnt: Uint128
    anchor: Uint128
    issuer: Uint128
    node: Uint128


def split(gross: int, shares: Shares, issuer_share: int) -> Split:
    """Split ``gross`` base units. Raises AmountOutOfRange where it does not fit uint128."""
    unsigned(gross, 128, "gross")
    protocol = share_up(gross, shares.protocol)
    burnt = share_down(protocol, shares.burn)
    anchor = share_down(gross, shares.anchor)
    issuer = share_down(gross, issuer_share)
    return Split(
        treasury=protocol - burnt,
        burnt=burnt,
        anchor=anchor,
        issuer=issuer,
        node=unsigned(gross - protocol - anchor - issuer, 128, "the node's part"),
    )


def share_up(amount: int, basis_points: int) -> int:
    """ceil(amount * share)."""
    return -(-amount * basis_points // BASIS_POINTS)


def share_down(amount: int, basis_points: int) -> int:
    """floor(amount * share)."""
    return amount * basis_points // BASIS_POINTS
