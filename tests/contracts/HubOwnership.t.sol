// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {SmartAccount} from "./HubDeposits.t.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

contract HubOwnershipTest is DisputeFixture {
    uint256 private constant NEXT_SECRET = 0xC2;
    address private next;

    function setUp() public {
        stage();
        next = vm.addr(NEXT_SECRET);
    }

    function test_a_channel_held_nothing_before_it_was_opened() public {
        toPeriod(1);
        address signer = openChannel(0xC7, anchor, 5e18);
        vm.assertEq(hub.heldIn(signer, 0), 0, "not yet");
        vm.assertGe(hub.heldIn(signer, 1), 5e18, "from then on");
    }

    function test_the_domain_is_that_of_every_message() public view {
        vm.assertEq(hub.domainSeparator(), lens.domainSeparator(address(hub)), "domain");
    }

    // Rotation

    function test_the_next_key_signs_from_the_next_period_on() public {
        vm.expectEmit();
        emit IChannelHubTypes.SignerRotated(session, next, 1);
        rotate();
        vm.assertEq(hub.channelAt(session, 0), session, "the old key, now");
        vm.assertEq(hub.channelAt(next, 0), address(0), "the new key, now");
        vm.assertEq(hub.channelAt(session, 1), address(0), "the old key, then");
        vm.assertEq(hub.channelAt(next, 1), session, "the new key, then");
    }

    function test_statements_of_the_old_key_stay_valid_for_its_periods_only() public {
        rotate();
        settleWith(0, SESSION_SECRET, 1e18);
        vm.assertEq(hub.channelOf(next).balance, 99e18, "period 0 by the old key");
        settleWith(1, SESSION_SECRET, 1e18);
        vm.assertEq(hub.channelOf(next).balance, 99e18, "period 1 not by the old key");
        settleWith(1, NEXT_SECRET, 1e18);
        vm.assertEq(hub.channelOf(next).balance, 98e18, "period 1 by the new key");
        vm.assertTrue(hub.isSettled(next, 1), "settled");
        settleWith(1, NEXT_SECRET, 1e18);
        vm.assertEq(hub.channelOf(next).balance, 98e18, "once");
    }

    function test_vouchers_of_the_old_key_stay_valid_for_its_periods_only() public {
        rotate();
        toDirect(0);
        claimDirectly(
            node, 0, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 1e18, 2e18))
        );
        vm.assertEq(directClaimed(session, 0, node, ticketClass), 1e18, "the old key's period");
        toDirect(1);
        claimDirectly(
            node, 1, claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 1, ticketClass, 1e18, 2e18))
        );
        vm.assertEq(directClaimed(session, 1, node, ticketClass), 0, "no more");
    }

    function test_keys_rotate_again_and_again() public {
        rotate();
        toPeriod(1);
        vm.prank(PAYER);
        hub.rotateSigner(session, vm.addr(0xC3));
        vm.assertEq(hub.channelAt(next, 1), session, "the second key's period");
        vm.assertEq(hub.channelAt(next, 2), address(0), "is over");
        vm.assertEq(hub.channelAt(vm.addr(0xC3), 2), session, "the third key");
        vm.assertEq(hub.channelAt(session, 0), session, "the first key's period");
    }

    function test_rotation_requires_the_owner() public {
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotOwner.selector, session, STRANGER)
        );
        vm.prank(STRANGER);
        hub.rotateSigner(session, next);
    }

    function test_rotation_requires_a_key_that_was_never_used() public {
        vm.startPrank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChannelExists.selector, session));
        hub.rotateSigner(session, session);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ZeroAccount.selector));
        hub.rotateSigner(session, address(0));
        hub.rotateSigner(session, next);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChannelExists.selector, next));
        hub.open(next, PAYER, anchor, 1e18);
        vm.stopPrank();
    }

    function test_rotation_requires_that_the_last_one_took_effect() public {
        rotate();
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_RotationPending.selector, session, 1)
        );
        vm.prank(PAYER);
        hub.rotateSigner(session, vm.addr(0xC3));
    }

    // Cooperative close

    function test_closing_refunds_the_rest_at_once() public {
        uint256 before = service.balanceOf(PAYER);
        vm.expectEmit();
        emit IChannelHubTypes.ChannelClosed(session, 0, 30e18, 70e18);
        close(30e18, SESSION_SECRET, ANCHOR_SECRET);
        vm.assertEq(hub.channelOf(session).balance, 30e18, "what is owed stays");
        vm.assertEq(service.balanceOf(PAYER) - before, 70e18, "the rest is back");
        vm.assertGe(hub.heldIn(session, 0), 30e18, "held from now on");
        vm.assertLe(hub.heldIn(session, 0), 30e18 + 2 ** 32, "held from now on");
    }

    function test_closing_requires_the_session_key_or_the_owner() public {
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SignatureInvalid.selector, session)
        );
        this.close(30e18, NODE_SECRET, ANCHOR_SECRET);
    }

    function test_closing_requires_the_anchor() public {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SignatureInvalid.selector, anchor));
        this.close(30e18, SESSION_SECRET, OTHER_ANCHOR_SECRET);
    }

    function test_closing_requires_the_current_period_and_its_deadline() public {
        toPeriod(1);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_WrongPeriod.selector, 0, 1));
        this.closeIn(0, type(uint64).max, session, 30e18, SESSION_SECRET, ANCHOR_SECRET);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_Expired.selector);
        this.closeIn(1, uint64(block.timestamp - 1), session, 30e18, SESSION_SECRET, ANCHOR_SECRET);
    }

    function test_closing_requires_less_than_the_balance() public {
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 100e18, 100e18)
        );
        this.close(100e18, SESSION_SECRET, ANCHOR_SECRET);
    }

    function test_closing_waits_for_the_windows_of_an_earlier_anchor() public {
        vm.prank(PAYER);
        hub.setAnchor(session, otherAnchor);
        toPeriod(1);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AnchorChangePending.selector);
        this.closeIn(1, type(uint64).max, session, 30e18, SESSION_SECRET, OTHER_ANCHOR_SECRET);
    }

    function test_a_smart_account_closes_through_its_own_check() public {
        uint256 key = 0xD7;
        address account = address(new SmartAccount(vm.addr(key)));
        vm.prank(PAYER);
        hub.open(vm.addr(0xC7), account, anchor, 10e18);
        closeIn(0, type(uint64).max, vm.addr(0xC7), 3e18, key, ANCHOR_SECRET);
        vm.assertEq(service.balanceOf(account), 7e18, "refund");
    }

    function test_an_account_with_delegated_code_closes_either_way() public {
        uint256 key = 0xD8;
        address account = vm.addr(key);
        vm.prank(PAYER);
        hub.open(vm.addr(0xC8), account, anchor, 10e18);
        // its code, set by EIP-7702, knows another key
        uint256 other = 0xD9;
        vm.etch(account, address(new SmartAccount(vm.addr(other))).code);
        closeIn(0, type(uint64).max, vm.addr(0xC8), 6e18, key, ANCHOR_SECRET);
        closeIn(0, type(uint64).max, vm.addr(0xC8), 3e18, other, ANCHOR_SECRET);
        vm.assertEq(service.balanceOf(account), 7e18, "refunds");
    }

    function close(uint128 finalAmount, uint256 payerSecret, uint256 anchorSecret) public {
        closeIn(0, type(uint64).max, session, finalAmount, payerSecret, anchorSecret);
    }

    function closeIn(
        uint32 period,
        uint64 deadline,
        address signer,
        uint128 finalAmount,
        uint256 payerSecret,
        uint256 anchorSecret
    ) public {
        ISmartLayerMessages.Close memory agreement =
            ISmartLayerMessages.Close(signer, period, finalAmount, deadline);
        bytes32 digest = lens.hashClose(address(hub), agreement);
        hub.close(agreement, signature(payerSecret, digest), signature(anchorSecret, digest));
    }

    function rotate() private {
        vm.prank(PAYER);
        hub.rotateSigner(session, next);
    }

    function settleWith(uint32 period, uint256 secret, uint128 amount) private {
        toSettle(period);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(secret, anchor, period, amount));
        vm.prank(anchor);
        hub.settleChunk(period, rows);
    }
}
