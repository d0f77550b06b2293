// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {NodeRegistry} from "../../contracts/registry/NodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";

contract NodeRegistryTest is Fixture {
    string private constant API = "http://api";
    string private constant LINK = "ws://link";

    function setUp() public {
        deploy();
    }

    function test_register_takes_the_stake_and_tells_everything() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectEmit();
        emit INodeRegistry.NodeRegistered(node, OPERATOR, 1, payoutOf(node), 1, API, LINK, SERVICE_STAKE);
        register(1, SERVICE_STAKE, API, proof);

        INodeRegistry.Node memory found = registry.nodeOf(node);
        vm.assertEq(found.operator, OPERATOR, "operator");
        vm.assertEq(found.payout, payoutOf(node), "payout");
        vm.assertEq(found.stake, SERVICE_STAKE, "stake");
        vm.assertEq(registry.numberOf(node), 1, "number");
        vm.assertEq(registry.keyOf(1), node, "key");
        vm.assertEq(registry.payoutAt(node, 7), payoutOf(node), "payout");
        vm.assertEq(stake.balanceOf(address(registry)), SERVICE_STAKE, "held");
    }

    function test_register_requires_the_hub() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        registry = new NodeRegistry(OWNER, stake, parameters, brake, votes, rewards);
        vm.expectRevert(INodeRegistry.NodeRegistry_HubNotSet.selector);
        register(1, SERVICE_STAKE, API, proof);
    }

    function test_register_requires_a_new_key() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_KeyTaken.selector, node, OPERATOR));
        register(1, SERVICE_STAKE, API, proof);
    }

    function test_register_requires_known_roles() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UnknownRoles.selector, 0));
        register(0, SERVICE_STAKE, API, proof);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UnknownRoles.selector, 5));
        register(5, SERVICE_STAKE, API, proof);
    }

    function test_register_requires_a_payout_account() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectRevert(INodeRegistry.NodeRegistry_ZeroPayout.selector);
        vm.prank(OPERATOR);
        registry.register(node, address(0), 1, API, LINK, SERVICE_STAKE, proof);
    }

    function test_register_requires_addresses_of_sensible_length() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UrlInvalid.selector, 0));
        register(1, SERVICE_STAKE, "", proof);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UrlInvalid.selector, 257));
        register(1, SERVICE_STAKE, string(new bytes(257)), proof);
    }

    function test_register_requires_the_minimum_of_every_role() public {
        bytes memory proof = keyProof(NODE_SECRET, OPERATOR);
        expectTooLow(SERVICE_STAKE - 1, SERVICE_STAKE);
        register(1, SERVICE_STAKE - 1, API, proof);
        expectTooLow(SERVICE_STAKE, ANCHOR_STAKE);
        register(3, SERVICE_STAKE, API, proof);
        expectTooLow(SERVICE_STAKE, ANCHOR_STAKE);
        register(2, SERVICE_STAKE, API, proof);
    }

    function test_register_requires_the_keys_consent() public {
        bytes memory byAnchor = keyProof(ANCHOR_SECRET, OPERATOR);
        bytes memory forStranger = keyProof(NODE_SECRET, STRANGER);
        expectProofInvalid();
        register(1, SERVICE_STAKE, API, byAnchor);
        expectProofInvalid();
        register(1, SERVICE_STAKE, API, forStranger);
        expectProofInvalid();
        register(1, SERVICE_STAKE, API, hex"1234");
    }

    function test_anyone_adds_stake() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.prank(PAYER);
        stake.approve(address(registry), 5);
        vm.expectEmit();
        emit INodeRegistry.StakeAdded(node, 5, SERVICE_STAKE + 5);
        vm.prank(PAYER);
        registry.addStake(node, 5);
        vm.assertEq(registry.nodeOf(node).stake, SERVICE_STAKE + 5, "stake");
    }

    function test_add_stake_requires_a_node_and_an_amount() public {
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UnknownNode.selector, node));
        registry.addStake(node, 5);
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_AmountInvalid.selector);
        registry.addStake(node, 0);
    }

    function test_a_node_that_left_comes_back_with_its_minimum() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.startPrank(OPERATOR);
        registry.leave(node);
        expectTooLow(1, SERVICE_STAKE);
        registry.addStake(node, 1);
        registry.addStake(node, SERVICE_STAKE);
        vm.assertTrue(registry.isActive(node, 1), "active");
    }

    function test_thawing_stake_is_no_longer_active() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE + 10);
        uint64 thawedAt = uint64(block.timestamp) + 28 days;
        vm.expectEmit();
        emit INodeRegistry.ThawRequested(node, 10, SERVICE_STAKE, 10, thawedAt);
        vm.prank(OPERATOR);
        registry.requestThaw(node, 10);
        vm.assertEq(registry.nodeOf(node).thawing, 10, "thawing");
        vm.assertTrue(registry.isActive(node, 1), "still active");
    }

    function test_thaw_requires_the_operator_and_a_sensible_amount() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_NotOperator.selector, node, STRANGER)
        );
        vm.prank(STRANGER);
        registry.requestThaw(node, 1);
        vm.startPrank(OPERATOR);
        expectAmountInvalid(0, SERVICE_STAKE);
        registry.requestThaw(node, 0);
        expectAmountInvalid(SERVICE_STAKE + 1, SERVICE_STAKE);
        registry.requestThaw(node, SERVICE_STAKE + 1);
        expectTooLow(SERVICE_STAKE - 1, SERVICE_STAKE);
        registry.requestThaw(node, 1);
    }

    function test_a_second_thaw_restarts_the_wait() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE + 10);
        vm.startPrank(OPERATOR);
        registry.requestThaw(node, 4);
        vm.warp(block.timestamp + 27 days);
        registry.requestThaw(node, 6);
        vm.assertEq(registry.nodeOf(node).thawing, 10, "both");
        uint64 thawedAt = uint64(block.timestamp) + 28 days;
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_StillThawing.selector, thawedAt));
        registry.withdrawThawed(node);
    }

    function test_leaving_thaws_everything() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectEmit();
        emit INodeRegistry.NodeLeft(node);
        vm.startPrank(OPERATOR);
        registry.leave(node);
        vm.assertFalse(registry.isActive(node, 1), "inactive");
        expectAmountInvalid(0, 0);
        registry.leave(node);
    }

    function test_thawed_stake_goes_back_to_the_operator() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.startPrank(OPERATOR);
        registry.leave(node);
        vm.warp(block.timestamp + 28 days);
        uint256 before = stake.balanceOf(OPERATOR);
        vm.expectEmit();
        emit INodeRegistry.ThawWithdrawn(node, OPERATOR, SERVICE_STAKE);
        registry.withdrawThawed(node);
        vm.assertEq(stake.balanceOf(OPERATOR) - before, SERVICE_STAKE, "back");
        expectAmountInvalid(0, 0);
        registry.withdrawThawed(node);
    }

    function test_only_the_operator_withdraws() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.withdrawThawed(node);
    }

    function test_a_locked_bond_does_not_leave() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.prank(OPERATOR);
        registry.leave(node);
        vm.prank(address(hub));
        registry.lockBond(node, 1);
        vm.warp(block.timestamp + 28 days);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_BondNotCovered.selector, node, 1, 0)
        );
        vm.prank(OPERATOR);
        registry.withdrawThawed(node);
        vm.prank(address(hub));
        registry.unlockBond(node, 1);
        vm.prank(OPERATOR);
        registry.withdrawThawed(node);
    }

    function test_a_bond_is_at_most_what_is_free() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE + 5);
        vm.prank(OPERATOR);
        registry.requestThaw(node, 5);
        vm.startPrank(address(hub));
        registry.lockBond(node, SERVICE_STAKE + 4);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_BondNotCovered.selector, node, 2, 1)
        );
        registry.lockBond(node, 2);
        expectAmountInvalid(SERVICE_STAKE + 5, SERVICE_STAKE + 4);
        registry.unlockBond(node, SERVICE_STAKE + 5);
    }

    function test_only_the_hub_locks_and_unlocks() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_NotHub.selector, OPERATOR));
        vm.prank(OPERATOR);
        registry.lockBond(node, 1);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_NotHub.selector, OPERATOR));
        vm.prank(OPERATOR);
        registry.unlockBond(node, 0);
    }

    function test_the_hub_is_set_once_by_the_owner() public {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_HubAlreadySet.selector, address(hub))
        );
        vm.prank(OWNER);
        registry.setHub(STRANGER);
        vm.expectRevert();
        vm.prank(STRANGER);
        registry.setHub(STRANGER);
    }

    function test_the_operator_moves_the_node() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.expectEmit();
        emit INodeRegistry.UrlsUpdated(node, "http://new", "ws://new");
        vm.prank(OPERATOR);
        registry.updateUrls(node, "http://new", "ws://new");
        vm.assertEq(keccak256(bytes(registry.nodeOf(node).linkUrl)), keccak256("ws://new"), "link");
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_NotOperator.selector);
        vm.prank(STRANGER);
        registry.updateUrls(node, "http://new", "ws://new");
        vm.expectPartialRevert(INodeRegistry.NodeRegistry_UrlInvalid.selector);
        vm.prank(OPERATOR);
        registry.updateUrls(node, "http://new", "");
    }

    function test_a_node_is_active_in_the_roles_that_it_has() public {
        populate();
        vm.assertTrue(registry.isActive(anchor, 2), "anchor");
        vm.assertFalse(registry.isActive(anchor, 1), "not service");
        vm.assertFalse(registry.isActive(anchor, 3), "not both");
        vm.assertTrue(registry.isActive(otherAnchor, 3), "both");
        vm.assertFalse(registry.isActive(anchor, 0), "no role asked for");
        vm.assertFalse(registry.isActive(STRANGER, 1), "unknown");
    }

    function test_the_member_list_comes_in_pages() public {
        populate();
        vm.assertEq(registry.nodeCount(), 3, "count");
        vm.assertEq(registry.nodes(1, 2).length, 2, "first page");
        vm.assertEq(registry.nodes(3, 2)[0].key, node, "second page");
        vm.assertEq(registry.nodes(3, 2).length, 1, "what is left");
        vm.assertEq(registry.nodes(4, 2).length, 0, "beyond");
        vm.assertEq(registry.nodes(0, 9).length, 3, "from the start");
        vm.assertEq(registry.keyOf(9), address(0), "nobody");
    }

    function test_a_node_that_does_not_exist_is_not_shown() public {
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NodeRegistry_UnknownNode.selector, STRANGER));
        registry.nodeOf(STRANGER);
    }

    function register(uint8 roles, uint128 amount, string memory api, bytes memory proof) private {
        vm.prank(OPERATOR);
        registry.register(node, payoutOf(node), roles, api, LINK, amount, proof);
    }

    function expectTooLow(uint256 amount, uint256 minimum) private {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_StakeTooLow.selector, amount, minimum)
        );
    }

    function expectAmountInvalid(uint256 amount, uint256 available) private {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_AmountInvalid.selector, amount, available)
        );
    }

    function expectProofInvalid() private {
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.NodeRegistry_KeyProofInvalid.selector, node, OPERATOR)
        );
    }
}
