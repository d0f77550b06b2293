"""What the hub holds for the lanes of one node in one period: posted vouchers and direct claims.

Key ``{node}/{period}``. A machine of its own, beside the watched periods of the anchors: a network
has many lanes, and a node's are the ones that it must know all of.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Transition
from settlement.types import Address, Hash, Uint32, Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneMark:
    """An amount that the hub holds for a lane of the node and period."""

    signer: Address
    token_class: Hash
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneMarks:
    """One node's lanes of one period; a lane that is not named holds nothing."""

    node: Address
    period: Uint32
    posted: tuple[LaneMark, ...] = ()
    claimed: tuple[LaneMark, ...] = ()
    block: int = -1
    log_index: int = -1

    @property
    def position(self) -> tuple[int, int]:
        """The place of the newest event that was taken."""
        return self.block, self.log_index

    def posted_for(self, signer: Address, token_class: Hash) -> int:
        """What was posted for a lane."""
        return _amount(self.posted, signer, token_class)

    def claimed_for(self, signer: Address, token_class: Hash) -> int:
        """What a lane was paid directly."""
        return _amount(self.claimed, signer, token_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkEvent:
    """The place of an event on the chain."""

    block: int
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceivePosted(MarkEvent):
    """A lane's voucher was posted; its amount counts as acknowledged."""

    lane: LaneMark


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveClaimed(MarkEvent):
    """A lane was claimed directly, up to its amount in all."""

    lane: LaneMark


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveUnmarked(MarkEvent):
    """The chain replaced blocks: forget everything; what still stands is told again."""


def marks_key(node: Address, period: int) -> str:
    """``{node}/{period}``."""
    return f"{node.hex()}/{period}"


def initial_marks(key: str) -> LaneMarks:
    """Lanes of which the hub holds nothing."""
    node, period = key.split("/")
    return LaneMarks(node=Address(bytes.fromhex(node)), period=int(period))


def step(state: LaneMarks, event: MarkEvent, _now_ms: int) -> Transition[LaneMarks, None]:
    """Take one event; one that was taken before changes nothing."""
    if isinstance(event, ContractReceiveUnmarked):
        return Transition(state=LaneMarks(node=state.node, period=state.period))
    if (event.block, event.log_index) <= state.position:
        return Transition(state=state)
    moved = replace(state, block=event.block, log_index=event.log_index)
    match event:
        case ContractReceivePosted(lane=lane):
            return Transition(state=replace(moved, posted=_marked(state.posted, lane)))
        case ContractReceiveClaimed(lane=lane):
            return Transition(state=replace(moved, claimed=_marked(state.claimed, lane)))
        case _:
            return Transition(state=moved)


LANE_MARKS: Machine[LaneMarks, MarkEvent, None] = Machine(
    kind="marks", state_type=LaneMarks, effect_types=(), initial=initial_marks, step=step
)


def _marked(marks: tuple[LaneMark, ...], lane: LaneMark) -> tuple[LaneMark, ...]:
    name = (lane.signer, lane.token_class)
    return (*(mark for mark in marks if (mark.signer, mark.token_class) != name), lane)


def _amount(marks: tuple[LaneMark, ...], signer: Address, token_class: Hash) -> int:
    found = (m.amount for m in marks if (m.signer, m.token_class) == (signer, token_class))
    return next(found, 0)
