// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {Fixture} from "./support/Fixture.sol";

contract DirectClaimsTest is Fixture {
    function setUp() public {
        deploy();
        populate();
        openChannel(SESSION_SECRET, anchor, 100e18);
    }

    function test_a_node_is_paid_what_its_anchor_did_not_settle() public {
        toDirect(0);
        vm.expectEmit();
        emit IChannelHubTypes.DirectClaimed(session, node, 0, ticketClass, 10e18, 10e18);
        claim(good());

        vm.assertEq(hub.channelOf(session).balance, 90e18, "balance");
        // 2.5 % protocol, two fifths of it burnt; 10 % issuer; the anchor's share is the node's
        vm.assertEq(hub.creditOf(payoutOf(node)), 8.75e18, "node");
        vm.assertEq(hub.creditOf(ISSUER_PAYOUT), 1e18, "issuer");
        vm.assertEq(hub.creditOf(TREASURY), 0.15e18, "treasury");
        vm.assertEq(hub.creditOf(address(0)), 0.1e18, "burnt");
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 10e18, "lane");
    }

    function test_a_class_without_an_issuer_leaves_its_share_to_the_node() public {
        toDirect(0);
        claim(lane(bytes32("unknown"), 10e18, 20e18));
        vm.assertEq(hub.creditOf(payoutOf(node)), 9.75e18, "node");
    }

    function test_a_claim_ends_at_the_lease() public {
        toDirect(0);
        claim(lane(ticketClass, 30e18, 20e18));
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 20e18, "lane");
    }

    function test_a_claim_ends_at_the_balance() public {
        toDirect(0);
        claim(lane(ticketClass, 130e18, 150e18));
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 100e18, "lane");
        expectSkip(IChannelHubTypes.SkipReason.InsufficientBalance);
        claim(lane(ticketClass, 130e18, 150e18));
    }

    function test_a_later_voucher_claims_the_difference() public {
        toDirect(0);
        claim(lane(ticketClass, 10e18, 50e18));
        claim(lane(ticketClass, 25e18, 50e18));
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 25e18, "lane");
        vm.assertEq(hub.channelOf(session).balance, 75e18, "balance");
    }

    function test_a_voucher_is_not_paid_twice() public {
        toDirect(0);
        claim(good());
        expectSkip(IChannelHubTypes.SkipReason.NothingToClaim);
        claim(good());
        vm.assertEq(hub.channelOf(session).balance, 90e18, "balance");
    }

    function test_a_settled_channel_is_not_claimed_directly() public {
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, 1e18));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        toDirect(0);
        expectSkip(IChannelHubTypes.SkipReason.AlreadySettled);
        claim(good());
    }

    function test_a_restored_channel_is_claimed_directly() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        vm.prank(anchor);
        hub.settleChunk(0, rowsOf(row));
        toDirect(0);
        IChannelHubTypes.AcceptedRow[] memory rows = new IChannelHubTypes.AcceptedRow[](1);
        rows[0] = IChannelHubTypes.AcceptedRow(session, 1e18, row.vouchersRoot);
        hub.restoreChunk(anchor, 0, 0, rows);
        claim(good());
        vm.assertEq(hub.channelOf(session).balance, 90e18, "balance");
    }

    function test_an_unknown_channel_is_skipped() public {
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(0xDEAD, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18);
        toDirect(0);
        vm.expectEmit();
        emit IChannelHubTypes.DirectRowSkipped(
            node, 0, 0, row.signer, IChannelHubTypes.SkipReason.UnknownChannel
        );
        claim(row);
    }

    function test_a_voucher_signed_by_another_key_is_skipped() public {
        IChannelHubTypes.DirectClaimRow memory row = good();
        IChannelHubTypes.DirectClaimRow memory other =
            directClaim(0xDEAD, ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18);
        (row.voucherR, row.voucherVs) = (other.voucherR, other.voucherVs);
        toDirect(0);
        expectSkip(IChannelHubTypes.SkipReason.SignatureInvalid);
        claim(row);
    }

    function test_a_larger_voucher_than_signed_is_skipped() public {
        IChannelHubTypes.DirectClaimRow memory row = good();
        row.cumulative += 1;
        toDirect(0);
        expectSkip(IChannelHubTypes.SkipReason.SignatureInvalid);
        claim(row);
    }

    function test_another_anchors_acknowledgement_is_skipped() public {
        toDirect(0);
        expectSkip(IChannelHubTypes.SkipReason.AcknowledgementInvalid);
        claim(directClaim(SESSION_SECRET, OTHER_ANCHOR_SECRET, node, 0, ticketClass, 10e18, 20e18));
    }

    function test_a_larger_lease_than_signed_is_skipped() public {
        IChannelHubTypes.DirectClaimRow memory row = good();
        row.leaseCap += 1;
        toDirect(0);
        expectSkip(IChannelHubTypes.SkipReason.AcknowledgementInvalid);
        claim(row);
    }

    function test_evidence_of_another_node_is_skipped() public {
        toDirect(0);
        IChannelHubTypes.DirectClaimRow memory row = good();
        vm.expectEmit();
        emit IChannelHubTypes.DirectRowSkipped(
            otherAnchor, 0, 0, session, IChannelHubTypes.SkipReason.SignatureInvalid
        );
        claimDirectly(otherAnchor, 0, claimsOf(row));
    }

    function test_the_anchor_of_the_period_counts_after_a_change() public {
        vm.prank(PAYER);
        hub.setAnchor(session, otherAnchor);
        toDirect(0);
        claim(good());
        vm.assertEq(hub.channelOf(session).balance, 90e18, "balance");
    }

    function test_rows_of_several_anchors_and_a_bad_one_go_together() public {
        openChannel(0xC2, otherAnchor, 50e18);
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](4);
        rows[0] = good();
        rows[1] = directClaim(0xC2, OTHER_ANCHOR_SECRET, node, 0, ticketClass, 5e18, 5e18);
        rows[2] = directClaim(0xC2, ANCHOR_SECRET, node, 0, bytes32("bad"), 6e18, 6e18);
        rows[3] = directClaim(0xC2, OTHER_ANCHOR_SECRET, node, 0, bytes32("other"), 2e18, 8e18);
        toDirect(0);
        claimDirectly(node, 0, rows);
        vm.assertEq(hub.channelOf(session).balance, 90e18, "first");
        vm.assertEq(hub.channelOf(vm.addr(0xC2)).balance, 43e18, "second");
    }

    function test_nothing_is_claimed_before_the_anchor_is_late() public {
        IChannelHubTypes.DirectClaimRow memory row = good();
        uint64 from = parameters.windowsOf(0).settleUntil;
        uint64 until = parameters.windowsOf(0).directUntil;
        vm.warp(from - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_OutsideWindow.selector, from - 1, from, until)
        );
        claim(row);
    }

    function test_nothing_is_claimed_after_the_window() public {
        IChannelHubTypes.DirectClaimRow memory row = good();
        uint64 from = parameters.windowsOf(0).settleUntil;
        uint64 until = parameters.windowsOf(0).directUntil;
        vm.warp(until);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_OutsideWindow.selector, until, from, until)
        );
        claim(row);
    }

    function test_only_a_registered_node_is_paid() public {
        toDirect(0);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_UnknownNode.selector, STRANGER));
        claimDirectly(STRANGER, 0, new IChannelHubTypes.DirectClaimRow[](0));
    }

    function good() private view returns (IChannelHubTypes.DirectClaimRow memory) {
        return lane(ticketClass, 10e18, 20e18);
    }

    function lane(bytes32 tokenClass, uint128 cumulative, uint128 leaseCap)
        private
        view
        returns (IChannelHubTypes.DirectClaimRow memory)
    {
        return directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, tokenClass, cumulative, leaseCap);
    }

    function claim(IChannelHubTypes.DirectClaimRow memory row) private {
        vm.prank(STRANGER);
        claimDirectly(node, 0, claimsOf(row));
    }

    function expectSkip(IChannelHubTypes.SkipReason reason) private {
        vm.expectEmit();
        emit IChannelHubTypes.DirectRowSkipped(node, 0, 0, session, reason);
    }
}
