// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {RegistryState} from "./RegistryState.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title A node's own stake: added, thawed, locked, slashed
abstract contract Stakes is RegistryState {
    using SafeERC20 for IERC20;

    modifier onlyHub() {
        if (msg.sender != hub || hub == address(0)) revert NodeRegistry_NotHub(msg.sender);
        _;
    }

    /// @inheritdoc INodeRegistry
    function addStake(address key, uint128 amount) external unlessPaused {
        (uint32 number, Member storage member) = _existing(key);
        if (amount == 0) revert NodeRegistry_AmountInvalid(0, type(uint128).max);
        uint128 stake = member.stake + amount;
        _checkStake(member.roles, stake);
        uint256 before = _weight(member);

        member.stake = stake;

        emit StakeAdded(key, amount, stake);
        _reweigh(number, member, before);
        stakeToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc INodeRegistry
    function requestThaw(address key, uint128 amount) external {
        (uint32 number, Member storage member) = _operated(key);
        _thaw(key, number, member, amount);
    }

    /// @inheritdoc INodeRegistry
    function leave(address key) external {
        (uint32 number, Member storage member) = _operated(key);
        _thaw(key, number, member, member.stake);
    }

    /// @inheritdoc INodeRegistry
    function withdrawThawed(address key) external {
        (, Member storage member) = _operated(key);
        uint128 amount = member.thawing;
        if (amount == 0) revert NodeRegistry_AmountInvalid(0, 0);
        if (block.timestamp < member.thawedAt) revert NodeRegistry_StillThawing(member.thawedAt);
        if (member.stake < member.locked) {
            revert NodeRegistry_BondNotCovered(key, member.locked, member.stake);
        }

        member.thawing = 0;
        member.thawedAt = 0;

        emit ThawWithdrawn(key, msg.sender, amount);
        stakeToken.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    /// @dev After a slash more may be locked than there is; then nothing is free.
    function lockBond(address key, uint128 amount) external onlyHub {
        (, Member storage member) = _existing(key);
        uint128 held = member.stake + member.thawing;
        uint128 free = held > member.locked ? held - member.locked : 0;
        if (amount > free) revert NodeRegistry_BondNotCovered(key, amount, free);
        uint128 locked = member.locked + amount;

        member.locked = locked;

        emit BondLocked(key, amount, locked);
    }

    /// @inheritdoc INodeRegistry
    function unlockBond(address key, uint128 amount) external onlyHub {
        (, Member storage member) = _existing(key);
        if (amount > member.locked) revert NodeRegistry_AmountInvalid(amount, member.locked);
        uint128 locked = member.locked - amount;

        member.locked = locked;

        emit BondUnlocked(key, amount, locked);
    }

    /// @inheritdoc INodeRegistry
    function slash(address key, uint128 amount, address to) external returns (uint128 slashed) {
        if (msg.sender != disputes || disputes == address(0)) revert NodeRegistry_NotDisputes(msg.sender);
        (uint32 number, Member storage member) = _existing(key);
        uint256 before = _weight(member);
        uint128 available = _slashable(member);
        slashed = amount < available ? amount : available;

        _take(member, slashed);

        emit NodeSlashed(
            key, to, slashed, member.stake, member.thawing, member.delegated, member.delegatedThawing
        );
        _reweigh(number, member, before);
        stakeToken.safeTransfer(to, slashed);
    }

    /// @inheritdoc INodeRegistry
    function slashable(address key) external view returns (uint128) {
        (, Member storage member) = _existing(key);
        return _slashable(member);
    }

    /// @dev Pro rata, rounded down; the few units left by rounding come from own stake first.
    function _take(Member storage member, uint128 amount) private {
        uint256[4] memory held = _holdings(member);
        uint256 total = held[0] + held[1] + held[2] + held[3];
        uint256 rest = amount;
        uint256[4] memory left = held;
        for (uint256 i; i < 4; ++i) {
            uint256 part = total == 0 ? 0 : uint256(amount) * held[i] / total;
            left[i] = held[i] - part;
            rest -= part;
        }
        for (uint256 i; i < 4 && rest != 0; ++i) {
            uint256 part = rest < left[i] ? rest : left[i];
            left[i] -= part;
            rest -= part;
        }
        member.stake = uint128(left[0]);
        member.thawing = uint128(left[1]);
        member.delegated = uint128(left[2]) + _kept(member.shares);
        member.delegatedThawing = uint128(left[3]) + _kept(member.thawingShares);
    }

    function _thaw(address key, uint32 number, Member storage member, uint128 amount) private {
        if (amount == 0 || amount > member.stake) revert NodeRegistry_AmountInvalid(amount, member.stake);
        uint128 stake = member.stake - amount;
        if (stake != 0) _checkStake(member.roles, stake);
        uint128 thawing = member.thawing + amount;
        uint64 thawedAt = _thawedAt();
        uint256 before = _weight(member);

        member.stake = stake;
        member.thawing = thawing;
        member.thawedAt = thawedAt;

        emit ThawRequested(key, amount, stake, thawing, thawedAt);
        if (stake == 0) emit NodeLeft(key);
        _reweigh(number, member, before);
    }

    /// @dev What can be taken of own, own thawing, delegated and delegated thawing stake.
    function _holdings(Member storage member) private view returns (uint256[4] memory held) {
        held[0] = member.stake;
        held[1] = member.thawing;
        held[2] = member.delegated - _kept(member.shares);
        held[3] = member.delegatedThawing - _kept(member.thawingShares);
    }

    function _slashable(Member storage member) private view returns (uint128) {
        uint256[4] memory held = _holdings(member);
        return uint128(held[0] + held[1] + held[2] + held[3]);
    }

    /// @dev A pool that has shares keeps one unit of stake.
    function _kept(uint256 shares) private pure returns (uint128) {
        return shares == 0 ? 0 : 1;
    }
}
