"""A cooperative close as the anchor carries it out: agreed, sent, seen on chain.

The anchor signs once for each channel-period, after it sealed the channel's ledger: no lease is
given any more, and the final amount covers all that were.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from settlement.core.machine import Machine, Transition
from settlement.core.refusals import CloseRefused
from settlement.protocol.messages import Close
from settlement.types import Address, Signature, Uint32, Uint64, Uint128


class ClosingStage(StrEnum):
    """Where a close stands. A FAILED one may be agreed on again."""

    NONE = "none"
    SENT = "sent"
    CLOSED = "closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingState:
    """One channel-period's close; the hub takes it until ``deadline`` (unix seconds)."""

    signer: Address
    period: Uint32
    stage: ClosingStage = ClosingStage.NONE
    final_amount: Uint128 = 0
    deadline: Uint64 = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionClose:
    """Both ends agreed: the payer's signature was checked, the anchor's is its own."""

    agreement: Close
    payer: Signature
    anchor: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveClose:
    """The hub closed the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRefusal:
    """The hub refused the close for good."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendClose:
    """Send the agreement to the hub."""

    agreement: Close
    payer: Signature
    anchor: Signature


ClosingEvent = ActionClose | ContractReceiveClose | ContractReceiveRefusal


def closing_key(signer: Address, period: int) -> str:
    """``{signer}/{period}``."""
    return f"{signer.hex()}/{period}"


def initial_closing(key: str) -> ClosingState:
    """A channel-period that nobody asked to close."""
    signer, period = key.split("/")
    return ClosingState(signer=Address(bytes.fromhex(signer)), period=int(period))


def step(
    state: ClosingState, event: ClosingEvent, _now_ms: int
) -> Transition[ClosingState, ContractSendClose]:
    """Send an agreement once; the same one again changes nothing. Raises CloseRefused for another
    agreement while one is under way."""
    match event:
        case ContractReceiveClose():
            return Transition(state=replace(state, stage=ClosingStage.CLOSED))
        case ContractReceiveRefusal(problem=problem):
            if state.stage is ClosingStage.CLOSED:
                return Transition(state=state)
            return Transition(state=replace(state, stage=ClosingStage.FAILED, problem=problem))
        case ActionClose(agreement=agreement):
            same = (agreement.final_amount, agreement.deadline) == (
                state.final_amount,
                state.deadline,
            )
            if state.stage in (ClosingStage.SENT, ClosingStage.CLOSED):
                if same:
                    return Transition(state=state)
                raise CloseRefused(problem="another agreement is under way")
            moved = replace(
                state,
                stage=ClosingStage.SENT,
                final_amount=agreement.final_amount,
                deadline=agreement.deadline,
                problem="",
            )
            sent = ContractSendClose(agreement=agreement, payer=event.payer, anchor=event.anchor)
            return Transition(state=moved, effects=(sent,))


CLOSING: Machine[ClosingState, ClosingEvent, ContractSendClose] = Machine(
    kind="closing",
    state_type=ClosingState,
    effect_types=(ContractSendClose,),
    initial=initial_closing,
    step=step,
)
