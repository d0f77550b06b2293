// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev How a node's key, operator and payout account change.
contract NodeRegistryKeysTest is Fixture {
    uint256 private constant NEW_SECRET = 0xB2;
    uint256 private constant NEWER_SECRET = 0xB3;
    address private newKey = vm.addr(NEW_SECRET);

    function setUp() public {
        deploy();
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
    }

    function test_a_new_key_counts_from_the_next_period_on() public {
        bytes memory proof = keyProof(NEW_SECRET, OPERATOR);
        vm.expectEmit();
        emit INodeRegistry.KeyRotated(node, newKey, 1);
        vm.prank(OPERATOR);
        registry.rotateKey(node, newKey, proof);
        vm.assertTrue(registry.isActive(node, 1), "the old one still");
        vm.assertFalse(registry.isActive(newKey, 1), "the new one not yet");
        toPeriod(1);
        vm.assertFalse(registry.isActive(node, 1), "the old one no more");
        vm.assertTrue(registry.isActive(newKey, 1), "the new one now");
        vm.assertEq(registry.keyOf(1), newKey, "key");
        vm.assertEq(registry.nodeOf(node).key, newKey, "the old key still finds the node");
    }

    function test_the_old_key_stands_for_the_node_in_earlier_periods() public {
        rotate(NEW_SECRET);
        toPeriod(3);
        vm.assertEq(registry.numberAt(node, 0), 1, "signed for period 0");
        vm.assertEq(registry.numberAt(node, 1), 0, "retired");
        vm.assertEq(registry.numberAt(newKey, 0), 0, "unknown then");
        vm.assertEq(registry.numberAt(newKey, 1), 1, "new");
        vm.assertEq(registry.numberAt(STRANGER, 1), 0, "nobody");
        vm.assertEq(registry.keyAt(1, 0), node, "then");
        vm.assertEq(registry.keyAt(1, 1), newKey, "now");
        vm.assertEq(registry.payoutAt(node, 0), payoutOf(node), "both are paid");
        vm.assertEq(registry.payoutAt(newKey, 2), payoutOf(node), "both are paid");
    }

    function test_a_key_stands_for_nobody_before_it_was_registered() public {
        toPeriod(2);
        address late = registerNode(NEWER_SECRET, 1, SERVICE_STAKE);
        bytes memory proof = keyProof(NEW_SECRET, OPERATOR);
        vm.prank(OPERATOR);
        registry.rotateKey(late, newKey, proof);
        toPeriod(4);
        vm.assertEq(registry.numberAt(late, 1), 0, "not yet");
        vm.assertEq(registry.numberAt(late, 2), 2, "from then on");
        vm.assertEq(registry.numberAt(newKey, 3), 2, "and its successor");
    }

    function test_a_second_rotation_in_a_period_replaces_the_first() public {
        rotate(NEW_SECRET);
        rotate(NEWER_SECRET);
        toPeriod(1);
        vm.assertEq(registry.keyOf(1), vm.addr(NEWER_SECRET), "the second");
        vm.assertFalse(registry.isActive(newKey, 1), "never counted");
    }

    function test_rotating_requires_the_operator_a_new_key_and_its_consent() public {
        bytes memory proof = keyProof(NEW_SECRET, OPERATOR);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.rotateKey(node, newKey, proof);
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_KeyTaken.selector, node, OPERATOR));
        registry.rotateKey(node, node, proof);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_KeyProofInvalid.selector);
        registry.rotateKey(node, vm.addr(NEWER_SECRET), proof);
    }

    function test_a_retired_key_is_never_registered_again() public {
        rotate(NEW_SECRET);
        toPeriod(2);
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_KeyTaken.selector);
        vm.prank(OPERATOR);
        registry.register(node, TREASURY, 1, "http://api", "ws://link", SERVICE_STAKE, proof);
    }

    function test_a_node_changes_hands_in_two_steps_with_stake_and_votes() public {
        vm.prank(OPERATOR);
        registry.offerOperator(node, STRANGER);
        vm.expectEmit();
        emit INodeRegistry.OperatorChanged(node, OPERATOR, STRANGER);
        vm.prank(STRANGER);
        registry.acceptOperator(node);
        vm.assertEq(registry.nodeOf(node).operator, STRANGER, "operator");
        vm.assertEq(votes.getVotes(STRANGER), SERVICE_STAKE, "votes");
        vm.prank(STRANGER);
        registry.leave(node);
        vm.warp(block.timestamp + 28 days);
        vm.prank(STRANGER);
        registry.withdrawThawed(node);
        vm.assertEq(stake.balanceOf(STRANGER), SERVICE_STAKE, "stake");
    }

    function test_only_whom_a_node_was_offered_to_takes_it_over() public {
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.offerOperator(node, STRANGER);
        expectNotOffered();
        vm.startPrank(OPERATOR);
        registry.offerOperator(node, STRANGER);
        registry.offerOperator(node, address(0));
        vm.stopPrank();
        expectNotOffered();
    }

    function test_earnings_go_elsewhere_from_the_next_period_on() public {
        vm.expectEmit();
        emit INodeRegistry.PayoutChanged(node, TREASURY, 1);
        vm.prank(OPERATOR);
        registry.setPayout(node, TREASURY);
        vm.assertEq(registry.payoutAt(node, 0), payoutOf(node), "this period");
        vm.assertEq(registry.payoutAt(node, 1), TREASURY, "the next");
        vm.assertEq(registry.nodeOf(node).payout, payoutOf(node), "now");
        toPeriod(1);
        vm.assertEq(registry.nodeOf(node).payout, TREASURY, "then");
    }

    function test_changing_the_payout_requires_the_operator_and_an_account() public {
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.setPayout(node, TREASURY);
        vm.expectRevert(INodeRegistry.NodeRegistry_ZeroPayout.selector);
        vm.prank(OPERATOR);
        registry.setPayout(node, address(0));
    }

    function rotate(uint256 secret) private {
        bytes memory proof = keyProof(secret, OPERATOR);
        vm.prank(OPERATOR);
        registry.rotateKey(node, vm.addr(secret), proof);
    }

    function expectNotOffered() private {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_NotOffered.selector, node, STRANGER)
        );
        vm.prank(STRANGER);
        registry.acceptOperator(node);
    }
}
