"""The member list: a projection of the registry's events that remembers the past."""

import pytest

from node.core.members import (
    Member,
    MemberAccount,
    MemberDelegated,
    MemberJoined,
    MemberList,
    MemberMoved,
    MemberNamed,
    MemberRekeyed,
    MemberSlashed,
    MemberStaked,
)
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


def test_delegated_stake_weighs_and_a_slash_takes_of_both_kinds() -> None:
    members = MemberList().after_all(
        [joined(ONE, 1), MemberDelegated(block=2, key=ONE, delegated=50)]
    )
    assert [m.weight for m in members.active(1)] == [150]
    slashed = members.after(MemberSlashed(block=3, key=ONE, stake=90, delegated=45))
    assert [m.weight for m in slashed.active(1)] == [135]
    emptied = slashed.after(MemberSlashed(block=4, key=ONE, stake=0, delegated=0))
    assert emptied.active(1) == ()
    assert [m.weight for m in emptied.active_at(2, 1)] == [150]


def test_an_account_that_changes_leaves_the_other_one_as_it_was() -> None:
    members = MemberList().after_all([joined(ONE, 1), MemberAccount(block=2, key=ONE, payout=TWO)])
    changed = members.newest(ONE)
    assert changed is not None
    assert (changed.payout, changed.operator) == (TWO, ONE)


def test_a_new_key_takes_the_place_of_the_old_one_from_its_block_on() -> None:
    members = MemberList().after_all(
        [
            joined(ONE, 1),
            MemberNamed(block=5, key=ONE, new_key=TWO),
            MemberStaked(block=6, key=TWO, stake=70),
            MemberRekeyed(block=9, key=ONE, new_key=TWO),
            MemberStaked(block=12, key=ONE, stake=80),
        ]
    )
    assert [(m.key, m.stake) for m in members.active_at(8, 1)] == [(ONE, 70)]
    assert [(m.key, m.stake) for m in members.active_at(9, 1)] == [(TWO, 70)]
    assert [(m.key, m.stake, m.since_block) for m in members.active(1)] == [(TWO, 80, 1)]
    assert [m.key for m in members.up_to(8).active(1)] == [ONE]
