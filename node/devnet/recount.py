"""The month's payouts counted again, by other code than the anchor's.

Plain rational arithmetic over the lanes that the integration signed, so that an error in the
payout builder cannot hide in its own check.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor

from settlement.core.statements import LaneAmount
from settlement.ports.chain_records import Terms
from settlement.types import ZERO_ADDRESS, Address

WHOLE = 10_000


def recount(
    lanes: Sequence[LaneAmount],
    terms: Terms,
    issuer_share: int,
    accounts: Mapping[Address, Address],
    issuer: Address,
    anchor: Address,
) -> dict[Address, int]:
    """Base units by account; the zero account's part is burnt.

    ``accounts`` maps a node's key to its payout account. Of each lane the protocol's part is
    rounded up, the anchor's and the issuer's down, and its node gets what is left; of the
    protocol's part, the burnt share is rounded down.
    """
    due: dict[Address, int] = defaultdict(int)
    for lane in lanes:
        gross = Fraction(lane.amount)
        protocol = ceil(gross * terms.protocol_share / WHOLE)
        burnt = floor(Fraction(protocol) * terms.burn_share / WHOLE)
        to_anchor = floor(gross * terms.anchor_share / WHOLE)
        to_issuer = floor(gross * issuer_share / WHOLE)
        due[ZERO_ADDRESS] += burnt
        due[terms.treasury] += protocol - burnt
        due[anchor] += to_anchor
        due[issuer] += to_issuer
        due[accounts[lane.node]] += lane.amount - protocol - to_anchor - to_issuer
    return dict(due)
