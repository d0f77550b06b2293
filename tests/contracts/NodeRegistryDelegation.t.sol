// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {NodeRegistry} from "../../contracts/registry/NodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev Stake that others delegate, and what a slash takes of all stake.
contract NodeRegistryDelegationTest is Fixture {
    function setUp() public {
        deploy();
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.prank(OWNER);
        registry.setDisputes(DISPUTES);
        for (uint256 i; i < 2; ++i) {
            vm.prank(i == 0 ? PAYER : AIRLINE);
            stake.approve(address(registry), type(uint256).max);
        }
    }

    function test_delegated_stake_counts_for_weight_and_not_for_minimums() public {
        vm.expectEmit();
        emit INodeRegistry.StakeDelegated(node, PAYER, 100, 100, 100);
        delegate(PAYER, 100);
        vm.assertEq(registry.weightOf(node), SERVICE_STAKE + 100, "weight");
        vm.assertEq(registry.nodeOf(node).delegated, 100, "delegated");
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_StakeTooLow.selector);
        vm.prank(OPERATOR);
        registry.requestThaw(node, 1);
    }

    function test_delegating_requires_a_node_with_stake_and_an_amount() public {
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UnknownNode.selector, anchor));
        vm.prank(PAYER);
        registry.delegate(anchor, 1);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_AmountInvalid.selector);
        delegate(PAYER, 0);
        vm.prank(OPERATOR);
        registry.leave(node);
        expectRefused();
    }

    function test_undelegated_stake_thaws_before_it_comes_back() public {
        delegate(PAYER, 100);
        uint64 thawedAt = uint64(block.timestamp) + 28 days;
        vm.expectEmit();
        emit INodeRegistry.StakeUndelegated(node, PAYER, 40, 40, 60, thawedAt);
        vm.startPrank(PAYER);
        registry.undelegate(node, 40);
        INodeRegistry.Delegation memory found = registry.delegationOf(node, PAYER);
        vm.assertEq(found.stake, 60, "stays");
        vm.assertEq(found.thawing, 40, "thaws");
        vm.warp(thawedAt - 1);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_StillThawing.selector, thawedAt));
        registry.withdrawDelegation(node);
        vm.warp(thawedAt);
        uint256 before = stake.balanceOf(PAYER);
        vm.expectEmit();
        emit INodeRegistry.DelegationWithdrawn(node, PAYER, 40);
        registry.withdrawDelegation(node);
        vm.assertEq(stake.balanceOf(PAYER) - before, 40, "back");
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_AmountInvalid.selector);
        registry.withdrawDelegation(node);
    }

    function test_undelegating_requires_shares_that_one_has() public {
        delegate(PAYER, 100);
        vm.startPrank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_AmountInvalid.selector, 101, 100));
        registry.undelegate(node, 101);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_AmountInvalid.selector, 0, 100));
        registry.undelegate(node, 0);
    }

    function test_a_bond_holds_no_delegated_stake() public {
        delegate(PAYER, 100);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_BondNotCovered.selector);
        vm.prank(address(hub));
        registry.lockBond(node, SERVICE_STAKE + 1);
    }

    function test_a_slash_takes_pro_rata_of_own_thawing_and_delegated_stake() public {
        vm.prank(OPERATOR);
        registry.addStake(node, SERVICE_STAKE);
        delegate(PAYER, SERVICE_STAKE);
        delegate(AIRLINE, SERVICE_STAKE);
        vm.prank(OPERATOR);
        registry.requestThaw(node, SERVICE_STAKE);
        vm.prank(AIRLINE);
        registry.undelegate(node, SERVICE_STAKE);
        uint128 tenth = SERVICE_STAKE / 10;

        vm.prank(DISPUTES);
        uint128 slashed = registry.slash(node, 4 * tenth, TREASURY);

        vm.assertEq(slashed, 4 * tenth, "slashed");
        vm.assertEq(stake.balanceOf(TREASURY), slashed, "sent");
        INodeRegistry.Node memory found = registry.nodeOf(node);
        vm.assertLe(found.stake, 9 * tenth, "own");
        vm.assertGe(found.stake + 4, 9 * tenth, "own");
        vm.assertGe(9 * tenth + 1, found.thawing, "own thawing");
        vm.assertGe(found.thawing + 1, 9 * tenth, "own thawing");
        vm.assertGe(registry.delegationOf(node, PAYER).stake + 2, 9 * tenth, "delegated");
        vm.assertLe(registry.delegationOf(node, PAYER).stake, 9 * tenth + 2, "delegated");
        vm.assertLe(registry.delegationOf(node, AIRLINE).thawing, 9 * tenth + 2, "delegated thawing");
        vm.assertEq(votes.stakedBy(OPERATOR), uint256(found.stake) + found.delegated, "votes follow");
    }

    function test_a_slash_takes_at_most_what_there_is() public {
        delegate(PAYER, 100);
        uint128 available = registry.slashable(node);
        vm.assertEq(available, SERVICE_STAKE + 99, "a pool keeps one unit");
        vm.prank(DISPUTES);
        vm.assertEq(registry.slash(node, type(uint128).max, TREASURY), available, "all of it");
        vm.assertEq(registry.slashable(node), 0, "nothing left");
        vm.assertFalse(registry.isActive(node, 1), "inactive");
        vm.prank(DISPUTES);
        vm.assertEq(registry.slash(node, 1, TREASURY), 0, "nothing more");
    }

    function test_who_delegates_after_a_slash_bears_none_of_it() public {
        delegate(PAYER, SERVICE_STAKE);
        vm.prank(DISPUTES);
        registry.slash(node, SERVICE_STAKE, TREASURY);
        delegate(AIRLINE, 1e18);
        uint128 worth = registry.delegationOf(node, AIRLINE).stake;
        vm.assertGe(worth + 1, 1e18, "worth what was paid");
        vm.assertLe(worth, 1e18, "and no more");
    }

    function test_a_pool_slashed_nearly_to_nothing_takes_no_stake() public {
        vm.prank(OPERATOR);
        registry.addStake(node, SERVICE_STAKE);
        delegate(PAYER, SERVICE_STAKE);
        vm.prank(DISPUTES);
        registry.slash(node, type(uint128).max, TREASURY);
        vm.prank(OPERATOR);
        registry.addStake(node, SERVICE_STAKE);
        expectRefused();
        vm.startPrank(PAYER);
        registry.undelegate(node, SERVICE_STAKE);
        registry.delegate(node, 5);
        vm.assertEq(registry.delegationOf(node, PAYER).stake, 5, "an empty pool takes stake again");
    }

    function test_after_a_slash_a_bond_can_be_larger_than_what_is_there() public {
        vm.prank(address(hub));
        registry.lockBond(node, SERVICE_STAKE);
        vm.prank(DISPUTES);
        registry.slash(node, SERVICE_STAKE / 2, TREASURY);
        vm.startPrank(address(hub));
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_BondNotCovered.selector);
        registry.lockBond(node, 1);
        registry.unlockBond(node, SERVICE_STAKE);
        vm.stopPrank();
    }

    function test_only_the_dispute_contract_slashes_and_is_named_once() public {
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_NotDisputes.selector, OWNER));
        vm.prank(OWNER);
        registry.slash(node, 1, TREASURY);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_DisputesAlreadySet.selector, DISPUTES)
        );
        vm.prank(OWNER);
        registry.setDisputes(STRANGER);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_UnknownNode.selector);
        vm.prank(DISPUTES);
        registry.slash(anchor, 1, TREASURY);
    }

    function test_a_higher_commission_is_known_two_periods_before() public {
        vm.expectEmit();
        emit INodeRegistry.CommissionScheduled(node, 1_000, 2);
        vm.prank(OPERATOR);
        registry.setCommission(node, 1_000);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_CommissionNotDue.selector, node, 2));
        registry.applyCommission(node);
        toPeriod(2);
        registry.applyCommission(node);
        vm.assertEq(registry.nodeOf(node).commission, 1_000, "holds");
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_CommissionNotDue.selector);
        registry.applyCommission(node);
        vm.expectEmit();
        emit INodeRegistry.CommissionChanged(node, 500);
        vm.prank(OPERATOR);
        registry.setCommission(node, 500);
        vm.assertEq(registry.nodeOf(node).commission, 500, "a lower one at once");
    }

    function test_a_commission_has_a_maximum_and_is_the_operators() public {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_CommissionTooHigh.selector, 5_001, 5_000)
        );
        vm.prank(OPERATOR);
        registry.setCommission(node, 5_001);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.setCommission(node, 1);
    }

    function test_anchors_are_listed_in_the_order_of_registration() public {
        registerNode(ANCHOR_SECRET, 2, ANCHOR_STAKE);
        registerNode(OTHER_ANCHOR_SECRET, 3, ANCHOR_STAKE);
        vm.assertEq(registry.anchors(0, 9).length, 2, "both");
        vm.assertEq(registry.anchors(1, 1)[0], otherAnchor, "second");
        vm.assertEq(registry.anchors(2, 1).length, 0, "beyond");
    }

    function delegate(address account, uint128 amount) private {
        vm.prank(account);
        registry.delegate(node, amount);
    }

    function expectRefused() private {
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_DelegationRefused.selector, node));
        delegate(AIRLINE, 1);
    }
}
