// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ChannelHub} from "../../contracts/hub/ChannelHub.sol";
import {HubClaims} from "../../contracts/hub/HubClaims.sol";
import {HubExtension} from "../../contracts/hub/HubExtension.sol";
import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {ServiceToken} from "../../contracts/tokens/ServiceToken.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

/// @dev An account that is a contract, as a company's wallet is.
contract Wallet {
    constructor(ServiceToken token, address hub) {
        token.approve(hub, type(uint256).max);
    }

    function run(address target, bytes calldata call) external {
        (bool succeeded,) = target.call(call);
        require(succeeded, "refused");
    }
}

/// @dev What an owner lets a session key spend, and how long.
contract HubLimitsTest is DisputeFixture {
    uint96 private constant CAP = 10e18;

    function setUp() public {
        deploy();
        nameDisputes();
        populate();
    }

    function test_a_smart_account_owns_the_deposit_and_a_key_spends_its_cap() public {
        Wallet wallet = new Wallet(service, address(hub));
        vm.prank(OWNER);
        service.transfer(address(wallet), 100e18);
        wallet.run(
            address(hub), abi.encodeCall(hub.openLimited, (session, address(wallet), anchor, 100e18, CAP, 3))
        );
        vm.assertEq(hub.channelOf(session).owner, address(wallet), "owner");
        vm.assertEq(hub.channelOf(session).balance, 100e18, "deposit");
        (uint96 cap, uint32 until) = hub.limitOf(session, 0);
        vm.assertEq(cap, CAP, "cap");
        vm.assertEq(until, 3, "until");
        settleOne(0, CAP);
        vm.assertTrue(hub.isSettled(session, 0), "up to its cap");
        toPeriod(1);
        wallet.run(address(hub), abi.encodeCall(hub.limitSigner, (session, 2 * CAP, 0)));
        settleOne(1, 2 * CAP);
        vm.assertTrue(hub.isSettled(session, 1), "up to its new cap");
    }

    function test_a_statement_above_the_cap_is_skipped() public {
        limited(CAP, 0);
        toSettle(0);
        vm.expectEmit();
        emit IChannelHubTypes.RowSkipped(anchor, 0, 0, session, IChannelHubTypes.SkipReason.LimitExceeded);
        settle(0, CAP + 1);
        vm.assertFalse(hub.isSettled(session, 0), "not settled");
        settle(0, CAP);
        vm.assertTrue(hub.isSettled(session, 0), "settled");
    }

    function test_direct_claims_are_paid_up_to_the_cap_of_each_period() public {
        limited(CAP, 0);
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](3);
        for (uint256 i; i < 3; ++i) {
            rows[i] = directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, bytes32(i + 1), 8e18, 9e18);
        }
        toDirect(0);
        vm.assertEq(claimDirectly(node, 0, rows), 2, "lanes that were paid");
        vm.assertEq(hub.channelOf(session).balance, 90e18, "the cap was spent");
        toDirect(1);
        claimDirectly(
            node, 1, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 1, ticketClass, 4e18, 4e18))
        );
        vm.assertEq(directClaimed(session, 1, node, ticketClass), 4e18, "another period, another cap");
    }

    function test_a_key_without_a_cap_spends_all_directly() public {
        limited(0, 5);
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 60e18, 60e18))
        );
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 60e18, "no cap");
    }

    function test_a_wider_cap_holds_at_once() public {
        limited(CAP, 0);
        vm.expectEmit();
        emit IChannelHubTypes.SignerLimited(session, 2 * CAP, 0, 4);
        limit(2 * CAP, 4);
        assertCap(0, 2 * CAP);
        limit(0, 0);
        assertCap(0, 0);
        settleOne(0, 90e18);
        vm.assertTrue(hub.isSettled(session, 0), "no cap is the widest");
    }

    function test_a_narrower_cap_holds_from_the_next_period_on() public {
        openChannel(SESSION_SECRET, anchor, 100e18);
        vm.expectEmit();
        emit IChannelHubTypes.SignerLimited(session, CAP, 1, 0);
        limit(CAP, 0);
        assertCap(0, 0);
        assertCap(1, CAP);
        settleOne(0, 50e18);
        vm.assertTrue(hub.isSettled(session, 0), "the running period is as it was");
    }

    function test_a_narrower_cap_that_is_still_to_come_is_replaced() public {
        limited(CAP, 0);
        limit(1e18, 0);
        limit(2e18, 0);
        assertCap(0, CAP);
        assertCap(1, 2e18);
        limit(CAP, 0);
        assertCap(1, CAP);
    }

    function test_a_wider_cap_leaves_the_periods_before_the_last_change_as_they_were() public {
        limited(3 * CAP, 0);
        limit(CAP, 0);
        toPeriod(1);
        limit(2 * CAP, 0);
        assertCap(0, 3 * CAP);
        assertCap(1, 2 * CAP);
    }

    function test_a_narrower_cap_waits_until_the_periods_before_the_last_one_are_over() public {
        limited(3 * CAP, 0);
        limit(2 * CAP, 0);
        toPeriod(1);
        uint64 freeAt = parameters.windowsOf(0).directUntil;
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_LimitPending.selector, session, freeAt)
        );
        limit(CAP, 0);
        vm.warp(freeAt);
        limit(CAP, 0);
        assertCap(1, 2 * CAP);
        assertCap(2, CAP);
    }

    function test_an_expired_key_signs_nothing_until_it_is_renewed() public {
        limited(CAP, 1);
        toPeriod(1);
        vm.assertEq(hub.channelAt(session, 0), session, "its periods");
        vm.assertEq(hub.channelAt(session, 1), address(0), "no longer");
        toSettle(1);
        vm.expectEmit();
        emit IChannelHubTypes.RowSkipped(anchor, 1, 0, session, IChannelHubTypes.SkipReason.UnknownChannel);
        settle(1, 1e18);
        limit(CAP, 4);
        vm.assertEq(hub.channelAt(session, 3), session, "renewed");
        vm.assertEq(hub.channelAt(session, 4), address(0), "not for ever");
    }

    function test_a_next_key_is_limited_by_the_same_owner() public {
        openChannel(SESSION_SECRET, anchor, 100e18);
        address next = vm.addr(0xC9);
        vm.startPrank(PAYER);
        hub.rotateSigner(session, next);
        hub.limitSigner(next, CAP, 7);
        vm.stopPrank();
        (uint96 cap,) = hub.limitOf(next, 1);
        vm.assertEq(cap, CAP, "the next key's");
        assertCap(1, 0);
        toSettle(1);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(0xC9, anchor, 1, CAP + 1));
        vm.expectEmit();
        emit IChannelHubTypes.RowSkipped(anchor, 1, 0, next, IChannelHubTypes.SkipReason.LimitExceeded);
        vm.prank(anchor);
        hub.settleChunk(1, rows);
    }

    function test_only_the_owner_limits_a_key() public {
        limited(CAP, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotOwner.selector, session, STRANGER)
        );
        vm.prank(STRANGER);
        hub.limitSigner(session, 2 * CAP, 0);
    }

    function test_only_a_channels_key_is_limited() public {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_UnknownChannel.selector, STRANGER));
        hub.limitSigner(STRANGER, CAP, 0);
    }

    function test_a_key_ends_with_the_current_period_at_the_earliest() public {
        toPeriod(2);
        bytes memory refusal =
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ExpiryInvalid.selector, 2, 2);
        vm.expectRevert(refusal);
        limited(CAP, 2);
        limited(CAP, 3);
        vm.expectRevert(refusal);
        limit(CAP, 2);
    }

    function test_a_limited_channel_is_opened_as_any_other() public {
        vm.startPrank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotAnchor.selector, node));
        hub.openLimited(session, PAYER, node, 1e18, CAP, 0);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        hub.openLimited(session, PAYER, anchor, 0, CAP, 0);
        vm.stopPrank();
        uint256 before = service.balanceOf(address(hub));
        limited(CAP, 0);
        vm.assertEq(service.balanceOf(address(hub)), before + 100e18, "paid");
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_ChannelExists.selector);
        limited(CAP, 0);
    }

    function test_leases_beyond_the_cap_are_over_leasing() public {
        limited(CAP, 0);
        vm.assertEq(hub.heldIn(session, 0), CAP, "no more than its cap");
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, CAP + 1);
        uint128 before = registry.slashable(anchor);
        disputes.punishOverLeasing(anchor, session, 0, leases);
        vm.assertLe(registry.slashable(anchor), before - 1, "slashed");
    }

    function test_whoever_leased_under_the_wider_cap_is_judged_by_it() public {
        limited(2 * CAP, 0);
        limit(CAP, 0);
        vm.assertEq(hub.heldIn(session, 0), 2 * CAP, "the wider one");
        vm.assertEq(hub.heldIn(session, 1), 2 * CAP, "in doubt for whoever leased");
        limit(3 * CAP, 0);
        vm.assertEq(hub.heldIn(session, 0), 3 * CAP, "the widest");
        limit(0, 0);
        vm.assertGe(hub.heldIn(session, 0), 100e18, "no cap");
    }

    function test_narrower_caps_of_later_periods_frame_nobody_who_leased_in_earlier_ones() public {
        limited(2 * CAP, 0);
        limit(CAP, 0);
        toPeriod(1);
        vm.warp(parameters.windowsOf(0).directUntil);
        limit(CAP / 2, 0);
        vm.assertGe(hub.heldIn(session, 0), 2 * CAP, "as wide as it ever was then");
        vm.assertEq(hub.heldIn(session, 1), CAP, "what is remembered");
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = lease(node, 2 * CAP);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_Covered.selector);
        disputes.punishOverLeasing(anchor, session, 0, leases);
    }

    function test_the_extensions_hold_nothing_and_serve_only_their_hub() public {
        HubExtension extension = HubExtension(hub.extension());
        vm.expectRevert(IChannelHubTypes.ChannelHub_NotDelegated.selector);
        extension.openLimited(session, PAYER, anchor, 1e18, CAP, 0);
        HubClaims foreign = new HubClaims(
            new ServiceToken(OWNER, OWNER, 1, 0), parameters, registry, issuers, disputes, vault
        );
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ExtensionMismatch.selector, address(foreign))
        );
        new ChannelHub(service, parameters, registry, issuers, disputes, vault, foreign);
    }

    function limited(uint96 cap, uint32 until) private {
        vm.prank(PAYER);
        hub.openLimited(session, PAYER, anchor, 100e18, cap, until);
    }

    function limit(uint96 cap, uint32 until) private {
        vm.prank(PAYER);
        hub.limitSigner(session, cap, until);
    }

    function settleOne(uint32 period, uint128 amount) private {
        toSettle(period);
        settle(period, amount);
    }

    function settle(uint32 period, uint128 amount) private {
        IChannelHubTypes.StatementRow[] memory rows =
            rowsOf(statement(SESSION_SECRET, anchor, period, amount));
        vm.prank(anchor);
        hub.settleChunk(period, rows);
    }

    function assertCap(uint32 period, uint96 expected) private view {
        (uint96 cap,) = hub.limitOf(session, period);
        vm.assertEq(cap, expected, "cap");
    }
}
