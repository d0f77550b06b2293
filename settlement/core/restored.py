"""What a store that was restored from a backup may still be trusted with.

Its owner has signed things since the backup that it does not remember. Promises of a payer are
cumulative, so that the next one repeats them all; what a node charged since is lost at most. An
anchor is another matter: leases that it forgot would be given again, and a statement drafted from
what it remembers would pay nodes less than it has acknowledged, for which it would be slashed. So a
restored anchor promises nothing in the periods that it may have forgotten something of, and leaves
their channels to the nodes' direct claims; from the next period on it is as good as new, and counts
the whole deposit as leased until those periods are over.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from settlement.core.machine import Machine, Transition
from settlement.errors import PaymentError

RESTORED_KEY = "store"


@dataclass(kw_only=True, eq=False, repr=False)
class AnchorRestored(PaymentError):
    """The anchor was restored from a backup and does not know all that it has signed."""

    code: ClassVar[str] = "SL-2040"
    title: ClassVar[str] = "The anchor was restored from a backup"
    fix: ClassVar[str] = (
        "Claim period {period} directly; the anchor promises again from period {trusted_from} on."
    )

    period: int
    trusted_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredState:
    """``restored_at_ms``: when a backup last became this store, 0 if never. ``seen_at_ms``: the
    restoration that ``trusted_from``, the first period that nothing can be missing of, is for."""

    restored_at_ms: int = 0
    seen_at_ms: int = 0
    trusted_from: int = 0

    @property
    def unseen(self) -> bool:
        """Whether it is not settled yet which periods a restoration concerns."""
        return self.restored_at_ms != self.seen_at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSeen:
    """The first look at the chain's period after a restoration."""

    period: int


def step(state: RestoredState, event: ActionSeen, _now_ms: int) -> Transition[RestoredState, None]:
    """Settle which periods are concerned: those up to the one that the chain is in."""
    if not state.unseen:
        return Transition(state=state)
    return Transition(
        state=replace(state, seen_at_ms=state.restored_at_ms, trusted_from=event.period + 1)
    )


RESTORED: Machine[RestoredState, ActionSeen, None] = Machine(
    kind="restored",
    state_type=RestoredState,
    effect_types=(),
    initial=lambda _key: RestoredState(),
    step=step,
)
