// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

contract DisputesTest is DisputeFixture {
    address private constant NOBODY = address(0xdEaD);

    function setUp() public {
        stage();
    }

    // Elections

    function test_two_votes_on_one_fence_cost_a_tenth_of_the_stake() public {
        uint128 before = registry.slashable(anchor);
        vm.prank(STRANGER);
        this.punishVotes(vote(node), ANCHOR_SECRET, vote(otherAnchor), ANCHOR_SECRET);
        uint128 slashed = before / 10;
        vm.assertEq(registry.slashable(anchor), before - slashed, "a tenth");
        vm.assertEq(stake.balanceOf(address(this)), slashed / 10, "the reporter's reward");
        vm.assertEq(stake.balanceOf(NOBODY), slashed - slashed / 10, "the rest is burnt");
        vm.assertEq(stake.balanceOf(address(disputes)), 0, "the judge holds nothing");
    }

    function test_thawing_stake_does_not_escape() public {
        vm.prank(OPERATOR);
        registry.leave(anchor);
        uint128 before = registry.slashable(anchor);
        vm.assertEq(before, ANCHOR_STAKE, "all of it thaws");
        this.punishVotes(vote(node), ANCHOR_SECRET, vote(otherAnchor), ANCHOR_SECRET);
        vm.assertEq(registry.slashable(anchor), before - before / 10, "a tenth");
    }

    function test_an_offence_is_punished_once_whichever_way_round() public {
        this.punishVotes(vote(node), ANCHOR_SECRET, vote(otherAnchor), ANCHOR_SECRET);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AlreadyPunished.selector);
        this.punishVotes(vote(otherAnchor), ANCHOR_SECRET, vote(node), ANCHOR_SECRET);
    }

    function test_the_same_vote_twice_is_no_contradiction() public {
        vm.expectRevert(IDisputeManager.DisputeManager_NoContradiction.selector);
        this.punishVotes(vote(node), ANCHOR_SECRET, vote(node), ANCHOR_SECRET);
    }

    function test_votes_on_two_fences_are_no_contradiction(uint8 which) public {
        ISmartLayerMessages.ElectionVote memory second = vote(otherAnchor);
        if (which % 3 == 0) second.token = bytes32("other");
        else if (which % 3 == 1) ++second.version;
        else ++second.attempt;
        vm.expectRevert(IDisputeManager.DisputeManager_NoContradiction.selector);
        this.punishVotes(vote(node), ANCHOR_SECRET, second, ANCHOR_SECRET);
    }

    function test_votes_of_two_anchors_are_no_equivocation() public {
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.DisputeManager_SignatureInvalid.selector, 1, anchor)
        );
        this.punishVotes(vote(node), ANCHOR_SECRET, vote(otherAnchor), OTHER_ANCHOR_SECRET);
    }

    function test_a_stranger_has_nothing_to_lose() public {
        vm.expectPartialRevert(IDisputeManager.DisputeManager_UnknownNode.selector);
        this.punishVotes(vote(node), 0x999, vote(otherAnchor), 0x999);
    }

    // Journals

    function test_two_entries_on_one_index_and_fence_cost_the_executor() public {
        uint128 before = registry.slashable(node);
        this.punishEntries(entry("a"), NODE_SECRET, entry("b"), NODE_SECRET);
        vm.assertEq(registry.slashable(node), before - before / 10, "a tenth");
    }

    function test_an_entry_under_a_later_fence_is_no_contradiction(uint8 which) public {
        ISmartLayerMessages.JournalEntry memory second = entry("b");
        if (which % 4 == 0) second.token = bytes32("other");
        else if (which % 4 == 1) ++second.version;
        else if (which % 4 == 2) ++second.leaseVersion;
        else ++second.attempt;
        vm.expectRevert(IDisputeManager.DisputeManager_NoContradiction.selector);
        this.punishEntries(entry("a"), NODE_SECRET, second, NODE_SECRET);
    }

    function test_a_replica_that_co_signs_two_entries_does_not_cost_the_executor() public {
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.DisputeManager_SignatureInvalid.selector, 1, node)
        );
        this.punishEntries(entry("a"), NODE_SECRET, entry("b"), OTHER_ANCHOR_SECRET);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.DisputeManager_SignatureInvalid.selector, 0, node)
        );
        this.punishEntries(entry("a"), OTHER_ANCHOR_SECRET, entry("b"), NODE_SECRET);
    }

    // Over-leasing

    function test_leases_that_the_deposit_covers_are_no_offence() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, 100e18);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_Covered.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_a_lease_counts_once() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](2);
        leases[0] = lease(node, 60e18);
        leases[1] = lease(node, 60e18);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_LeasesUnordered.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_a_lease_that_the_anchor_did_not_sign_counts_nothing() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, 100e18);
        leases[0].leaseCap += 100e18;
        vm.expectPartialRevert(IDisputeManager.DisputeManager_SignatureInvalid.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_what_leases_lack_is_made_good_to_the_nodes_in_proportion() public {
        IDisputeManager.Lease[] memory leases = twoLeases(90e18, 30e18);
        uint128 reward = ANCHOR_STAKE / 5 / 10;
        vm.prank(STRANGER);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        uint256 missing = 120e18 - hub.heldIn(session, 0);
        vm.assertEq(stake.balanceOf(payoutOf(leases[0].node)), missing * 3 / 4, "three quarters");
        vm.assertEq(stake.balanceOf(payoutOf(leases[1].node)), missing / 4, "a quarter");
        vm.assertEq(stake.balanceOf(STRANGER), reward, "the reporter's reward");
        vm.assertEq(
            stake.balanceOf(NOBODY),
            ANCHOR_STAKE / 5 - reward - missing / 4 - missing * 3 / 4,
            "the rest is burnt"
        );
    }

    function test_a_compensation_is_bounded_by_the_restitution() public {
        IDisputeManager.Lease[] memory leases = twoLeases(100_000e18, 100_000e18);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        uint128 restitution = ANCHOR_STAKE / 5 * 4 / 10;
        vm.assertEq(stake.balanceOf(payoutOf(leases[0].node)), restitution / 2, "half");
        vm.assertEq(stake.balanceOf(payoutOf(leases[1].node)), restitution / 2, "half");
    }

    function test_a_node_with_two_leases_is_compensated_once_for_both() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](2);
        bytes32 last = bytes32(type(uint256).max);
        leases[0] = lease(node, 60e18);
        IChannelHubTypes.OwedLane memory lane = owedLane(ANCHOR_SECRET, session, 0, node, last, 0, 60e18);
        leases[1] = IDisputeManager.Lease(node, last, 0, 60e18, lane.r, lane.vs);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        vm.assertEq(stake.balanceOf(payoutOf(node)), 120e18 - hub.heldIn(session, 0), "all that is missing");
    }

    function test_what_an_unregistered_key_or_the_culprit_was_leased_is_burnt() public {
        address ghost = address(0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF);
        (address low, address high) = (anchor, ghost);
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](2);
        (leases[0], leases[1]) = (lease(low, 60e18), lease(high, 60e18));
        disputes.punishOverLeasing(anchor, session, 0, leases);
        vm.assertEq(stake.balanceOf(payoutOf(anchor)), 0, "nothing for the culprit");
        uint128 slashed = ANCHOR_STAKE / 5;
        vm.assertEq(stake.balanceOf(NOBODY), slashed - slashed / 10, "all but the reward");
    }

    /// @dev Whatever the penalties and the leases: parts add up, each within its bound.
    function testFuzz_what_is_slashed_is_rewarded_made_good_and_burnt_to_the_unit(
        uint16 reward,
        uint16 restitution,
        uint16 share,
        uint96 first,
        uint96 second
    ) public {
        IDisputeManager.Penalties memory changed = disputes.penalties();
        changed.reward = uint16(bound(reward, 100, 2_000));
        changed.restitution = uint16(bound(restitution, 0, 5_000));
        changed.overLeasing = uint16(bound(share, 100, 5_000));
        vm.prank(OWNER);
        disputes.schedulePenalties(changed);
        toPeriod(2);
        IDisputeManager.Lease[] memory leases =
            twoLeases(uint128(bound(first, 101e18, 1e27)), uint128(bound(second, 1, 1e27)));
        uint128 held = registry.slashable(anchor);
        vm.prank(STRANGER);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        uint256 rewarded = stake.balanceOf(STRANGER);
        uint256 one = stake.balanceOf(payoutOf(leases[0].node));
        uint256 other = stake.balanceOf(payoutOf(leases[1].node));
        uint256 slashed = uint256(held) * changed.overLeasing / 10_000;
        vm.assertEq(held - registry.slashable(anchor), slashed, "the share of the stake");
        vm.assertEq(rewarded + one + other + stake.balanceOf(NOBODY), slashed, "to the unit");
        vm.assertEq(rewarded, slashed * changed.reward / 10_000, "the reward");
        uint256 lacking = uint256(leases[0].leaseCap) + leases[1].leaseCap - hub.heldIn(session, 0);
        vm.assertLe(one + other, slashed * changed.restitution / 10_000, "within the restitution");
        vm.assertLe(one + other, lacking, "never more than is lacking");
        uint256 cross = one * leases[1].leaseCap;
        uint256 slack = uint256(leases[0].leaseCap) + leases[1].leaseCap;
        vm.assertLe(cross, other * leases[0].leaseCap + slack, "in proportion");
        vm.assertLe(other * leases[0].leaseCap, cross + slack, "in proportion");
        vm.assertEq(stake.balanceOf(address(disputes)), 0, "the judge holds nothing");
    }

    function test_leases_of_a_stranger_have_nothing_behind_them() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, 120e18);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.DisputeManager_UnknownNode.selector, STRANGER));
        disputes.punishOverLeasing(STRANGER, session, 0, leases);
    }

    function test_over_leasing_of_a_channel_and_period_is_punished_once() public {
        IDisputeManager.Lease[] memory leases = twoLeases(60e18, 60e18);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AlreadyPunished.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_what_was_topped_up_later_covers_too() public {
        vm.prank(PAYER);
        hub.topUp(session, 20e18);
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, 120e18);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_Covered.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_what_is_not_known_any_more_is_not_held_against_anybody() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        IChannelHubTypes.OwedLane memory lane =
            owedLane(ANCHOR_SECRET, vm.addr(0x777), 0, node, ticketClass, 0, 120e18);
        leases[0] = IDisputeManager.Lease(node, ticketClass, 0, 120e18, lane.r, lane.vs);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_HeldUnknown.selector);
        disputes.punishOverLeasing(anchor, vm.addr(0x777), 0, leases);
    }

    // Who may, and bounds

    function test_only_the_hub_brings_payment_fraud() public {
        vm.expectPartialRevert(IDisputeManager.DisputeManager_NotHub.selector);
        disputes.punishFraud(anchor, 0, 1, STRANGER, node);
    }

    function test_only_the_owner_schedules_penalties() public {
        IDisputeManager.Penalties memory penalties = disputes.penalties();
        vm.expectRevert();
        disputes.schedulePenalties(penalties);
    }

    function test_penalties_have_bounds() public {
        vm.startPrank(OWNER);
        disputes.schedulePenalties(IDisputeManager.Penalties(2_000, 5_000, 5_000, 5_000, 1_000));
        IDisputeManager.Penalties[9] memory outside = [
            IDisputeManager.Penalties(2_001, 0, 100, 100, 10),
            IDisputeManager.Penalties(99, 0, 100, 100, 10),
            IDisputeManager.Penalties(100, 5_001, 100, 100, 10),
            IDisputeManager.Penalties(100, 0, 5_001, 100, 10),
            IDisputeManager.Penalties(100, 0, 99, 100, 10),
            IDisputeManager.Penalties(100, 0, 100, 5_001, 10),
            IDisputeManager.Penalties(100, 0, 100, 99, 10),
            IDisputeManager.Penalties(100, 0, 100, 100, 9),
            IDisputeManager.Penalties(100, 0, 100, 100, 1_001)
        ];
        for (uint256 i; i < outside.length; ++i) {
            vm.expectPartialRevert(IDisputeManager.DisputeManager_OutOfBounds.selector);
            disputes.schedulePenalties(outside[i]);
        }
        vm.stopPrank();
    }

    function test_new_penalties_hold_two_periods_later() public {
        IDisputeManager.Penalties memory changed = disputes.penalties();
        changed.equivocation = 5_000;
        vm.expectEmit();
        emit IDisputeManager.PenaltiesScheduled(2, changed);
        vm.startPrank(OWNER);
        disputes.schedulePenalties(changed);
        changed.equivocation = 2_500;
        disputes.schedulePenalties(changed);
        vm.stopPrank();
        toPeriod(1);
        vm.assertEq(disputes.penalties().equivocation, 1_000, "not yet");
        vm.assertEq(disputes.penaltiesAt(2).equivocation, 2_500, "the second change of a period holds");
        toPeriod(2);
        uint128 before = registry.slashable(node);
        this.punishEntries(entry("a"), NODE_SECRET, entry("b"), NODE_SECRET);
        vm.assertEq(registry.slashable(node), before - before / 4, "a quarter");
    }

    function twoLeases(uint128 first, uint128 second)
        private
        view
        returns (IDisputeManager.Lease[] memory leases)
    {
        (address low, address high) = node < otherAnchor ? (node, otherAnchor) : (otherAnchor, node);
        leases = new IDisputeManager.Lease[](2);
        (leases[0], leases[1]) = (lease(low, first), lease(high, second));
    }

    function punishVotes(
        ISmartLayerMessages.ElectionVote memory first,
        uint256 firstSecret,
        ISmartLayerMessages.ElectionVote memory second,
        uint256 secondSecret
    ) public {
        disputes.punishElection(
            first,
            signature(firstSecret, lens.hashElectionVote(address(hub), first)),
            second,
            signature(secondSecret, lens.hashElectionVote(address(hub), second))
        );
    }

    function punishEntries(
        ISmartLayerMessages.JournalEntry memory first,
        uint256 firstSecret,
        ISmartLayerMessages.JournalEntry memory second,
        uint256 secondSecret
    ) public {
        disputes.punishJournal(
            first,
            signature(firstSecret, lens.hashJournalEntry(address(hub), first)),
            second,
            signature(secondSecret, lens.hashJournalEntry(address(hub), second))
        );
    }

    function vote(address executor) private pure returns (ISmartLayerMessages.ElectionVote memory) {
        return ISmartLayerMessages.ElectionVote(bytes32("token"), 7, 1, executor, bytes32("trigger"), 1e12);
    }

    function entry(bytes32 stateRoot) private view returns (ISmartLayerMessages.JournalEntry memory found) {
        found.token = bytes32("token");
        (found.version, found.leaseVersion, found.attempt, found.executor) = (8, 7, 1, node);
        found.stateRoot = stateRoot;
    }
}
