"""A routed call at one anchor (key = the action's idempotency key, hexadecimal): made once.

The fence guards it: an anchor makes no call for a lower fence than it has seen, and answers a
repeated request with what it has signed before.
"""

from dataclasses import dataclass

from node.core.election import NO_FENCE, Fence
from node.errors import FenceTooLow
from settlement.core.machine import Machine, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedState:
    """``reply`` is the encoded RouteReply of the newest concluded call, empty before."""

    fence: Fence = NO_FENCE
    reply: bytes = b""
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBegin:
    """A call is about to be made under this fence."""

    fence: Fence


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionConclude:
    """The call was made and this is the reply that was signed about it."""

    fence: Fence
    reply: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """Routing has no effects; the reply leaves after the step."""


RoutedEvent = ActionBegin | ActionConclude


def step(state: RoutedState, event: RoutedEvent, _now_ms: int) -> Transition[RoutedState, NoEffect]:
    """Take one event. Raises FenceTooLow."""
    if event.fence < state.fence:
        raise FenceTooLow(version=state.fence.version, attempt=state.fence.attempt)
    match event:
        case ActionBegin(fence=fence):
            reply = state.reply if fence == state.fence else b""
            return Transition(state=RoutedState(fence=fence, reply=reply, calls=state.calls))
        case ActionConclude(fence=fence, reply=reply):
            return Transition(state=RoutedState(fence=fence, reply=reply, calls=state.calls + 1))


ROUTED: Machine[RoutedState, RoutedEvent, NoEffect] = Machine(
    kind="routed",
    state_type=RoutedState,
    effect_types=(),
    initial=lambda _key: RoutedState(),
    step=step,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """What an anchor has seen of an executor (key = its address, hexadecimal): how often it
    needed an anchor, and how often the anchor's own call went through where its had failed."""

    routed: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedCallMade:
    """A call was made for the executor; ``answered`` says that it succeeded here."""

    answered: bool


def count(
    state: ServiceRecord, event: RoutedCallMade, _now_ms: int
) -> Transition[ServiceRecord, NoEffect]:
    """Count one routed call."""
    counted = ServiceRecord(routed=state.routed + 1, answered=state.answered + int(event.answered))
    return Transition(state=counted)


SERVICE_RECORD: Machine[ServiceRecord, RoutedCallMade, NoEffect] = Machine(
    kind="service_record",
    state_type=ServiceRecord,
    effect_types=(),
    initial=lambda _key: ServiceRecord(),
    step=count,
)
