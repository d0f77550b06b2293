// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {EmergencyBrake} from "../../contracts/governance/EmergencyBrake.sol";
import {IBrake} from "../../contracts/interfaces/IBrake.sol";
import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";

contract GovernanceBrakeTest is Fixture {
    function setUp() public {
        deploy();
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
    }

    function test_the_guardian_stops_new_money_and_says_why() public {
        uint64 until = uint64(block.timestamp) + 3 days;
        vm.expectEmit();
        emit IBrake.BrakePulled(GUARDIAN, until, until + 27 days, "leak");
        pull();
        vm.assertTrue(brake.isPaused(), "paused");
    }

    function test_a_stop_ends_by_itself() public {
        pull();
        vm.warp(block.timestamp + 3 days - 1);
        vm.assertTrue(brake.isPaused(), "still");
        vm.warp(block.timestamp + 1);
        vm.assertFalse(brake.isPaused(), "over");
    }

    function test_a_stop_is_not_renewed_before_the_cooldown() public {
        pull();
        uint64 readyAt = brake.readyAt();
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IBrake.EmergencyBrake_CoolingDown.selector, readyAt));
        pull();
        vm.warp(readyAt);
        pull();
    }

    function test_releasing_early_does_not_shorten_the_cooldown() public {
        pull();
        uint64 readyAt = brake.readyAt();
        vm.expectEmit();
        emit IBrake.BrakeReleased(GUARDIAN);
        vm.prank(GUARDIAN);
        brake.release();
        vm.assertFalse(brake.isPaused(), "released");
        vm.assertEq(brake.readyAt(), readyAt, "same");
    }

    function test_only_the_guardian_pulls_and_it_or_the_owner_releases() public {
        vm.expectRevert(abi.encodeWithSelector(IBrake.EmergencyBrake_NotGuardian.selector, STRANGER));
        vm.prank(STRANGER);
        brake.pull("x");
        vm.prank(GUARDIAN);
        vm.expectRevert(IBrake.EmergencyBrake_NotPaused.selector);
        brake.release();
        pull();
        vm.expectRevert(abi.encodeWithSelector(IBrake.EmergencyBrake_NotGuardian.selector, STRANGER));
        vm.prank(STRANGER);
        brake.release();
        vm.prank(OWNER);
        brake.release();
    }

    function test_the_owner_names_the_guardian() public {
        vm.expectRevert();
        vm.prank(GUARDIAN);
        brake.setGuardian(STRANGER);
        vm.prank(OWNER);
        brake.setGuardian(STRANGER);
        vm.expectPartialRevert(IBrake.EmergencyBrake_NotGuardian.selector);
        pull();
    }

    function test_duration_and_cooldown_have_bounds() public {
        expectOutOfBounds(0, 27 days);
        expectOutOfBounds(7 days + 1, 27 days);
        expectOutOfBounds(3 days, 9 days - 1);
        expectOutOfBounds(3 days, 366 days + 1);
    }

    function test_the_brake_stops_registering_staking_and_delegating() public {
        bytes memory proof = keyProof(ANCHOR_SECRET, OPERATOR);
        pull();
        bytes memory paused =
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_Paused.selector, brake.pausedUntil());
        vm.startPrank(OPERATOR);
        vm.expectRevert(paused);
        registry.register(anchor, TREASURY, 2, "http://api", "ws://link", ANCHOR_STAKE, proof);
        vm.expectRevert(paused);
        registry.addStake(node, 1);
        vm.expectRevert(paused);
        registry.delegate(node, 1);
    }

    function test_15_the_brake_lets_stake_out() public {
        vm.startPrank(PAYER);
        stake.approve(address(registry), 100);
        uint256 shares = registry.delegate(node, 100);
        vm.stopPrank();
        pull();
        vm.prank(PAYER);
        registry.undelegate(node, shares);
        vm.prank(OPERATOR);
        registry.leave(node);
        vm.warp(block.timestamp + 28 days);
        vm.warp(brake.readyAt());
        pull();
        vm.prank(PAYER);
        registry.withdrawDelegation(node);
        vm.prank(OPERATOR);
        registry.withdrawThawed(node);
        vm.assertEq(stake.balanceOf(address(registry)), 0, "all out");
    }

    function pull() private {
        vm.prank(GUARDIAN);
        brake.pull("leak");
    }

    function expectOutOfBounds(uint32 duration, uint32 cooldown) private {
        vm.expectRevert(
            abi.encodeWithSelector(IBrake.EmergencyBrake_OutOfBounds.selector, duration, cooldown)
        );
        new EmergencyBrake(OWNER, GUARDIAN, duration, cooldown);
    }
}

/// @dev What the brake stops in the hub, and all that it does not.
contract GovernanceBrakeHubTest is Fixture {
    function setUp() public {
        deploy();
        populate();
        openChannel(SESSION_SECRET, anchor, 10e18);
        toPeriod(1);
        vm.prank(GUARDIAN);
        brake.pull("leak");
    }

    function test_the_brake_stops_deposits() public {
        bytes memory paused =
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_Paused.selector, brake.pausedUntil());
        vm.startPrank(PAYER);
        vm.expectRevert(paused);
        hub.topUp(session, 1e18);
        vm.expectRevert(paused);
        hub.open(STRANGER, PAYER, anchor, 1e18);
    }

    function test_15_the_brake_lets_a_period_settle_and_deposits_out() public {
        vm.prank(PAYER);
        hub.requestWithdrawal(session, 10e18);
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, 1e18));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        vm.assertTrue(brake.isPaused(), "still stopped");
        vm.warp(brake.readyAt());
        vm.prank(GUARDIAN);
        brake.pull("again");
        uint256 before = service.balanceOf(PAYER);
        vm.warp(hub.channelOf(session).withdrawableAt);
        hub.withdraw(session);
        vm.assertEq(service.balanceOf(PAYER) - before, 9e18, "out");
    }
}
