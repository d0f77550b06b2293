"""What one script costs at this node (key = the script's hash, hexadecimal), and who pays for it.

A read pays for its own run. Updates have no payer of their own: an attestation comes, every replica
runs the script, and integrations read what came of it. So what updates, actions and loading come
to is put on the script's *tab*, and priced reads bring it in: each carries a share, which is fixed
with its price for a whole period, from what earlier periods left and from how many reads they had,
and never more than the read costs by itself.

Measurements come in batches and only add up, so that workers which share a store agree.
"""

from dataclasses import dataclass, replace

from node.core.pricing import Gauge, Rates, Usage, bill_up
from settlement.core.machine import Machine, Transition
from settlement.types import Uint32, Uint128

_MOST: int = (1 << 127) - 1
PINS_KEPT = 2
"""Periods whose prices are remembered: the present one, and one that a late call may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A price for a period. ``share`` is the part of it that goes towards the tab."""

    period: Uint32
    name: str
    price: Uint128
    share: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Something counted in one period."""

    period: Uint32
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The most that one kind of run used, by period."""

    name: str
    gauge: Gauge


@dataclass(frozen=True, slots=True, kw_only=True)
class TabState:
    """``owed`` is what earlier periods left on the tab; ``added`` came on it in its period. Reads
    that were more than expected bring in more than is owed, which is then below zero, and pays for
    updates to come. ``reads`` are the paid reads of the newest periods, newest last."""

    measured: tuple[Measured, ...] = ()
    pins: tuple[Pin, ...] = ()
    owed: int = 0
    added: Count = Count(period=0, amount=0)
    reads: tuple[Count, ...] = ()

    def most(self, name: str, period: int) -> Usage | None:
        """The most that runs of this name used lately; None when there were none."""
        found = next((each.gauge for each in self.measured if each.name == name), Gauge())
        return found.most(period)

    def pin(self, period: int, name: str) -> Pin | None:
        """The price that was fixed."""
        return next((pin for pin in self.pins if (pin.period, pin.name) == (period, name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The most that runs of one name used in a batch."""

    name: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionMeasure:
    """What ran, since the last time, in ``period``: what it used, what it adds to the tab, how
    many reads were paid and what they brought in for it."""

    period: Uint32
    observed: tuple[Observed, ...] = ()
    added: Uint128 = 0
    paid_reads: Uint32 = 0
    brought_in: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPin:
    """Fix the price of ``name`` for ``period``, unless it is: at least ``floor``, else what the
    first of ``measured_as`` that ever ran used at most. ``carries`` says that it pays for updates
    too."""

    period: Uint32
    name: str
    measured_as: tuple[str, ...]
    floor: Uint128
    rates: Rates
    carries: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """A tab has no effects."""


TabEvent = ActionMeasure | ActionPin


def step(state: TabState, event: TabEvent, _now_ms: int) -> Transition[TabState, NoEffect]:
    """Take one event; none is refused."""
    match event:
        case ActionMeasure():
            return Transition(state=_with_measured(_in_period(state, event.period), event))
        case ActionPin() if state.pin(event.period, event.name) is not None:
            return Transition(state=state)
        case ActionPin():
            return Transition(state=_with_pin(_in_period(state, event.period), event))


def _in_period(state: TabState, period: int) -> TabState:
    """What was added in an earlier period is left by it now."""
    if period <= state.added.period:
        return state
    owed = min(_MOST, state.owed + state.added.amount)
    return replace(state, owed=owed, added=Count(period=period, amount=0))


def _with_measured(state: TabState, event: ActionMeasure) -> TabState:
    measured = {each.name: each.gauge for each in state.measured}
    for each in event.observed:
        gauge = measured.get(each.name, Gauge())
        measured[each.name] = gauge.observed(event.period, each.usage)
    added = min(_MOST, state.added.amount + event.added)
    return replace(
        state,
        measured=tuple(Measured(name=name, gauge=gauge) for name, gauge in measured.items()),
        owed=max(-_MOST, state.owed - event.brought_in),
        added=replace(state.added, amount=added),
        reads=_counted(state.reads, event.period, event.paid_reads),
    )


def _counted(counts: tuple[Count, ...], period: int, amount: int) -> tuple[Count, ...]:
    """With some more in a period; of the earlier ones the newest stays."""
    if not amount:
        return counts
    known = {each.period: each.amount for each in counts}
    known[period] = known.get(period, 0) + amount
    return tuple(Count(period=each, amount=known[each]) for each in sorted(known)[-PINS_KEPT:])


def _with_pin(state: TabState, event: ActionPin) -> TabState:
    found = (state.most(name, event.period) for name in event.measured_as)
    usage = next((usage for usage in found if usage is not None), None)
    own = max(event.floor, 0 if usage is None else bill_up(event.rates, usage))
    share = _share(state, event.period, own) if event.carries else 0
    pin = Pin(period=event.period, name=event.name, price=own + share, share=share)
    kept = tuple(each for each in state.pins if each.period > event.period - PINS_KEPT)
    return replace(state, pins=(*kept, pin))


def _share(state: TabState, period: int, own: int) -> int:
    """Of the tab, spread over as many reads as the newest earlier period with any had; at most
    ``own``, and nothing while no read was ever paid."""
    earlier = [each.amount for each in state.reads if each.period < period]
    return min(own, -(-max(0, state.owed) // earlier[-1])) if earlier else 0


TAB: Machine[TabState, TabEvent, NoEffect] = Machine(
    kind="tab",
    state_type=TabState,
    effect_types=(),
    initial=lambda _key: TabState(),
    step=step,
)
