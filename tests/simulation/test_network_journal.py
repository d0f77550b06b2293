"""A token's journal under faults, in virtual time: four anchors of which one lies, five service
nodes of which three hold the token, messages lost, doubled and reordered, nodes that crash at any
moment and come back with what they had committed.

Every actor runs the machines that the services run, and follows "persist, then act": effects are
kept with the state and performed again after a crash.
"""

import pytest
from journal_replica import Replica, activate, entries, publish, settled
from journal_world import CALM_MS, FAULTY_MS, SEEDS, START, TOKEN, World

from node.core.canonical import object_from_bytes
from node.core.commits import content_hash
from node.core.inputs import (
    Attested,
)
from node.core.journal import (
    Phase,
    evidence_stream,
)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_replicas_agree_whatever_is_lost_or_crashes(seed: int) -> None:
    world, attested = run_faulty(seed, skew=50)

    done = settled(world, len(attested))
    world.run(START + FAULTY_MS + CALM_MS, done)

    assert done(), "the token did not come to rest after the faults ended"
    check_agreement(world)
    check_actions(world, attested)


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_replicas_agree_even_when_clocks_are_seconds_apart(seed: int) -> None:
    """Leases overlap then, so that only promises and fences keep the journal one."""
    world, attested = run_faulty(seed, skew=4_000)

    for replica in world.replicas.values():
        replica.skew = 0
    done = settled(world, len(attested))
    world.run(START + FAULTY_MS + CALM_MS, done)

    assert done(), "the token did not come to rest after the clocks were set"
    check_agreement(world)
    check_actions(world, attested)


def run_faulty(seed: int, skew: int) -> tuple[World, list[Attested]]:
    """A world after its faults have ended."""
    world = World(seed, skew, Replica)
    attested = list(entries(12, apart=world.random.choice((400, 1_700, 2_100))))
    activate(world)
    publish(world, attested)
    plan_faults(world)
    world.run(START + FAULTY_MS)
    world.faulty = False
    return world, attested


def plan_faults(world: World) -> None:
    """Crashes and partitions, each at a moment of its own."""
    for _ in range(world.random.choice((0, 6, 15))):
        victim = world.random.choice(list(world.replicas.values()))
        pause = world.random.choice((50, 1_000, 6_000))
        world.at(
            START + world.random.randint(0, FAULTY_MS),
            lambda v=victim, p=pause: v.crash(p) if v.up else None,
        )
    for _ in range(world.random.choice((0, 3, 8))):
        victim = world.random.choice(list(world.replicas.values()))
        pause = world.random.randint(500, 6_000)
        at = START + world.random.randint(0, FAULTY_MS)
        world.at(at, lambda v=victim, p=pause: world.cut_off(v.key.address, p))


def check_agreement(world: World) -> None:
    replicas = list(world.replicas.values())
    assert len({r.state.state_root for r in replicas}) == 1
    assert len({r.state.head for r in replicas}) == 1
    assert {r.state.phase for r in replicas} == {Phase.ACTIVE}
    for version in range(1, replicas[0].state.version + 1):
        found = {content_hash(r.journal()[version].entry) for r in replicas}
        assert len(found) == 1, f"version {version} was committed twice"
    for replica in replicas:
        assert not [at for name, at in replica.logs if name == evidence_stream(TOKEN)]


def check_actions(world: World, attested: list[Attested]) -> None:
    state = object_from_bytes(next(iter(world.replicas.values())).state.state)
    asked = sum(each.entry.sequence % 2 == 0 for each in attested)
    assert state["delays"] == [each.entry.sequence for each in attested]
    assert state["booked"] + state["failed"] == asked, "an action was settled twice or never"
    assert len(world.calls) == asked, "one action was called under two idempotency keys"
    assert len(world.booked) >= state["booked"]
    if world.hotel_is_down:
        assert state["failed"] == asked
