// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHub} from "../../contracts/interfaces/IChannelHub.sol";
import {IRewardPool} from "../../contracts/interfaces/IRewardPool.sol";
import {RewardPool} from "../../contracts/tokens/RewardPool.sol";
import {Fixture} from "./support/Fixture.sol";

contract RewardsTest is Fixture {
    function setUp() public {
        deploy();
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.prank(OWNER);
        registry.setDisputes(DISPUTES);
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(i == 0 ? PAYER : AIRLINE);
            stake.approve(address(registry), type(uint256).max);
            service.approve(address(rewards), type(uint256).max);
            vm.stopPrank();
        }
    }

    function test_rewards_go_to_stake_in_proportion_less_the_commission() public {
        commission(1_000);
        delegate(PAYER, SERVICE_STAKE);
        delegate(AIRLINE, 2 * SERVICE_STAKE);
        vm.expectEmit();
        emit IRewardPool.RewardsFunded(PAYER, 400e18, 4 * SERVICE_STAKE);
        fund(400e18);
        assertNear(rewards.dueToNode(1), 130e18, "own part and commission");
        assertNear(rewards.dueToDelegator(1, PAYER), 90e18, "one part");
        assertNear(rewards.dueToDelegator(1, AIRLINE), 180e18, "two parts");
        vm.assertEq(rewards.claimNode(1), service.balanceOf(payoutOf(node)), "paid");
        uint256 before = service.balanceOf(AIRLINE);
        uint128 paid = rewards.claimDelegator(1, AIRLINE);
        vm.assertEq(service.balanceOf(AIRLINE) - before, paid, "paid");
        vm.expectRevert(IRewardPool.RewardPool_NothingDue.selector);
        rewards.claimDelegator(1, AIRLINE);
        vm.expectRevert(IRewardPool.RewardPool_NothingDue.selector);
        rewards.claimNode(1);
    }

    function test_stake_earns_only_while_it_is_there() public {
        fund(100e18);
        delegate(PAYER, SERVICE_STAKE);
        vm.assertEq(rewards.dueToDelegator(1, PAYER), 0, "not for before");
        fund(100e18);
        vm.prank(PAYER);
        registry.undelegate(node, SERVICE_STAKE);
        fund(100e18);
        assertNear(rewards.dueToDelegator(1, PAYER), 50e18, "not for after");
        assertNear(rewards.dueToNode(1), 250e18, "the rest");
    }

    function test_rewards_while_nobody_has_stake_wait_for_the_next() public {
        vm.prank(OPERATOR);
        registry.leave(node);
        fund(10e18);
        vm.assertEq(rewards.totalStake(), 0, "nobody");
        vm.prank(OPERATOR);
        registry.addStake(node, SERVICE_STAKE);
        assertNear(rewards.dueToNode(1), 10e18, "the next");
    }

    function test_a_slashed_node_keeps_what_it_had_earned() public {
        fund(10e18);
        vm.prank(DISPUTES);
        registry.slash(node, SERVICE_STAKE, TREASURY);
        assertNear(rewards.dueToNode(1), 10e18, "earned before");
        vm.assertEq(rewards.totalStake(), 0, "no stake");
    }

    function test_fees_are_taken_from_the_hub_and_split() public {
        vm.expectRevert(IRewardPool.RewardPool_NothingDue.selector);
        rewards.collect();
        creditPool(8e18);
        vm.expectEmit();
        emit IRewardPool.FeesCollected(4e18, 4e18);
        rewards.collect();
        vm.assertEq(service.balanceOf(TREASURY), 4e18, "treasury");
        assertNear(rewards.dueToNode(1), 4e18, "stakers");
    }

    function test_the_owner_changes_the_split_within_bounds() public {
        vm.expectRevert();
        vm.prank(STRANGER);
        rewards.setFeeSplit(STRANGER, 0);
        vm.startPrank(OWNER);
        vm.expectRevert(IRewardPool.RewardPool_ZeroTreasury.selector);
        rewards.setFeeSplit(address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.RewardPool_AmountInvalid.selector, 10_001));
        rewards.setFeeSplit(TREASURY, 10_001);
        vm.expectEmit();
        emit IRewardPool.FeeSplitChanged(STRANGER, 10_000);
        rewards.setFeeSplit(STRANGER, 10_000);
        vm.stopPrank();
        creditPool(1e18);
        rewards.collect();
        vm.assertEq(service.balanceOf(STRANGER), 0, "all to stakers");
    }

    function test_funding_needs_an_amount() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.RewardPool_AmountInvalid.selector, 0));
        fund(0);
    }

    function test_only_the_registry_reports_stake() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.RewardPool_NotRegistry.selector, STRANGER));
        vm.prank(STRANGER);
        rewards.nodeChanged(1, 1, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.RewardPool_NotRegistry.selector, STRANGER));
        vm.prank(STRANGER);
        rewards.sharesChanged(1, STRANGER, 1);
    }

    function test_the_founder_names_registry_and_hub_once() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardPool.RewardPool_NotFounder.selector, OWNER));
        vm.prank(OWNER);
        rewards.setSources(STRANGER, STRANGER);
        rewards = new RewardPool(OWNER, service, TREASURY, 0);
        vm.expectPartialRevert(IRewardPool.RewardPool_NotFounder.selector);
        vm.prank(STRANGER);
        rewards.setSources(STRANGER, STRANGER);
    }

    /// @dev Credit as distribution leaves it: the whole path is tested with the hub.
    function creditPool(uint96 amount) private {
        vm.prank(PAYER);
        service.transfer(address(hub), amount);
        vm.mockCall(
            address(hub),
            abi.encodeCall(IChannelHub.creditOf, (address(rewards))),
            abi.encode(uint128(amount))
        );
        vm.mockCall(address(hub), abi.encodeCall(IChannelHub.withdrawCredit, (address(rewards), amount)), "");
        vm.prank(address(hub));
        service.transfer(address(rewards), amount);
    }

    function commission(uint16 value) private {
        vm.prank(OPERATOR);
        registry.setCommission(node, value);
        toPeriod(2);
        registry.applyCommission(node);
    }

    function delegate(address account, uint128 amount) private {
        vm.prank(account);
        registry.delegate(node, amount);
    }

    function fund(uint128 amount) private {
        vm.prank(PAYER);
        rewards.fund(amount);
    }

    function assertNear(uint256 found, uint256 wanted, string memory what) private pure {
        vm.assertLe(found, wanted, what);
        vm.assertGe(found + 1e6, wanted, what);
    }
}
