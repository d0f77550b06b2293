"""Placement: who holds a token, by stake, unchosen by anybody, the same in every language."""

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.members import Member, MemberJoined, MemberList, MemberStaked
from node.core.placement import (
    ANCHOR,
    SERVICE,
    Candidate,
    Rules,
    coordinator,
    cost,
    draw_holders,
    homes,
    log2_fixed,
    place,
    verify_announcement,
    verify_placement,
)
from node.errors import PlacementInvalid, TooFewNodes
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, TokenId, keccak

VECTORS = Path(__file__).parents[1] / "vectors" / "placement.json"
SEED = keccak(b"beacon")
CLASS = Address(b"\x77" * 20)
ETHER = 10**18


def address(number: int) -> Address:
    return Address(keccak(b"node %d" % number)[:20])


def token(number: int) -> TokenId:
    return TokenId(chain_id=31337, contract=CLASS, number=number)


def member(
    number: int, *, roles: int = SERVICE, stake: int = 100 * ETHER, since: int = 1
) -> Member:
    return Member(
        key=address(number),
        operator=address(number + 1_000),
        roles=roles,
        api_url="https://node.example",
        link_url="wss://node.example",
        stake=stake,
        since_block=since,
        payout=address(number + 1_000),
    )


def listed(*members: Member) -> MemberList:
    return MemberList().after_all(MemberJoined(block=m.since_block, member=m) for m in members)


# The logarithm


@given(st.integers(1, 2**128 - 1))
def test_the_logarithm_is_within_its_bound_and_never_above(value: int) -> None:
    found = Fraction(log2_fixed(value), 2**64)

    # 2**found <= value < 2**(found + 2**-40), checked in floats where they can tell.
    true = math.log2(value)
    assert found <= Fraction(true) + Fraction(1, 2**44)
    assert found > Fraction(true) - Fraction(1, 2**44)


@pytest.mark.parametrize("power", [0, 1, 63, 64, 127])
def test_powers_of_two_are_exact(power: int) -> None:
    assert log2_fixed(1 << power) == power << 64


@given(st.integers(1, 2**32), st.integers(1, 2**32))
def test_the_logarithm_rises_with_its_argument(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert log2_fixed(low) <= log2_fixed(high)


def test_the_error_of_ten_bits_is_below_the_documented_bound() -> None:
    """log2(3) to 64 bits is known: 1.58496250072115618145…"""
    true = Fraction(158496250072115618145373894394781650875981, 10**41)
    found = Fraction(log2_fixed(3), 2**64)
    assert 0 <= true - found < Fraction(1, 2**64) + Fraction(1, 2**125)


# The frozen vectors


def vectors() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(VECTORS.read_text())["draws"]
    return found


def test_the_frozen_draws_still_come_out() -> None:
    for vector in vectors():
        seed = Hash(bytes.fromhex(str(vector["seed"])[2:]))
        name = Hash(bytes.fromhex(str(vector["token"])[2:]))
        listed_nodes = vector["candidates"]
        assert isinstance(listed_nodes, list)
        candidates = [
            Candidate(key=Address(bytes.fromhex(c["node"][2:])), weight=int(c["weight"]))
            for c in listed_nodes
        ]
        costs = [str(cost(seed, name, each)) for each in candidates]
        holders = draw_holders(seed, name, candidates, 3)
        assert costs == [c["cost"] for c in listed_nodes]
        assert ["0x" + h.hex() for h in holders] == vector["holders"]


def test_the_frozen_logarithms_still_come_out() -> None:
    for value, expected in json.loads(VECTORS.read_text())["log2"].items():
        assert str(log2_fixed(int(value))) == expected


def test_costs_fit_256_bits() -> None:
    lowest_draw = (128 << 64) - log2_fixed(1)
    assert (lowest_draw << 128) < 1 << 256


# The draw


def test_a_fifth_of_the_stake_holds_a_fifth_of_every_replica() -> None:
    """Whether it stands on one node or is spread over many."""
    attackers = [Candidate(key=address(i), weight=2) for i in range(10)]
    honest = [Candidate(key=address(i), weight=8) for i in range(10, 20)]
    owned = {candidate.key for candidate in attackers}
    tokens, first = 3_000, 0
    for number in range(tokens):
        holders = draw_holders(SEED, keccak(b"%d" % number), attackers + honest, 1)
        first += holders[0] in owned
    assert abs(first / tokens - 0.2) < 0.01


def test_only_what_a_departing_node_held_moves() -> None:
    nodes = [Candidate(key=address(i), weight=10) for i in range(100)]
    gone = nodes[0].key
    moved = held = 0
    for number in range(200):
        name = keccak(b"%d" % number)
        before = set(draw_holders(SEED, name, nodes, 3))
        after = set(draw_holders(SEED, name, nodes[1:], 3))
        held += gone in before
        moved += len(before - after)
    assert moved == held
    assert moved / (200 * 3) <= 0.015


def test_too_few_nodes_place_nothing() -> None:
    with pytest.raises(TooFewNodes):
        draw_holders(SEED, SEED, [Candidate(key=address(1), weight=1)], 3)


# Who is eligible


def test_only_service_nodes_from_before_the_activation_with_enough_stake_are_drawn() -> None:
    good = [member(i) for i in range(3)]
    members = listed(
        *good,
        member(10, roles=ANCHOR),
        member(11, stake=ETHER),
        member(12, since=50),
        member(13, since=51),
    )
    rules = Rules(replicas=3, minimum_stake=10 * ETHER)

    placement = place(token(1), 50, SEED, members, rules)

    assert sorted(placement.holders) == sorted(m.key for m in good)


def test_stake_counts_as_it_was_at_the_activation() -> None:
    members = listed(*(member(i) for i in range(3)))
    later = members.after(MemberStaked(block=60, key=address(0), stake=0))
    rules = Rules(replicas=3)

    assert place(token(1), 50, SEED, later, rules) == place(token(1), 50, SEED, members, rules)
    with pytest.raises(TooFewNodes):
        place(token(1), 61, SEED, later, rules)


def test_a_placement_is_recomputed_and_another_one_is_refused() -> None:
    members = listed(*(member(i) for i in range(9)))
    rules = Rules(replicas=3)
    placement = place(token(1), 50, SEED, members, rules)

    verify_placement(placement, token(1), members, rules)
    for other in (token(2), TokenId(chain_id=1, contract=CLASS, number=1)):
        with pytest.raises(PlacementInvalid):
            verify_placement(placement, other, members, rules)
    with pytest.raises(PlacementInvalid):
        verify_placement(
            place(token(1), 50, keccak(b"x"), members, rules),
            token(1),
            listed(*(member(i) for i in range(20, 29))),
            rules,
        )


def test_a_placement_counts_when_an_anchor_signed_it() -> None:
    domain = Domain.of(1, CLASS)
    anchor, stranger = SigningKey(keccak(b"anchor")), SigningKey(keccak(b"stranger"))
    members = listed(*(member(i) for i in range(3)))
    placement = place(token(1), 50, SEED, members, Rules(replicas=3))
    signature = anchor.sign(domain, placement)
    anchors = (anchor.address,)

    verify_announcement(domain, placement, anchor.address, signature, anchors)
    with pytest.raises(PlacementInvalid):
        verify_announcement(domain, placement, stranger.address, signature, anchors)
    signed = stranger.sign(domain, placement)
    with pytest.raises(SignatureInvalid):
        verify_announcement(domain, placement, anchor.address, signed, anchors)


# The anchors' table


def test_a_record_keeps_its_homes_when_another_anchor_leaves() -> None:
    anchors = [address(i) for i in range(20)]
    found = homes(SEED, anchors, 3)
    rest = [anchor for anchor in anchors if anchor in found or anchor != anchors[0]]

    assert len(set(found)) == 3
    assert homes(SEED, rest, 3) == found


def test_the_next_coordinator_is_the_one_that_would_be_first_without_the_first() -> None:
    anchors = [address(i) for i in range(4)]
    order = coordinator(SEED, anchors)
    assert coordinator(SEED, order[1:]) == order[1:]
    assert sorted(order) == sorted(anchors)
