// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {Fixture} from "./support/Fixture.sol";

contract ChannelsTest is Fixture {
    function setUp() public {
        deploy();
        populate();
    }

    function test_open_takes_the_deposit_and_names_owner_and_anchor() public {
        vm.expectEmit();
        emit IChannelHubTypes.ChannelOpened(session, PAYER, anchor, 0, 5e18);
        openChannel(SESSION_SECRET, anchor, 5e18);

        IChannelHubTypes.Channel memory channel = hub.channelOf(session);
        vm.assertEq(channel.owner, PAYER, "owner");
        vm.assertEq(channel.anchor, anchor, "anchor");
        vm.assertEq(channel.balance, 5e18, "balance");
        vm.assertEq(service.balanceOf(address(hub)), 5e18, "hub");
    }

    function test_open_requires_a_signer_and_an_owner() public {
        vm.startPrank(PAYER);
        vm.expectRevert(IChannelHubTypes.ChannelHub_ZeroAccount.selector);
        hub.open(address(0), PAYER, anchor, 1);
        vm.expectRevert(IChannelHubTypes.ChannelHub_ZeroAccount.selector);
        hub.open(session, address(0), anchor, 1);
    }

    function test_open_requires_that_no_channel_exists() public {
        openChannel(SESSION_SECRET, anchor, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChannelExists.selector, session));
        vm.prank(PAYER);
        hub.open(session, PAYER, anchor, 1);
    }

    function test_open_requires_an_active_anchor() public {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotAnchor.selector, node));
        vm.prank(PAYER);
        hub.open(session, PAYER, node, 1);
    }

    function test_open_requires_an_anchor_that_has_not_left() public {
        vm.prank(OPERATOR);
        registry.leave(anchor);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotAnchor.selector, anchor));
        vm.prank(PAYER);
        hub.open(session, PAYER, anchor, 1);
    }

    function test_open_requires_a_deposit() public {
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        vm.prank(PAYER);
        hub.open(session, PAYER, anchor, 0);
    }

    function test_anyone_tops_up() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.expectEmit();
        emit IChannelHubTypes.ChannelToppedUp(session, AIRLINE, 2e18, 3e18);
        vm.prank(AIRLINE);
        hub.topUp(session, 2e18);
        vm.assertEq(hub.channelOf(session).balance, 3e18, "balance");
    }

    function test_top_up_requires_a_channel() public {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_UnknownChannel.selector, session));
        vm.prank(PAYER);
        hub.topUp(session, 1);
    }

    function test_top_up_requires_an_amount() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_AmountInvalid.selector);
        vm.prank(PAYER);
        hub.topUp(session, 0);
    }

    function test_a_new_anchor_takes_over_with_the_next_period() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.expectEmit();
        emit IChannelHubTypes.AnchorChanged(session, otherAnchor, 1);
        vm.prank(PAYER);
        hub.setAnchor(session, otherAnchor);

        vm.assertEq(hub.anchorAt(session, 0), anchor, "this period");
        vm.assertEq(hub.anchorAt(session, 1), otherAnchor, "next period");
        vm.assertEq(hub.channelOf(session).nextAnchor, otherAnchor, "seen coming");
    }

    function test_a_change_to_come_is_replaced() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.startPrank(PAYER);
        hub.setAnchor(session, otherAnchor);
        hub.setAnchor(session, anchor);
        vm.assertEq(hub.anchorAt(session, 1), anchor, "next period");
        vm.assertEq(hub.anchorAt(session, 0), anchor, "this period");
    }

    function test_the_anchor_stays_known_until_its_windows_are_over() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.prank(PAYER);
        hub.setAnchor(session, otherAnchor);
        toPeriod(1);
        uint64 freeAt = parameters.windowsOf(0).directUntil;
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AnchorChangePending.selector, session, freeAt)
        );
        vm.prank(PAYER);
        hub.setAnchor(session, anchor);

        vm.warp(freeAt);
        vm.prank(PAYER);
        hub.setAnchor(session, anchor);
        vm.assertEq(hub.anchorAt(session, 1), otherAnchor, "this period");
        vm.assertEq(hub.anchorAt(session, 2), anchor, "next period");
    }

    function test_only_the_owner_changes_the_anchor() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotOwner.selector, session, STRANGER)
        );
        vm.prank(STRANGER);
        hub.setAnchor(session, otherAnchor);
    }

    function test_only_an_active_anchor_is_chosen() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotAnchor.selector, STRANGER));
        vm.prank(PAYER);
        hub.setAnchor(session, STRANGER);
    }

    function test_a_withdrawal_waits_for_the_period_and_the_delay() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        uint64 releasedAt = GENESIS + PERIOD + 14 days;
        vm.expectEmit();
        emit IChannelHubTypes.WithdrawalRequested(session, 3e18, releasedAt);
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 3e18);

        vm.warp(releasedAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_WithdrawalNotReleased.selector, session, releasedAt
            )
        );
        hub.withdraw(session);

        vm.warp(releasedAt);
        uint256 before = service.balanceOf(PAYER);
        vm.expectEmit();
        emit IChannelHubTypes.Withdrawn(session, PAYER, 3e18, 2e18);
        hub.withdraw(session);
        vm.assertEq(service.balanceOf(PAYER) - before, 3e18, "back");
        vm.assertEq(hub.channelOf(session).balance, 2e18, "stays");
    }

    function test_a_withdrawal_is_released_after_every_window_of_its_period() public view {
        vm.assertGe(
            parameters.windowsOf(0).closesAt + terms().withdrawalDelay,
            parameters.windowsOf(0).directUntil,
            "delay"
        );
    }

    function test_a_withdrawal_pays_what_settlement_left() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 5e18);
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, 4e18));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        vm.warp(GENESIS + PERIOD + 14 days);
        vm.assertEq(hub.withdraw(session), 1e18, "what was left");
    }

    function test_a_request_of_zero_cancels() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.startPrank(PAYER);
        hub.requestWithdrawal(session, 5e18);
        hub.requestWithdrawal(session, 0);
        vm.warp(GENESIS + 10 * uint64(PERIOD));
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NoWithdrawal.selector, session));
        hub.withdraw(session);
    }

    function test_a_withdrawal_happens_once() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 3e18);
        vm.warp(GENESIS + PERIOD + 14 days);
        hub.withdraw(session);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NoWithdrawal.selector, session));
        hub.withdraw(session);
    }

    function test_a_withdrawal_needs_a_balance() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 5e18);
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, 5e18));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        vm.warp(GENESIS + PERIOD + 14 days);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 0, 0));
        hub.withdraw(session);
    }

    function test_only_the_owner_requests_a_withdrawal() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotOwner.selector, session, session)
        );
        vm.prank(session);
        hub.requestWithdrawal(session, 1);
    }

    function test_a_request_is_at_most_the_balance() public {
        openChannel(SESSION_SECRET, anchor, 5e18);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 6e18, 5e18)
        );
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 6e18);
    }

    function test_what_does_not_exist_reads_as_nothing() public view {
        vm.assertEq(hub.channelOf(STRANGER).owner, address(0), "owner");
        vm.assertEq(hub.anchorAt(STRANGER, 0), address(0), "anchor");
        vm.assertFalse(hub.isSettled(STRANGER, 0), "settled");
    }
}
