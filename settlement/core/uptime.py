"""How much a node held and how well it answered, as one anchor measured it in one period.

An anchor looks at nodes at times that they cannot foresee. Each look at a node and a class counts
how many instances were placed there and how many of the asked ones it could show. From the looks
of a period follow the numbers of an UptimeAcknowledgement: the average number of instances, and
the part of the questions that were answered, in basis points, both rounded down.

Every anchor measures for itself, so numbers differ a little. A node claims one pair of numbers for
a class, and an anchor signs what is not above its own: :func:`best_claim` finds the claim that pays
best among those that enough anchors will sign. Source of the rule that a third of the anchors and
one more must sign: ``contracts/interfaces/IRentVault.sol``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from settlement.core.machine import Machine, Transition
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.types import Address, Hash, Uint32, Uint64

WHOLE: Final = 10_000
"""Basis points of a node that answered every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassUptime:
    """One class at one node. ``placed`` is the sum, over all ``looks``, of the instances that were
    placed there; ``shown`` of the ``asked`` ones were there."""

    token_class: Hash
    looks: Uint64
    placed: Uint64
    asked: Uint64
    shown: Uint64

    @property
    def instances(self) -> int:
        """The average number of instances, rounded down."""
        return self.placed // self.looks if self.looks else 0

    @property
    def availability(self) -> int:
        """The part of the asked instances that were there, in basis points, rounded down."""
        return WHOLE * self.shown // self.asked if self.asked else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimeState:
    """What an anchor measured of one node in one period, by class."""

    period: Uint32
    node: Address
    classes: tuple[ClassUptime, ...] = ()

    def of(self, token_class: Hash) -> ClassUptime:
        """One class, all zeros where it was never looked at."""
        empty = ClassUptime(token_class=token_class, looks=0, placed=0, asked=0, shown=0)
        return next((each for each in self.classes if each.token_class == token_class), empty)

    def acknowledgements(self) -> tuple[UptimeAcknowledgement, ...]:
        """What follows from the looks, for every class that the node held at all."""
        return tuple(
            UptimeAcknowledgement(
                node=self.node,
                period=self.period,
                token_class=each.token_class,
                instances=each.instances,
                availability=each.availability,
            )
            for each in self.classes
            if each.instances and each.availability
        )

    def covers(self, claim: UptimeAcknowledgement) -> bool:
        """Whether a claim is about this node and period, and not above what was measured."""
        found = self.of(claim.token_class)
        return (
            (claim.node, claim.period) == (self.node, self.period)
            and 0 < claim.instances <= found.instances
            and 0 < claim.availability <= found.availability
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLooked:
    """The anchor looked at a node: ``placed`` instances of the class are to be there, of which
    ``asked`` were asked for and ``shown`` were shown."""

    token_class: Hash
    placed: Uint64
    asked: Uint64
    shown: Uint64


def uptime_key(period: int, node: Address) -> str:
    """The period and the node."""
    return f"{period}/{node.hex()}"


def _initial(key: str) -> UptimeState:
    period, node = key.split("/")
    return UptimeState(period=int(period), node=Address(bytes.fromhex(node)))


def _step(state: UptimeState, event: ActionLooked, _now_ms: int) -> Transition[UptimeState, None]:
    found = state.of(event.token_class)
    looked = replace(
        found,
        looks=found.looks + 1,
        placed=found.placed + event.placed,
        asked=found.asked + event.asked,
        shown=found.shown + min(event.shown, event.asked),
    )
    others = tuple(each for each in state.classes if each.token_class != event.token_class)
    classes = sorted((*others, looked), key=lambda each: each.token_class)
    return Transition(state=replace(state, classes=tuple(classes)))


UPTIME: Final = Machine(
    kind="uptime",
    state_type=UptimeState,
    effect_types=(),
    initial=_initial,
    step=_step,
)
"""One node in one period, at an anchor. Key: :func:`uptime_key`."""


def anchors_needed(elected: int) -> int:
    """How many of a period's elected anchors must sign: one of so many is honest while fewer than a
    third lie together."""
    return elected // 3 + 1


def best_claim(
    measured: Sequence[UptimeAcknowledgement], needed: int, most_instances: int
) -> UptimeAcknowledgement | None:
    """The claim that pays best among those that at least ``needed`` anchors measured or exceeded.

    ``measured`` are what anchors measured of one node, period and class, one each;
    ``most_instances`` is what the class pays for. None where too few anchors measured anything.
    """
    best: UptimeAcknowledgement | None = None
    for instances in {min(each.instances, most_instances) for each in measured}:
        enough = sorted(each.availability for each in measured if each.instances >= instances)
        if instances == 0 or len(enough) < needed:
            continue
        availability = enough[-needed]
        if best is None or instances * availability > best.instances * best.availability:
            best = replace(measured[0], instances=instances, availability=availability)
    return best


def by_class(
    answers: Iterable[Sequence[UptimeAcknowledgement]],
) -> dict[Hash, list[UptimeAcknowledgement]]:
    """What several anchors measured, by class; of one anchor and class the first counts."""
    found: dict[Hash, list[UptimeAcknowledgement]] = {}
    for answer in answers:
        seen: set[Hash] = set()
        for each in answer:
            if each.token_class not in seen:
                seen.add(each.token_class)
                found.setdefault(each.token_class, []).append(each)
    return found
