"""Evidence that another node handed over: what it was promised in a lane, and by whom it is owed.

Bounded by whoever takes it in; only ever grows, so that an old copy takes nothing back.
"""

from dataclasses import dataclass, replace

from settlement.core.lane import LaneState
from settlement.core.machine import Machine, Transition
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.types import Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveEvidence:
    """A lane's voucher and its acknowledgement; both signatures were checked."""

    voucher: SignedVoucher
    acknowledgement: SignedAcknowledgement


def watched_key(node: Address, period: int, signer: Address, token_class: Hash) -> str:
    """``{node}/{period}/{signer}/{class}``: the lanes of one node stand together."""
    return f"{node.hex()}/{period}/{signer.hex()}/{token_class.hex()}"


def initial_watched(key: str) -> LaneState:
    """A lane of which nothing was handed over."""
    node, period, signer, token_class = key.split("/")
    return LaneState(
        signer=Address(bytes.fromhex(signer)),
        period=int(period),
        node=Address(bytes.fromhex(node)),
        token_class=Hash(bytes.fromhex(token_class)),
    )


def step(state: LaneState, event: ReceiveEvidence, _now_ms: int) -> Transition[LaneState, None]:
    """Take what is newer than what is held; the rest changes nothing."""
    voucher, acknowledgement = event.voucher.message, event.acknowledgement.message
    moved = state
    if voucher.cumulative > moved.highest:
        moved = replace(moved, highest=voucher.cumulative, signature=event.voucher.signature)
    known = (moved.acknowledged, moved.lease_cap)
    given = (acknowledgement.acknowledged, acknowledgement.lease_cap)
    if given != known and given[0] >= known[0] and given[1] >= known[1]:
        moved = replace(
            moved,
            acknowledged=given[0],
            lease_cap=given[1],
            acknowledgement=event.acknowledgement.signature,
        )
    return Transition(state=moved)


WATCHED: Machine[LaneState, ReceiveEvidence, None] = Machine(
    kind="watched", state_type=LaneState, effect_types=(), initial=initial_watched, step=step
)
