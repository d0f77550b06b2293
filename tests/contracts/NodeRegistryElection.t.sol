// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAnchorElection} from "../../contracts/interfaces/IAnchorElection.sol";
import {AnchorElection} from "../../contracts/registry/AnchorElection.sol";
import {Fixture} from "./support/Fixture.sol";

contract NodeRegistryElectionTest is Fixture {
    uint256 private constant ANCHORS = 5;
    uint32 private constant SEATS = 3;
    /// @dev A percent of all votes.
    uint256 private constant UNIT = 1e24;

    address[] private keys;

    function setUp() public {
        deploy();
        election = new AnchorElection(parameters, registry, votes, SEATS);
        for (uint256 i; i < ANCHORS; ++i) {
            keys.push(registerNode(0xA00 + i, 2, ANCHOR_STAKE));
        }
        give(PAYER, 3 * UNIT);
        give(AIRLINE, 2 * UNIT);
        give(STRANGER, UNIT);
        toPeriod(1);
        vm.warp(block.timestamp + 1);
    }

    function test_before_the_first_election_the_first_anchors_serve() public view {
        assertServing(1, keys[0], keys[1], keys[2]);
    }

    function test_the_most_approved_serve_in_the_next_period() public {
        approve(PAYER, 4, 4);
        approve(AIRLINE, 3, 4);
        approve(STRANGER, 2, 1);
        vm.expectEmit();
        emit IAnchorElection.BallotCounted(STRANGER, 1, UNIT);
        election.count(STRANGER);
        election.count(PAYER);
        election.count(AIRLINE);
        vm.assertEq(election.tallyOf(registry.numberOf(keys[4]), 1), 5 * UNIT, "two voters");
        vm.assertEq(election.activeAnchors(2)[0], keys[4], "most approved");
        vm.assertEq(election.activeAnchors(2)[1], keys[3], "second");
        vm.assertEq(election.activeAnchors(2).length, SEATS, "seats");
        assertServing(1, keys[0], keys[1], keys[2]);
        toPeriod(2);
        vm.assertTrue(election.isElected(keys[4], 2), "serves");
        vm.assertFalse(election.isElected(keys[0], 2), "does not");
        toPeriod(4);
        vm.assertTrue(election.isElected(keys[4], 4), "the set stays where nobody counts");
    }

    function test_who_has_more_votes_takes_the_last_seat() public {
        approve(STRANGER, 0, 1);
        approve(AIRLINE, 2, 3);
        approve(PAYER, 4, 4);
        election.count(STRANGER);
        election.count(AIRLINE);
        election.count(PAYER);
        address[] memory serving = election.activeAnchors(2);
        vm.assertEq(serving[0], keys[4], "three");
        vm.assertEq(election.tallyOf(registry.numberOf(serving[1]), 1), 2 * UNIT, "two");
        vm.assertEq(election.tallyOf(registry.numberOf(serving[2]), 1), 2 * UNIT, "two");
    }

    function test_an_anchor_that_left_does_not_serve() public {
        approve(PAYER, 3, 4);
        approve(AIRLINE, 3, 4);
        election.count(PAYER);
        election.count(AIRLINE);
        vm.prank(OPERATOR);
        registry.leave(keys[4]);
        toPeriod(2);
        assertServing(2, keys[3], keys[0], keys[1]);
        vm.prank(OPERATOR);
        registry.leave(keys[0]);
        assertServing(2, keys[3], keys[1], keys[2]);
        toPeriod(3);
        vm.assertTrue(election.isElected(keys[4], 2), "of a past period nobody is left out");
    }

    function test_an_anchor_that_registers_after_a_period_has_no_seat_in_it() public {
        for (uint256 i = 1; i < ANCHORS; ++i) {
            vm.prank(OPERATOR);
            registry.leave(keys[i]);
        }
        election = new AnchorElection(parameters, registry, votes, uint32(ANCHORS) + 1);
        vm.assertEq(election.activeAnchors(1).length, 1, "seats are free");
        toPeriod(2);
        address late = registerNode(0xB00, 2, ANCHOR_STAKE);
        vm.assertFalse(election.isElected(late, 1), "not in a period that is over");
        vm.assertTrue(election.isElected(late, 2), "in its own");
        toPeriod(3);
        vm.assertFalse(election.isElected(late, 1), "never");
        vm.assertTrue(election.isElected(late, 2), "still");
    }

    function test_a_few_votes_elect_nobody() public {
        approve(PAYER, 4, 4);
        election.count(PAYER);
        vm.assertEq(election.turnoutOf(1), 3 * UNIT, "less than 4 %");
        vm.assertFalse(election.isElected(keys[4], 2), "not elected");
        approve(STRANGER, 3, 3);
        election.count(STRANGER);
        vm.assertEq(election.turnoutOf(1) * 10_000 / stake.totalSupply(), election.leastTurnout(), "enough");
        vm.assertTrue(election.isElected(keys[4], 2), "elected");
        approve(AIRLINE, 2, 2);
        election.count(AIRLINE);
        assertServing(2, keys[4], keys[2], keys[3]);
    }

    function test_seats_that_no_vote_fills_go_to_who_registered_first() public {
        approve(PAYER, 4, 4);
        approve(STRANGER, 4, 4);
        election.count(PAYER);
        election.count(STRANGER);
        assertServing(2, keys[4], keys[0], keys[1]);
        toPeriod(2);
        vm.warp(block.timestamp + 1);
        approve(STRANGER, 3, 3);
        election.count(STRANGER);
        assertServing(3, keys[4], keys[0], keys[1]);
    }

    function test_nobody_has_two_seats() public {
        approve(PAYER, 1, 1);
        approve(STRANGER, 1, 1);
        election.count(PAYER);
        election.count(STRANGER);
        assertServing(2, keys[1], keys[0], keys[2]);
    }

    function test_who_has_fewer_votes_takes_no_seat() public {
        approve(PAYER, 4, 3);
        approve(AIRLINE, 2, 2);
        approve(STRANGER, 0, 1);
        election.count(PAYER);
        election.count(AIRLINE);
        election.count(STRANGER);
        address[] memory serving = election.activeAnchors(2);
        vm.assertEq(serving.length, 3, "three");
        vm.assertEq(serving[2], keys[2], "the third");
    }

    function test_votes_count_as_they_were_when_the_period_opened() public {
        vm.prank(PAYER);
        stake.transfer(STRANGER, UNIT);
        approve(STRANGER, 4, 4);
        election.count(STRANGER);
        vm.assertEq(election.tallyOf(registry.numberOf(keys[4]), 1), UNIT, "bought too late");
    }

    function test_a_ballot_counts_once_a_period() public {
        approve(PAYER, 4, 4);
        election.count(PAYER);
        vm.expectRevert(
            abi.encodeWithSelector(IAnchorElection.AnchorElection_AlreadyCounted.selector, PAYER, 1)
        );
        election.count(PAYER);
        toPeriod(2);
        vm.warp(block.timestamp + 1);
        election.count(PAYER);
    }

    function test_without_a_ballot_or_votes_nothing_counts() public {
        expectNothing(PAYER);
        approve(TREASURY, 4, 4);
        expectNothing(TREASURY);
        approve(PAYER, 4, 4);
        vm.prank(PAYER);
        election.approve(new address[](0));
        expectNothing(PAYER);
    }

    function test_a_ballot_names_at_most_eight_active_anchors_in_order() public {
        vm.expectRevert(abi.encodeWithSelector(IAnchorElection.AnchorElection_TooManyAnchors.selector, 9, 8));
        election.approve(new address[](9));
        address[] memory twice = new address[](2);
        twice[0] = twice[1] = keys[0];
        vm.expectRevert(abi.encodeWithSelector(IAnchorElection.AnchorElection_NotAscending.selector, keys[0]));
        election.approve(twice);
        address[] memory nobody = new address[](1);
        nobody[0] = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IAnchorElection.AnchorElection_NotAnchor.selector, STRANGER));
        election.approve(nobody);
    }

    function test_a_ballot_is_shown() public {
        approve(PAYER, 4, 4);
        vm.assertEq(election.ballotOf(PAYER)[0], keys[4], "as cast");
    }

    function test_an_elected_anchor_keeps_its_seat_with_a_new_key() public {
        approve(PAYER, 4, 4);
        approve(AIRLINE, 4, 4);
        election.count(PAYER);
        election.count(AIRLINE);
        bytes memory proof = keyProof(0xBEEF, OPERATOR);
        vm.prank(OPERATOR);
        registry.rotateKey(keys[4], vm.addr(0xBEEF), proof);
        vm.assertEq(election.activeAnchors(2)[0], vm.addr(0xBEEF), "announced");
        toPeriod(2);
        vm.assertEq(election.activeAnchors(2)[0], vm.addr(0xBEEF), "serves");
    }

    function test_seats_have_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(IAnchorElection.AnchorElection_SeatsOutOfBounds.selector, 0));
        new AnchorElection(parameters, registry, votes, 0);
        vm.expectRevert(abi.encodeWithSelector(IAnchorElection.AnchorElection_SeatsOutOfBounds.selector, 65));
        new AnchorElection(parameters, registry, votes, 65);
    }

    function give(address account, uint256 amount) private {
        uint256 held = stake.balanceOf(account);
        if (held != 0) {
            vm.prank(account);
            stake.transfer(OWNER, held);
        }
        vm.prank(OWNER);
        stake.transfer(account, amount);
    }

    function approve(address voter, uint256 a, uint256 b) private {
        address[] memory ballot = new address[](a == b ? 1 : 2);
        (ballot[0], ballot[ballot.length - 1]) = keys[a] < keys[b] ? (keys[a], keys[b]) : (keys[b], keys[a]);
        vm.prank(voter);
        election.approve(ballot);
    }

    function assertServing(uint32 period, address a, address b, address c) private view {
        address[] memory serving = election.activeAnchors(period);
        vm.assertEq(serving.length, 3, "three");
        vm.assertEq(serving[0], a, "first");
        vm.assertEq(serving[1], b, "second");
        vm.assertEq(serving[2], c, "third");
    }

    function expectNothing(address voter) private {
        vm.expectPartialRevert(IAnchorElection.AnchorElection_NothingToCount.selector);
        election.count(voter);
    }
}
