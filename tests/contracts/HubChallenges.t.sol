// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

/// @dev The requirements of challenging, demanding, posting and recovering, one by one.
contract HubChallengesTest is DisputeFixture {
    IChannelHubTypes.Payout[] private _payouts;

    function setUp() public {
        stage();
    }

    // challenge

    function test_a_challenge_requires_a_committed_pot() public {
        settleHonestly(10e18);
        IChannelHubTypes.PayoutProof memory proof = proofFor(honest(10e18), payoutOf(node));
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_PotStatus.selector);
        hub.challenge(anchor, 0, node, lanes, proof);
    }

    function test_a_challenge_comes_before_the_root_is_final() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        vm.warp(hub.potOf(anchor, 0).finalAt);
        expectOnChallenge(IChannelHubTypes.ChannelHub_OutsideWindow.selector, payouts, lanesOf(ack(10e18)));
    }

    function test_a_challenge_names_each_lane_once() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        IChannelHubTypes.OwedLane[] memory lanes = new IChannelHubTypes.OwedLane[](2);
        (lanes[0], lanes[1]) = (ack(5e18), ack(5e18));
        expectOnChallenge(IChannelHubTypes.ChannelHub_LanesUnordered.selector, payouts, lanes);
    }

    /// @dev Neither of two channels' lanes is more than the root pays, and both together are.
    function test_a_challenge_sums_the_lanes_of_several_channels() public {
        address other = openChannel(0xC5, anchor, 50e18);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(0xC5, anchor, 0, 10e18));
        toSettle(0);
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(20e18);
        shift(payouts, payoutOf(node), payoutOf(anchor), 1e18);
        commitPayouts(payouts);
        IChannelHubTypes.OwedLane[] memory lanes = new IChannelHubTypes.OwedLane[](2);
        lanes[0] = owedLane(ANCHOR_SECRET, other, 0, node, ticketClass, 10e18, 20e18);
        lanes[1] = ack(10e18);
        if (other > session) (lanes[0], lanes[1]) = (lanes[1], lanes[0]);
        expectOnChallenge(IChannelHubTypes.ChannelHub_NotUnderpaid.selector, payouts, lanesOf(lanes[0]));
        (lanes[0], lanes[1]) = (lanes[1], lanes[0]);
        expectOnChallenge(IChannelHubTypes.ChannelHub_LanesUnordered.selector, payouts, lanes);
        (lanes[0], lanes[1]) = (lanes[1], lanes[0]);
        hub.challenge(anchor, 0, node, lanes, proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "void");
    }

    function test_a_bond_is_forfeited_in_the_name_of_who_disproved_the_root() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        hub.challenge(anchor, 0, node, lanesOf(ack(10e18)), proofFor(payouts, payoutOf(node)));
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChallengerInvalid.selector, STRANGER, node)
        );
        hub.forfeitBond(anchor, 0, STRANGER, node);
        hub.forfeitBond(anchor, 0, address(this), node);
    }

    function test_a_challenge_requires_channels_that_the_anchor_settled() public {
        openChannel(0xC5, anchor, 50e18);
        openChannel(0xC6, otherAnchor, 50e18);
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        IChannelHubTypes.OwedLane memory lane =
            owedLane(ANCHOR_SECRET, vm.addr(0xC5), 0, node, ticketClass, 10e18, 20e18);
        expectInvalidLane(payouts, lane, IChannelHubTypes.SkipReason.NotSettled);
        lane = owedLane(ANCHOR_SECRET, vm.addr(0xC6), 0, node, ticketClass, 10e18, 20e18);
        expectInvalidLane(payouts, lane, IChannelHubTypes.SkipReason.WrongAnchor);
    }

    function test_a_challenge_requires_the_anchors_own_signature() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        IChannelHubTypes.OwedLane memory lane =
            owedLane(SESSION_SECRET, session, 0, node, ticketClass, 10e18, 20e18);
        expectInvalidLane(payouts, lane, IChannelHubTypes.SkipReason.AcknowledgementInvalid);
        lane = ack(10e18);
        lane.acknowledged += 1;
        expectInvalidLane(payouts, lane, IChannelHubTypes.SkipReason.AcknowledgementInvalid);
    }

    function test_a_challenge_requires_payouts_of_the_committed_tree() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        payouts[indexOf(payouts, payoutOf(node))].amount -= 1;
        expectOnChallenge(IChannelHubTypes.ChannelHub_ProofInvalid.selector, payouts, lanesOf(ack(10e18)));
    }

    function test_a_challenge_shows_the_nodes_payout_or_its_absence() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        uint256 index = indexOf(payouts, payoutOf(node));
        IChannelHubTypes.PayoutProof memory proof = proofOf(payouts, index == 0 ? 1 : index - 1, 1);
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_PayoutNotShown.selector, payoutOf(node))
        );
        hub.challenge(anchor, 0, node, lanes, proof);
    }

    function test_absence_is_shown_at_every_place(uint256 seed) public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = new IChannelHubTypes.Payout[](3);
        for (uint256 i; i < 3; ++i) {
            payouts[i].account = address(uint160(uint256(keccak256(abi.encode(seed, i)))));
            payouts[i].amount = i == 0 ? 4e18 : 3e18;
        }
        sort(payouts);
        commitPayouts(payouts);
        hub.challenge(anchor, 0, node, lanesOf(ack(1e18)), proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "void");
    }

    function test_a_node_that_was_paid_what_it_is_owed_challenges_in_vain(uint128 acknowledged) public {
        acknowledged = uint128(bound(acknowledged, 0, 10e18));
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        commitPayouts(payouts);
        expectOnChallenge(
            IChannelHubTypes.ChannelHub_NotUnderpaid.selector, payouts, lanesOf(ack(acknowledged))
        );
    }

    function test_three_units_less_than_owed_are_enough() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        shift(payouts, payoutOf(node), payoutOf(anchor), 3);
        commitPayouts(payouts);
        hub.challenge(anchor, 0, node, lanesOf(ack(10e18)), proofFor(payouts, payoutOf(node)));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "void");
    }

    function test_a_void_root_pays_nothing_and_is_not_challenged_again() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        hub.challenge(anchor, 0, node, lanes, proof);
        expectOnChallenge(IChannelHubTypes.ChannelHub_PotStatus.selector, payouts, lanes);
        vm.warp(block.timestamp + 30 days);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_PotStatus.selector);
        hub.distribute(anchor, 0, 0, payouts, new IChannelHubTypes.ProofNode[](0));
    }

    // challengeOrder

    function test_payouts_in_order_are_no_fault() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        commitPayouts(payouts);
        IChannelHubTypes.PayoutProof memory proof = proofOf(payouts, 1, 2);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_InOrder.selector);
        hub.challengeOrder(anchor, 0, proof);
        proof = proofOf(payouts, 1, 1);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_InOrder.selector);
        hub.challengeOrder(anchor, 0, proof);
    }

    function test_an_account_that_is_paid_twice_is_out_of_order() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        payouts[2].account = payouts[1].account;
        commitPayouts(payouts);
        hub.challengeOrder(anchor, 0, proofOf(payouts, 1, 2));
        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Void, "void");
    }

    // demandPayout, showPayout, voidUnshown

    function test_a_demand_that_is_answered_voids_nothing() public {
        IChannelHubTypes.Payout[] memory payouts = demanded();
        hub.showPayout(anchor, 0, payoutOf(node), proofFor(payouts, payoutOf(node)));
        vm.warp(hub.potOf(anchor, 0).finalAt - 1);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_DemandInvalid.selector);
        hub.voidUnshown(anchor, 0, payoutOf(node));
    }

    function test_a_shown_payout_is_logged_with_its_proof() public {
        IChannelHubTypes.Payout[] memory payouts = demanded();
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        vm.recordLogs();
        hub.showPayout(anchor, 0, payoutOf(node), proof);
        (, IChannelHubTypes.PayoutProof memory shown) =
            abi.decode(vm.getRecordedLogs()[0].data, (uint128, IChannelHubTypes.PayoutProof));
        vm.assertTrue(keccak256(abi.encode(shown)) == keccak256(abi.encode(proof)), "the same proof");
    }

    function test_a_payout_is_demanded_once() public {
        demanded();
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_DemandInvalid.selector);
        hub.demandPayout(anchor, 0, node, lanes);
    }

    function test_a_demand_requires_something_owed_and_half_of_the_window() public {
        settleHonestly(10e18);
        commitPayouts(honest(10e18));
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_NotUnderpaid.selector);
        hub.demandPayout(anchor, 0, node, new IChannelHubTypes.OwedLane[](0));
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        vm.warp(block.timestamp + terms().challengeWindow / 2);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        hub.demandPayout(anchor, 0, node, lanes);
    }

    function test_the_anchor_has_its_time_to_answer() public {
        demanded();
        vm.warp(hub.potOf(anchor, 0).finalAt - terms().challengeWindow / 4 - 1);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        hub.voidUnshown(anchor, 0, payoutOf(node));
    }

    function test_only_what_was_demanded_is_shown() public {
        settleHonestly(10e18);
        IChannelHubTypes.Payout[] memory payouts = honest(10e18);
        commitPayouts(payouts);
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_DemandInvalid.selector);
        hub.showPayout(anchor, 0, payoutOf(node), proof);
    }

    // forfeitBond

    function test_a_bond_is_forfeit_once_and_only_where_the_pot_is_void() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_PotStatus.selector);
        hub.forfeitBond(anchor, 0, address(this), node);
        hub.challenge(anchor, 0, node, lanesOf(ack(10e18)), proofFor(payouts, payoutOf(node)));
        hub.forfeitBond(anchor, 0, address(this), node);
        vm.assertEq(registry.nodeOf(anchor).locked, 0, "nothing is locked");
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        hub.forfeitBond(anchor, 0, address(this), node);
    }

    // postVoucher

    function test_a_posted_voucher_ends_at_the_lease_and_only_grows() public {
        post(50e18, 20e18);
        vm.assertEq(hub.postedAmount(session, 0, node, ticketClass), 20e18, "the lease");
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        this.post(19e18, 20e18);
        post(50e18, 30e18);
        vm.assertEq(hub.postedAmount(session, 0, node, ticketClass), 30e18, "a larger lease");
    }

    function test_posting_requires_the_time_before_settling() public {
        toSettle(0);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        this.post(10e18, 20e18);
    }

    function test_posting_requires_a_channel_and_both_signatures() public {
        expectInvalidPost(IChannelHubTypes.SkipReason.UnknownChannel, 0xC9, ANCHOR_SECRET);
        expectInvalidPost(
            IChannelHubTypes.SkipReason.AcknowledgementInvalid, SESSION_SECRET, OTHER_ANCHOR_SECRET
        );
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18);
        row.cumulative += 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_LaneInvalid.selector,
                0,
                IChannelHubTypes.SkipReason.SignatureInvalid
            )
        );
        hub.postVoucher(node, 0, row);
    }

    function test_a_posted_voucher_is_claimed_without_signatures() public {
        post(10e18, 20e18);
        toDirect(0);
        IChannelHubTypes.DirectClaimRow memory row;
        (row.signer, row.tokenClass) = (session, ticketClass);
        claimDirectly(node, 0, claimsOf(row));
        claimDirectly(node, 0, claimsOf(row));
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 10e18, "once");
    }

    // restoreChunk after a void root, spendCreditOnRent

    function test_a_void_root_gives_back_exactly_the_debits_once() public {
        IChannelHubTypes.Payout[] memory payouts = underpaid();
        hub.challenge(anchor, 0, node, lanesOf(ack(10e18)), proofFor(payouts, payoutOf(node)));
        hub.restoreChunk(anchor, 0, 0, acceptedOf(10e18));
        vm.assertEq(hub.channelOf(session).balance, 100e18, "all of it");
        vm.assertFalse(hub.isSettled(session, 0), "not settled");
        IChannelHubTypes.AcceptedRow[] memory rows = acceptedOf(10e18);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_ChunkMismatch.selector);
        hub.restoreChunk(anchor, 0, 0, rows);
    }

    function test_credit_buys_rent_without_leaving_the_hub() public {
        vm.prank(AIRLINE);
        vault.start(ticketClass, 10, 3);
        earn();
        uint128 credit = hub.creditOf(payoutOf(node));
        (uint128 price,) = vault.quote(ticketClass, 10, 2);
        vm.prank(payoutOf(node));
        uint128 spent = hub.spendCreditOnRent(ticketClass, 2, credit);
        vm.assertEq(spent, price, "the price");
        vm.assertEq(hub.creditOf(payoutOf(node)), credit - price, "the rest stays");
        vm.assertEq(service.allowance(address(hub), address(vault)), 0, "nothing stays approved");
    }

    function test_credit_buys_no_rent_above_the_maximum_or_the_credit() public {
        vm.prank(AIRLINE);
        vault.start(ticketClass, 10, 3);
        earn();
        vm.startPrank(payoutOf(node));
        vm.expectRevert();
        hub.spendCreditOnRent(ticketClass, 2, 1);
        uint128 credit = hub.creditOf(payoutOf(node));
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        hub.spendCreditOnRent(ticketClass, 2, credit + 1);
        vm.stopPrank();
    }

    function post(uint128 cumulative, uint128 leaseCap) public {
        hub.postVoucher(
            node, 0, directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, cumulative, leaseCap)
        );
    }

    function earn() private {
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18))
        );
    }

    function underpaid() private returns (IChannelHubTypes.Payout[] memory payouts) {
        settleHonestly(10e18);
        payouts = honest(10e18);
        shift(payouts, payoutOf(node), payoutOf(anchor), 1e18);
        commitPayouts(payouts);
    }

    function demanded() private returns (IChannelHubTypes.Payout[] memory payouts) {
        settleHonestly(10e18);
        payouts = honest(10e18);
        commitPayouts(payouts);
        hub.demandPayout(anchor, 0, node, lanesOf(ack(10e18)));
    }

    function expectOnChallenge(
        bytes4 selector,
        IChannelHubTypes.Payout[] memory payouts,
        IChannelHubTypes.OwedLane[] memory lanes
    ) private {
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        vm.expectPartialRevert(selector);
        hub.challenge(anchor, 0, node, lanes, proof);
    }

    function expectInvalidLane(
        IChannelHubTypes.Payout[] memory payouts,
        IChannelHubTypes.OwedLane memory lane,
        IChannelHubTypes.SkipReason reason
    ) private {
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_LaneInvalid.selector, 0, reason));
        hub.challenge(anchor, 0, node, lanesOf(lane), proof);
    }

    function expectInvalidPost(IChannelHubTypes.SkipReason reason, uint256 payerSecret, uint256 anchorSecret)
        private
    {
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(payerSecret, anchorSecret, node, 0, ticketClass, 10e18, 20e18);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_LaneInvalid.selector, 0, reason));
        hub.postVoucher(node, 0, row);
    }
}
