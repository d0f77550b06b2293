"""One record of the anchors' hash table: where a token lives, as the newest valid word says.

Key: the token in hexadecimal. Every home and holder steps the same records to the same state in
whatever order they arrive: the higher version wins, and of two on one version the lower hash.
"""

from dataclasses import dataclass

from node.core.placement import verify_announcement
from node.errors import PlacementInvalid
from node.protocol.frames import PlacementAnnounce
from settlement.core.machine import Machine, Transition
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """The newest record, or None before the first."""

    record: PlacementAnnounce | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveRecord:
    """A record arrived, or was made here. ``anchors`` are those whose signature counts."""

    record: PlacementAnnounce
    domain: Domain
    anchors: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverPlacement:
    """Effect: tell the services of this node that a token lives elsewhere than it did."""

    record: PlacementAnnounce


def record_key(token: Hash) -> str:
    """The machine's key for a token."""
    return token.hex()


def newer(one: PlacementAnnounce, other: PlacementAnnounce | None) -> bool:
    """Whether ``one`` replaces ``other``."""
    if other is None:
        return True
    if one.placement.version != other.placement.version:
        return one.placement.version > other.placement.version
    return one.placement.struct_hash() < other.placement.struct_hash()


def step_record(
    state: RecordState, event: ReceiveRecord, _now_ms: int
) -> Transition[RecordState, DeliverPlacement]:
    """Keep the record if it is newer. Raises PlacementInvalid or SignatureInvalid."""
    found = event.record
    verify_announcement(event.domain, found.placement, found.anchor, found.signature, event.anchors)
    if state.record is not None and state.record.placement.token != found.placement.token:
        raise PlacementInvalid(problem="it is of another token")
    if not newer(found, state.record):
        return Transition(state=state)
    return Transition(state=RecordState(record=found), effects=(DeliverPlacement(record=found),))


RECORDS: Machine[RecordState, ReceiveRecord, DeliverPlacement] = Machine(
    kind="placement",
    state_type=RecordState,
    effect_types=(DeliverPlacement,),
    initial=lambda _key: RecordState(),
    step=step_record,
)
