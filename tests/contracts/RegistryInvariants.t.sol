// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {Fixture} from "./support/Fixture.sol";
import {Test} from "./support/Vm.sol";

/// @dev Operators, delegators, the hub, the dispute contract, the guardian, who funds rewards, and
/// time. Actions that the registry must refuse are tried too.
contract RegistryHandler is Fixture {
    uint256 public constant NODES = 4;
    uint256 public constant DELEGATORS = 2;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public withdrawals;
    uint256 public slashed;
    uint256 public funded;
    uint256 public claimed;
    mapping(address key => uint256 sum) public bonds;
    mapping(address key => uint256 sum) public slashedOf;
    mapping(string action => uint256 count) public done;
    address[DELEGATORS] public delegators = [PAYER, AIRLINE];

    constructor() {
        deploy();
        vm.prank(OWNER);
        registry.setDisputes(DISPUTES);
        for (uint256 i; i < DELEGATORS; ++i) {
            vm.startPrank(delegators[i]);
            stake.approve(address(registry), type(uint256).max);
            service.approve(address(rewards), type(uint256).max);
            vm.stopPrank();
        }
        for (uint256 i; i < NODES; ++i) {
            uint128 amount = i % 2 == 0 ? SERVICE_STAKE : ANCHOR_STAKE;
            registerNode(0xE00 + i, i % 2 == 0 ? 1 : 2, amount);
            deposited += amount;
        }
    }

    function addStake(uint256 seed, uint128 amount) external {
        amount = uint128(bound(amount, ANCHOR_STAKE, 2 * ANCHOR_STAKE));
        vm.prank(OPERATOR);
        try registry.addStake(keyOf(seed), amount) {
            vm.assertFalse(brake.isPaused(), "new stake is stopped");
            deposited += amount;
        } catch {
            vm.assertTrue(brake.isPaused(), "nothing else stops stake");
        }
    }

    function delegate(uint256 seed, uint128 amount) external {
        INodeRegistry.Node memory found = registry.nodeOf(keyOf(seed));
        amount = uint128(bound(amount, 1e9, ANCHOR_STAKE));
        vm.prank(delegators[seed % DELEGATORS]);
        try registry.delegate(found.key, amount) {
            vm.assertTrue(found.stake != 0 && !brake.isPaused(), "refused where it must be");
            deposited += amount;
            ++done["delegate"];
        } catch {
            vm.assertTrue(
                brake.isPaused() || found.stake == 0 || slashedOf[found.key] != 0, "delegating is allowed"
            );
        }
    }

    /// @dev Exits are never refused: not by the brake, not by a bond, not after any slash.
    function undelegate(uint256 seed, uint256 part) external {
        address key = keyOf(seed);
        address account = delegators[seed % DELEGATORS];
        uint256 shares = registry.delegationOf(key, account).shares;
        if (shares == 0) return;
        vm.prank(account);
        registry.undelegate(key, bound(part, 1, shares));
        if (brake.isPaused()) ++done["exit while paused"];
        ++done["undelegate"];
    }

    function withdrawDelegation(uint256 seed) external {
        address key = keyOf(seed);
        address account = delegators[seed % DELEGATORS];
        INodeRegistry.Delegation memory found = registry.delegationOf(key, account);
        if (found.thawing == 0 || block.timestamp < found.thawedAt) return;
        vm.prank(account);
        withdrawn += registry.withdrawDelegation(key);
        ++done["withdrawDelegation"];
    }

    function slash(uint256 seed, uint128 amount) external {
        address key = keyOf(seed);
        uint128 most = registry.slashable(key);
        amount = uint128(bound(amount, 0, seed % 8 == 0 ? 2 * ANCHOR_STAKE : SERVICE_STAKE));
        vm.prank(DISPUTES);
        uint128 taken = registry.slash(key, amount, TREASURY);
        vm.assertEq(taken, amount < most ? amount : most, "slash is at most the stake");
        slashed += taken;
        slashedOf[key] += taken;
        ++done["slash"];
    }

    function fund(uint256 seed, uint128 amount) external {
        amount = uint128(bound(amount, 1, 1e21));
        vm.prank(delegators[seed % DELEGATORS]);
        rewards.fund(amount);
        funded += amount;
    }

    function claim(uint256 seed) external {
        uint32 number = registry.numberOf(keyOf(seed));
        if (rewards.dueToNode(number) != 0) claimed += rewards.claimNode(number);
        address account = delegators[seed % DELEGATORS];
        if (rewards.dueToDelegator(number, account) == 0) return;
        claimed += rewards.claimDelegator(number, account);
        ++done["claim"];
    }

    function setCommission(uint256 seed, uint16 commission) external {
        vm.prank(OPERATOR);
        registry.setCommission(keyOf(seed), uint16(bound(commission, 0, 5_000)));
        try registry.applyCommission(keyOf(seed)) {} catch {}
    }

    function pull() external {
        if (block.timestamp < brake.readyAt()) return;
        vm.prank(GUARDIAN);
        brake.pull("test");
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
        uint256 covered = uint256(found.stake) + found.thawing;
        bool allowed = amount + found.locked <= covered || (amount == 0 && found.locked >= covered);
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

    function rewardsHeld() external view returns (uint256) {
        return service.balanceOf(address(rewards));
    }

    /// @dev Rewards that could be claimed now.
    function due() external view returns (uint256 sum) {
        for (uint32 number = 1; number <= NODES; ++number) {
            sum += rewards.dueToNode(number);
            for (uint256 i; i < DELEGATORS; ++i) {
                sum += rewards.dueToDelegator(number, delegators[i]);
            }
        }
    }

    /// @dev Everything of everybody, as if all were taken out now, rounded down.
    function delegatedTo(address key) external view returns (uint256 sum, uint256 thawing) {
        for (uint256 i; i < DELEGATORS; ++i) {
            INodeRegistry.Delegation memory found = registry.delegationOf(key, delegators[i]);
            sum += found.stake;
            thawing += found.thawing;
        }
    }

    function votesOf(address account) external view returns (uint256) {
        return votes.getVotes(account);
    }

    function balanceOf(address account) external view returns (uint256) {
        return stake.balanceOf(account);
    }

    function operator() external pure returns (address) {
        return OPERATOR;
    }

    function totalStake() external view returns (uint256) {
        return rewards.totalStake();
    }
}

contract RegistryInvariants is Test {
    RegistryHandler private handler;

    function setUp() public {
        handler = new RegistryHandler();
        targetContract(address(handler));
    }

    function invariant_stake_is_conserved() public view {
        uint256 own;
        uint256 others;
        for (uint256 i; i < handler.NODES(); ++i) {
            INodeRegistry.Node memory found = handler.nodeAt(i);
            own += uint256(found.stake) + found.thawing;
            (uint256 active, uint256 thawing) = handler.delegatedTo(found.key);
            vm.assertLe(active, found.delegated, "shares are worth the pool");
            others += active + thawing;
        }
        vm.assertEq(
            handler.deposited(), handler.held() + handler.withdrawn() + handler.slashed(), "conserved"
        );
        vm.assertLe(own + others, handler.held(), "everybody can leave");
        vm.assertGe(own + others + 40, handler.held(), "and nothing is left but roundings");
    }

    function invariant_votes_are_stake() public view {
        uint256 active;
        for (uint256 i; i < handler.NODES(); ++i) {
            INodeRegistry.Node memory found = handler.nodeAt(i);
            active += uint256(found.stake) + found.delegated;
        }
        address operator = handler.operator();
        vm.assertEq(handler.votesOf(operator), handler.balanceOf(operator) + active, "held and staked");
        vm.assertEq(handler.totalStake(), active, "what rewards are shared among");
    }

    function invariant_rewards_are_at_most_funded() public view {
        vm.assertEq(handler.rewardsHeld() + handler.claimed(), handler.funded(), "conserved");
        vm.assertLe(handler.claimed() + handler.due(), handler.funded(), "backed");
    }

    function invariant_10_locked_bonds_cannot_leave() public view {
        for (uint256 i; i < handler.NODES(); ++i) {
            INodeRegistry.Node memory found = handler.nodeAt(i);
            uint256 covered = uint256(found.stake) + found.thawing + handler.slashedOf(found.key);
            vm.assertEq(found.locked, handler.bonds(found.key), "the sum of its bonds");
            vm.assertLe(found.locked, covered, "covered, but for what was slashed");
        }
    }

    function test_the_handler_does_everything_at_times() public {
        uint256 roll = 3;
        for (uint256 i; i < 600; ++i) {
            roll = uint256(keccak256(abi.encode(roll)));
            _act((roll >> 128) % 13, roll);
            if (i % 20 == 0) {
                invariant_stake_is_conserved();
                invariant_votes_are_stake();
                invariant_rewards_are_at_most_funded();
                invariant_10_locked_bonds_cannot_leave();
            }
        }
        vm.assertGe(handler.withdrawals(), 1, "withdrawn");
        vm.assertGe(handler.done("delegate"), 1, "delegated");
        vm.assertGe(handler.done("undelegate"), 1, "undelegated");
        vm.assertGe(handler.done("withdrawDelegation"), 1, "delegation withdrawn");
        vm.assertGe(handler.done("slash"), 1, "slashed");
        vm.assertGe(handler.done("claim"), 1, "claimed");
        vm.assertGe(handler.done("exit while paused"), 1, "15: out while paused");
    }

    function _act(uint256 action, uint256 roll) private {
        uint128 amount = uint128(roll);
        if (action == 0) handler.addStake(roll, amount);
        else if (action == 1) handler.thaw(roll, amount);
        else if (action == 2) handler.withdraw(roll);
        else if (action == 3) handler.delegate(roll, amount);
        else if (action == 4) handler.undelegate(roll, amount);
        else if (action == 5) handler.withdrawDelegation(roll);
        else if (action == 6) handler.slash(roll, amount / 1e18);
        else if (action == 7) handler.fund(roll, amount);
        else if (action == 8) handler.claim(roll);
        else if (action == 9) handler.setCommission(roll, uint16(roll));
        else if (action == 10) handler.pull();
        else if (action == 11) handler.lock(roll, amount);
        else handler.pass(roll);
    }
}
