// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBrake} from "../interfaces/IBrake.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRewardPool} from "../interfaces/IRewardPool.sol";
import {IVotingPower} from "../interfaces/IVotingPower.sol";
import {Delegations} from "./Delegations.sol";
import {Membership} from "./Membership.sol";
import {RegistryState} from "./RegistryState.sol";
import {Stakes} from "./Stakes.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Node registry
/// @notice See {INodeRegistry}. Holds Stake Tokens: its balance is the sum of all nodes' stake and
/// thawing stake, own and delegated.
contract NodeRegistry is Membership, Stakes, Delegations {
    constructor(
        address owner_,
        IERC20 stakeToken_,
        IParameters parameters_,
        IBrake brake_,
        IVotingPower votes_,
        IRewardPool rewards_
    ) Ownable(owner_) RegistryState(stakeToken_, parameters_, brake_, votes_, rewards_) {}

    /// @inheritdoc INodeRegistry
    function setHub(address hub_) external onlyOwner {
        if (hub != address(0)) revert NodeRegistry_HubAlreadySet(hub);
        hub = hub_;
        emit HubSet(hub_);
    }

    /// @inheritdoc INodeRegistry
    function setDisputes(address disputes_) external onlyOwner {
        if (disputes != address(0)) revert NodeRegistry_DisputesAlreadySet(disputes);
        disputes = disputes_;
        emit DisputesSet(disputes_);
    }

    /// @inheritdoc INodeRegistry
    function nodeOf(address key) external view returns (Node memory) {
        (uint32 number,) = _existing(key);
        return _view(number);
    }

    /// @inheritdoc INodeRegistry
    function numberOf(address key) external view returns (uint32) {
        return _records[key].number;
    }

    /// @inheritdoc INodeRegistry
    function keyOf(uint32 number) external view returns (address) {
        return _keyAt(number, parameters.currentPeriod());
    }

    /// @inheritdoc INodeRegistry
    function numberAt(address key, uint32 period) external view returns (uint32 number) {
        KeyRecord storage record = _records[key];
        number = record.number;
        if (period < record.fromPeriod) return 0;
        if (record.changed && _keyAt(number, period) != key) return 0;
    }

    /// @inheritdoc INodeRegistry
    function keyAt(uint32 number, uint32 period) external view returns (address) {
        return _keyAt(number, period);
    }

    /// @inheritdoc INodeRegistry
    function payoutAt(address key, uint32 period) external view returns (address) {
        KeyRecord storage record = _records[key];
        return record.changed ? _payoutAt(record.number, period) : record.payout;
    }

    /// @inheritdoc INodeRegistry
    function isActive(address key, uint8 roles) external view returns (bool) {
        KeyRecord storage record = _records[key];
        uint32 number = record.number;
        Member storage member = _members[number];
        if (number == 0 || roles == 0 || member.roles & roles != roles) return false;
        if (record.changed && _keyAt(number, parameters.currentPeriod()) != key) return false;
        return member.stake >= _minimumStake(member.roles);
    }

    /// @inheritdoc INodeRegistry
    function weightOf(address key) external view returns (uint128) {
        return uint128(_weight(_members[_records[key].number]));
    }

    /// @inheritdoc INodeRegistry
    function anchors(uint32 from, uint32 limit) external view returns (address[] memory page) {
        uint256 end = uint256(from) + limit;
        if (end > _anchors.length) end = _anchors.length;
        if (from >= end) return page;
        uint32 period = parameters.currentPeriod();
        page = new address[](end - from);
        for (uint256 i = from; i < end; ++i) {
            page[i - from] = _keyAt(_anchors[i], period);
        }
    }

    /// @inheritdoc INodeRegistry
    function nodes(uint32 from, uint32 limit) external view returns (Node[] memory page) {
        uint256 start = from == 0 ? 1 : from;
        uint256 end = start + limit;
        if (end > uint256(nodeCount) + 1) end = uint256(nodeCount) + 1;
        if (start >= end) return page;
        page = new Node[](end - start);
        for (uint256 i = start; i < end; ++i) {
            page[i - start] = _view(uint32(i));
        }
    }

    function _view(uint32 number) private view returns (Node memory) {
        Member storage member = _members[number];
        uint32 period = parameters.currentPeriod();
        return Node({
            key: _keyAt(number, period),
            number: number,
            roles: member.roles,
            operator: member.operator,
            payout: _payoutAt(number, period),
            stake: member.stake,
            locked: member.locked,
            thawing: member.thawing,
            thawedAt: member.thawedAt,
            delegated: member.delegated,
            commission: member.commission,
            apiUrl: member.apiUrl,
            linkUrl: member.linkUrl
        });
    }
}
