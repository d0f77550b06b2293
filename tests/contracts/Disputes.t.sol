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

    function test_penalties_have_bounds_and_an_owner() public {
        IDisputeManager.Penalties memory penalties = disputes.penalties();
        vm.expectRevert();
        disputes.setPenalties(penalties);
        vm.startPrank(OWNER);
        disputes.setPenalties(IDisputeManager.Penalties(2_000, 5_000, 5_000, 5_000));
        IDisputeManager.Penalties[7] memory outside = [
            IDisputeManager.Penalties(2_001, 0, 100, 100),
            IDisputeManager.Penalties(99, 0, 100, 100),
            IDisputeManager.Penalties(100, 5_001, 100, 100),
            IDisputeManager.Penalties(100, 0, 5_001, 100),
            IDisputeManager.Penalties(100, 0, 99, 100),
            IDisputeManager.Penalties(100, 0, 100, 5_001),
            IDisputeManager.Penalties(100, 0, 100, 99)
        ];
        for (uint256 i; i < outside.length; ++i) {
            vm.expectPartialRevert(IDisputeManager.DisputeManager_OutOfBounds.selector);
            disputes.setPenalties(outside[i]);
        }
        vm.stopPrank();
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
