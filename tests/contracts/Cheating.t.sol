// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

/// @dev One test for each row of the table "who can cheat, and what happens".
contract CheatingTest is DisputeFixture {
    function setUp() public {
        stage();
    }

    function test_an_anchor_that_pays_a_node_less_than_acknowledged_loses_its_root_and_its_bond() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        shift(payouts, payoutOf(node), payoutOf(anchor), 1e18);
        commitPayouts(payouts);
        uint128 stakeBefore = registry.slashable(anchor);
        uint128 bond = hub.potOf(anchor, 0).bond;

        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        vm.prank(STRANGER);
        hub.challenge(anchor, 0, node, lanes, proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "the root is void");
        hub.forfeitBond(anchor, 0, STRANGER, node);
        vm.assertEq(registry.slashable(anchor), stakeBefore - bond, "the bond is slashed");
        vm.assertEq(stake.balanceOf(STRANGER), bond / 10, "the challenger is rewarded");
        vm.assertEq(stake.balanceOf(payoutOf(node)), bond * 4 / 10, "the node has a restitution");

        hub.restoreChunk(anchor, 0, 0, acceptedOf(10e18));
        vm.assertEq(hub.channelOf(session).balance, 100e18, "the channel is restored");
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18))
        );
        vm.assertEq(hub.creditOf(payoutOf(node)), 8.75e18, "the node claims directly");
    }

    function test_an_anchor_that_leaves_a_node_out_is_found_out_by_its_neighbours() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = without(honest(10e18), payoutOf(node));
        commitPayouts(payouts);
        hub.challenge(anchor, 0, node, lanesOf(ack(10e18)), proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "the root is void");
    }

    function test_an_anchor_that_pays_itself_more_must_underpay_somebody() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        add(payouts, payoutOf(anchor), 1e18);
        bytes32 root = rootOf(payouts);
        vm.prank(anchor);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SumMismatch.selector, 11e18, 10e18)
        );
        hub.commitPeriod(0, root, 11e18, uint32(payouts.length));
    }

    function test_an_anchor_that_hides_its_tree_gets_it_voided() public {
        settleHonestly(10e18);
        vm.prank(anchor);
        hub.commitPeriod(0, keccak256("hidden"), 10e18, 3);
        hub.demandPayout(anchor, 0, node, lanesOf(ack(10e18)));
        vm.warp(hub.potOf(anchor, 0).finalAt - terms().challengeWindow / 4);
        hub.voidUnshown(anchor, 0, payoutOf(node));
        uint128 stakeBefore = registry.slashable(anchor);
        hub.forfeitBond(anchor, 0, STRANGER, node);
        vm.assertEq(registry.slashable(anchor), stakeBefore, "absence is not fraud");
        hub.restoreChunk(anchor, 0, 0, acceptedOf(10e18));
        vm.assertEq(hub.channelOf(session).balance, 100e18, "the channel is restored");
    }

    function test_an_anchor_that_puts_accounts_out_of_order_is_disproved_by_that() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        (payouts[1], payouts[2]) = (payouts[2], payouts[1]);
        commitPayouts(payouts);
        hub.challengeOrder(anchor, 0, proofOf(payouts, 1, 2));
        hub.forfeitBond(anchor, 0, address(this), address(0));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "the root is void");
    }

    function test_an_anchor_that_will_not_acknowledge_owes_a_posted_voucher_all_the_same() public {
        // its last word was a lease of 20, of which it acknowledged nothing
        hub.postVoucher(
            node, 0, directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18)
        );
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = without(honest(10e18), payoutOf(node));
        commitPayouts(payouts);
        IChannelHubTypes.OwedLane memory posted;
        (posted.signer, posted.tokenClass) = (session, ticketClass);
        hub.challenge(anchor, 0, node, lanesOf(posted), proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "the root is void");
    }

    function test_an_anchor_that_disappears_keeps_nobody_from_earning_or_moving_on() public {
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18))
        );
        vm.assertEq(hub.creditOf(payoutOf(node)), 8.75e18, "the node claims directly");
        uint32 next = parameters.currentPeriod() + 1;
        vm.prank(PAYER);
        hub.setAnchor(session, otherAnchor);
        vm.assertEq(hub.anchorAt(session, next), otherAnchor, "the channel has another anchor");
    }

    function test_an_anchor_that_leases_more_than_the_deposit_is_slashed_by_its_own_signatures() public {
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](2);
        (address low, address high) = node < otherAnchor ? (node, otherAnchor) : (otherAnchor, node);
        leases[0] = lease(low, 60e18);
        leases[1] = lease(high, 60e18);
        uint128 stakeBefore = registry.slashable(anchor);
        vm.prank(STRANGER);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        vm.assertEq(registry.slashable(anchor), stakeBefore - stakeBefore / 5, "a fifth of its stake");
    }

    function test_an_integration_that_will_not_sign_the_last_statement_is_claimed_from_directly() public {
        // the anchor holds a Statement of 4 and has acknowledged 10: it leaves the channel out
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18))
        );
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 10e18, "all of it");
    }

    function test_an_integration_that_withdraws_early_waits_longer_than_every_window() public {
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 100e18);
        toDirect(0);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_WithdrawalNotReleased.selector);
        hub.withdraw(session);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18))
        );
        vm.assertEq(hub.creditOf(payoutOf(node)), 8.75e18, "the node was first");
    }

    function test_an_integration_and_a_node_cannot_frame_the_anchor_with_a_back_dated_voucher() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        commitPayouts(payouts);
        // a voucher of 90 is theirs to sign, an Acknowledgement of it is not
        IChannelHubTypes.OwedLane memory forged =
            owedLane(NODE_SECRET, session, 0, node, ticketClass, 90e18, 90e18);
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_LaneInvalid.selector,
                0,
                IChannelHubTypes.SkipReason.AcknowledgementInvalid
            )
        );
        hub.challenge(anchor, 0, node, lanesOf(forged), proof);
        // nor can they post it now, or ever beyond the anchor's lease
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 90e18, 20e18);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        hub.postVoucher(node, 0, row);
    }
}
