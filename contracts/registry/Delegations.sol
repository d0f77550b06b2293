// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {RegistryState} from "./RegistryState.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Stake that others delegate to a node
/// @dev Two pools per node, active and thawing; an account has shares of each. A slash lowers the
/// pools, and with them what every share is worth.
abstract contract Delegations is RegistryState {
    using SafeERC20 for IERC20;

    uint16 private constant MAXIMUM_COMMISSION = 5_000;
    uint32 private constant NOTICE_PERIODS = 2;
    /// @dev A pool whose shares are worth less than this part of a unit takes no new stake: shares
    /// stay far below what a word holds, however often a node is slashed.
    uint256 private constant MOST_SHARES_PER_UNIT = 1e12;

    /// @inheritdoc INodeRegistry
    function setCommission(address key, uint16 commission) external {
        (uint32 number, Member storage member) = _operated(key);
        if (commission > MAXIMUM_COMMISSION) {
            revert NodeRegistry_CommissionTooHigh(commission, MAXIMUM_COMMISSION);
        }
        if (commission <= member.commission) {
            _setCommission(key, number, member, commission);
            return;
        }
        uint32 fromPeriod = parameters.currentPeriod() + NOTICE_PERIODS;

        member.nextCommission = commission;
        member.commissionFrom = fromPeriod;

        emit CommissionScheduled(key, commission, fromPeriod);
    }

    /// @inheritdoc INodeRegistry
    function applyCommission(address key) external {
        (uint32 number, Member storage member) = _existing(key);
        uint32 fromPeriod = member.commissionFrom;
        if (fromPeriod == 0 || parameters.currentPeriod() < fromPeriod) {
            revert NodeRegistry_CommissionNotDue(key, fromPeriod);
        }
        _setCommission(key, number, member, member.nextCommission);
    }

    /// @inheritdoc INodeRegistry
    function delegate(address key, uint128 amount) external unlessPaused returns (uint256 shares) {
        (uint32 number, Member storage member) = _existing(key);
        (uint256 pool, uint256 all) = (member.delegated, member.shares);
        if (member.stake == 0 || all / MOST_SHARES_PER_UNIT > pool) {
            revert NodeRegistry_DelegationRefused(key);
        }
        shares = all == 0 ? amount : Math.mulDiv(amount, all, pool);
        if (shares == 0) revert NodeRegistry_AmountInvalid(amount, type(uint128).max);
        Delegator storage state = _delegators[number][msg.sender];
        uint256 before = _weight(member);
        uint128 delegated = member.delegated + amount;

        state.shares += shares;
        member.shares = all + shares;
        member.delegated = delegated;

        emit StakeDelegated(key, msg.sender, amount, shares, delegated);
        rewards.sharesChanged(number, msg.sender, state.shares);
        _reweigh(number, member, before);
        stakeToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc INodeRegistry
    function undelegate(address key, uint256 shares) external returns (uint128 amount) {
        (uint32 number, Member storage member) = _existing(key);
        Delegator storage state = _delegators[number][msg.sender];
        if (shares == 0 || shares > state.shares) revert NodeRegistry_AmountInvalid(shares, state.shares);
        uint256 before = _weight(member);
        amount = _worth(shares, member.delegated, member.shares);
        uint256 thawing = member.thawingShares == 0
            ? amount
            : Math.mulDiv(amount, member.thawingShares, member.delegatedThawing);
        uint64 thawedAt = _thawedAt();

        state.shares -= shares;
        state.thawingShares += thawing;
        state.thawedAt = thawedAt;
        member.shares -= shares;
        member.delegated -= amount;
        member.thawingShares += thawing;
        member.delegatedThawing += amount;

        emit StakeUndelegated(key, msg.sender, amount, shares, member.delegated, thawedAt);
        rewards.sharesChanged(number, msg.sender, state.shares);
        _reweigh(number, member, before);
    }

    /// @inheritdoc INodeRegistry
    function withdrawDelegation(address key) external returns (uint128 amount) {
        (uint32 number, Member storage member) = _existing(key);
        Delegator storage state = _delegators[number][msg.sender];
        uint256 thawing = state.thawingShares;
        if (thawing == 0) revert NodeRegistry_AmountInvalid(0, 0);
        if (block.timestamp < state.thawedAt) revert NodeRegistry_StillThawing(state.thawedAt);
        amount = _worth(thawing, member.delegatedThawing, member.thawingShares);

        state.thawingShares = 0;
        state.thawedAt = 0;
        member.thawingShares -= thawing;
        member.delegatedThawing -= amount;

        emit DelegationWithdrawn(key, msg.sender, amount);
        stakeToken.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function delegationOf(address key, address delegator) external view returns (Delegation memory) {
        (uint32 number, Member storage member) = _existing(key);
        Delegator storage state = _delegators[number][delegator];
        return Delegation({
            stake: _worth(state.shares, member.delegated, member.shares),
            shares: state.shares,
            thawing: _worth(state.thawingShares, member.delegatedThawing, member.thawingShares),
            thawedAt: state.thawedAt
        });
    }

    function _setCommission(address key, uint32 number, Member storage member, uint16 commission) private {
        member.commission = commission;
        member.nextCommission = 0;
        member.commissionFrom = 0;

        emit CommissionChanged(key, commission);
        _reweigh(number, member, _weight(member));
    }

    /// @dev Rounded down; whoever takes the last shares takes all that is left.
    function _worth(uint256 shares, uint256 pool, uint256 all) private pure returns (uint128) {
        return all == 0 ? 0 : uint128(Math.mulDiv(shares, pool, all));
    }
}
