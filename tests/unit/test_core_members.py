"""The member list: a projection of the registry's events that remembers the past."""

import pytest

from node.core.members import Member, MemberJoined, MemberList, MemberMoved, MemberStaked
from node.errors import SignerUnknown
from settlement.types import Address

ONE, TWO = Address(b"\x01" * 20), Address(b"\x02" * 20)


def joined(key: Address, block: int, roles: int = 1, stake: int = 100) -> MemberJoined:
    member = Member(
        key=key,
        operator=key,
        roles=roles,
        api_url="https://one.example",
        link_url="wss://one.example",
        stake=stake,
        since_block=block,
        payout=key,
    )
    return MemberJoined(block=block, member=member)


def test_a_node_is_active_from_its_block_until_it_leaves() -> None:
    members = MemberList().after_all(
        [joined(ONE, 10), joined(TWO, 12), MemberStaked(block=20, key=ONE, stake=0)]
    )

    assert [m.key for m in members.active_at(9, 1)] == []
    assert [m.key for m in members.active_at(12, 1)] == [ONE, TWO]
    assert [m.key for m in members.active_at(20, 1)] == [TWO]
    assert [m.key for m in members.active(1)] == [TWO]


def test_a_node_that_stakes_again_is_back_with_its_first_block() -> None:
    members = MemberList().after_all(
        [
            joined(ONE, 10),
            MemberStaked(block=20, key=ONE, stake=0),
            MemberStaked(block=30, key=ONE, stake=7),
        ]
    )
    back = members.at(ONE, 30)
    assert back is not None
    assert (back.stake, back.since_block) == (7, 10)


def test_roles_are_asked_for_together() -> None:
    members = MemberList().after_all([joined(ONE, 1, roles=1), joined(TWO, 1, roles=3)])
    assert [m.key for m in members.active(3)] == [TWO]
    assert [m.key for m in members.active(2)] == [TWO]


def test_a_moved_node_is_reached_at_its_new_address_and_was_at_the_old_one() -> None:
    moved = MemberMoved(block=5, key=ONE, api_url="https://new", link_url="wss://new")
    members = MemberList().after_all([joined(ONE, 1), moved])
    before, after = members.at(ONE, 4), members.newest(ONE)
    assert before is not None
    assert after is not None
    assert before.api_url == "https://one.example"
    assert after.link_url == "wss://new"


def test_a_reorganisation_forgets_what_came_after_its_block() -> None:
    first = MemberList().after(joined(ONE, 1))
    later = first.after_all([joined(TWO, 5), MemberStaked(block=6, key=ONE, stake=1)])
    assert later.up_to(4) == first
    assert later.up_to(6) == later


def test_an_event_about_an_unknown_node_is_refused() -> None:
    with pytest.raises(SignerUnknown):
        MemberList().after(MemberStaked(block=1, key=ONE, stake=1))
