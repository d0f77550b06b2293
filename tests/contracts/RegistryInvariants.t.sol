// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";
import {Test} from "./support/Vm.sol";

/// @dev Operators, the hub, and time. Actions that the registry must refuse are tried too.
contract RegistryHandler is Fixture {
    uint256 public constant NODES = 4;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public withdrawals;
    mapping(address key => uint256 sum) public bonds;

    constructor() {
        deploy();
        for (uint256 i; i < NODES; ++i) {
            uint128 amount = i % 2 == 0 ? SERVICE_STAKE : ANCHOR_STAKE;
            registerNode(0xE00 + i, i % 2 == 0 ? 1 : 2, amount);
            deposited += amount;
        }
    }

    function addStake(uint256 seed, uint128 amount) external {
        amount = uint128(bound(amount, ANCHOR_STAKE, 2 * ANCHOR_STAKE));
        vm.prank(OPERATOR);
        registry.addStake(keyOf(seed), amount);
        deposited += amount;
    }

    function thaw(uint256 seed, uint128 amount) external {
        INodeRegistry.Node memory found = registry.nodeOf(keyOf(seed));
        if (found.stake == 0) return;
        uint128 minimum = found.roles == 1 ? SERVICE_STAKE : ANCHOR_STAKE;
        amount = uint128(bound(amount, 1, found.stake));
        bool allowed = amount == found.stake || found.stake - amount >= minimum;
        vm.prank(OPERATOR);
        try registry.requestThaw(found.key, amount) {
            vm.assertTrue(allowed, "what stays reaches the minimum");
        } catch {
            vm.assertFalse(allowed, "thawing is allowed");
        }
    }

    function withdraw(uint256 seed) external {
        INodeRegistry.Node memory found = registry.nodeOf(keyOf(seed));
        bool allowed = found.thawing != 0 && block.timestamp >= found.thawedAt && found.stake >= found.locked;
        vm.prank(OPERATOR);
        try registry.withdrawThawed(found.key) {
            vm.assertTrue(allowed, "locked or thawing stake never leaves");
            withdrawn += found.thawing;
            ++withdrawals;
        } catch {
            vm.assertFalse(allowed, "free thawed stake leaves");
        }
    }

    function lock(uint256 seed, uint128 amount) external {
        INodeRegistry.Node memory found = registry.nodeOf(keyOf(seed));
        amount = uint128(bound(amount, 0, ANCHOR_STAKE));
        bool allowed = amount <= found.stake + found.thawing - found.locked;
        vm.prank(address(hub));
        try registry.lockBond(found.key, amount) {
            vm.assertTrue(allowed, "a bond is at most what is free");
            bonds[found.key] += amount;
        } catch {
            vm.assertFalse(allowed, "free stake can be locked");
        }
    }

    function unlock(uint256 seed, uint128 amount) external {
        address key = keyOf(seed);
        amount = uint128(bound(amount, 0, bonds[key]));
        vm.prank(address(hub));
        registry.unlockBond(key, amount);
        bonds[key] -= amount;
    }

    function pass(uint256 seed) external {
        vm.warp(block.timestamp + bound(seed, 1 days, 20 days));
    }

    function keyOf(uint256 seed) public pure returns (address) {
        return vm.addr(0xE00 + (seed >> 8) % NODES);
    }

    function nodeAt(uint256 i) external view returns (INodeRegistry.Node memory) {
        return registry.nodeOf(vm.addr(0xE00 + i));
    }

    function held() external view returns (uint256) {
        return stake.balanceOf(address(registry));
    }
}

contract RegistryInvariants is Test {
    RegistryHandler private handler;

    function setUp() public {
        handler = new RegistryHandler();
        targetContract(address(handler));
    }

    function invariant_stake_is_conserved() public view {
        uint256 sum;
        for (uint256 i; i < handler.NODES(); ++i) {
            INodeRegistry.Node memory found = handler.nodeAt(i);
            sum += uint256(found.stake) + found.thawing;
        }
        vm.assertEq(handler.held(), sum, "held");
        vm.assertEq(handler.deposited(), sum + handler.withdrawn(), "conserved");
    }

    function invariant_10_locked_bonds_cannot_leave() public view {
        for (uint256 i; i < handler.NODES(); ++i) {
            INodeRegistry.Node memory found = handler.nodeAt(i);
            vm.assertEq(found.locked, handler.bonds(found.key), "the sum of its bonds");
            vm.assertLe(found.locked, uint256(found.stake) + found.thawing, "covered");
        }
    }

    function test_the_handler_withdraws_at_times() public {
        uint256 roll = 3;
        for (uint256 i; i < 200; ++i) {
            roll = uint256(keccak256(abi.encode(roll)));
            uint256 action = (roll >> 128) % 4;
            if (action == 0) handler.addStake(roll, uint128(roll));
            else if (action == 1) handler.thaw(roll, uint128(roll));
            else if (action == 2) handler.withdraw(roll);
            else handler.pass(roll);
        }
        vm.assertGe(handler.withdrawals(), 1, "withdrawn");
        invariant_stake_is_conserved();
    }
}
