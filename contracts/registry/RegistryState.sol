// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBrake} from "../interfaces/IBrake.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRewardPool} from "../interfaces/IRewardPool.sol";
import {IVotingPower} from "../interfaces/IVotingPower.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title What the registry knows, and the checks that its parts share
/// @dev The registry's parts are abstract contracts over this state, one subject each;
/// {NodeRegistry} puts them together. Members are kept by number, since their keys change.
abstract contract RegistryState is INodeRegistry, Ownable2Step {
    using Checkpoints for Checkpoints.Trace224;

    uint8 public constant ROLE_SERVICE = 1;
    uint8 public constant ROLE_ANCHOR = 2;

    struct Member {
        address operator;
        uint8 roles;
        uint16 commission;
        uint16 nextCommission;
        uint32 commissionFrom;
        address offeredTo;
        uint128 stake;
        uint128 locked;
        uint128 thawing;
        uint64 thawedAt;
        uint128 delegated;
        uint128 delegatedThawing;
        uint256 shares;
        uint256 thawingShares;
        string apiUrl;
        string linkUrl;
    }

    /// @dev What is asked of a key most often, in one word. Unless `changed`, the node only ever had
    /// this key and this payout account. The key stands for nobody before `fromPeriod`.
    struct KeyRecord {
        uint32 number;
        bool changed;
        address payout;
        uint32 fromPeriod;
    }

    struct Delegator {
        uint256 shares;
        uint256 thawingShares;
        uint64 thawedAt;
    }

    IERC20 public immutable stakeToken;
    IParameters public immutable parameters;
    /// @inheritdoc INodeRegistry
    IBrake public immutable brake;
    IVotingPower public immutable votes;
    IRewardPool public immutable rewards;

    /// @inheritdoc INodeRegistry
    address public hub;
    /// @inheritdoc INodeRegistry
    address public disputes;
    /// @inheritdoc INodeRegistry
    uint32 public nodeCount;
    mapping(uint32 number => Member member) internal _members;
    /// @dev Every key that a node ever had; a number of 0 means nobody.
    mapping(address key => KeyRecord record) internal _records;
    /// @dev A node's key, and its payout account, by the first period that it holds in.
    mapping(uint32 number => Checkpoints.Trace224 keys) internal _keys;
    mapping(uint32 number => Checkpoints.Trace224 payouts) internal _payouts;
    mapping(uint32 number => mapping(address delegator => Delegator state)) internal _delegators;
    uint32[] internal _anchors;

    constructor(
        IERC20 stakeToken_,
        IParameters parameters_,
        IBrake brake_,
        IVotingPower votes_,
        IRewardPool rewards_
    ) {
        stakeToken = stakeToken_;
        parameters = parameters_;
        brake = brake_;
        votes = votes_;
        rewards = rewards_;
    }

    modifier unlessPaused() {
        if (brake.isPaused()) revert NodeRegistry_Paused(brake.pausedUntil());
        _;
    }

    /// @dev Whoever counts stake learns how it changed; `before` is what the node weighed.
    function _reweigh(uint32 number, Member storage member, uint256 before) internal {
        uint256 weight = _weight(member);
        if (weight > before) votes.move(address(0), member.operator, weight - before);
        else if (weight < before) votes.move(member.operator, address(0), before - weight);
        rewards.nodeChanged(number, member.stake, member.delegated, member.shares, member.commission);
    }

    function _weight(Member storage member) internal view returns (uint256) {
        return uint256(member.stake) + member.delegated;
    }

    function _existing(address key) internal view returns (uint32 number, Member storage member) {
        number = _records[key].number;
        if (number == 0) revert NodeRegistry_UnknownNode(key);
        member = _members[number];
    }

    function _operated(address key) internal view returns (uint32 number, Member storage member) {
        (number, member) = _existing(key);
        if (msg.sender != member.operator) revert NodeRegistry_NotOperator(key, msg.sender);
    }

    function _keyAt(uint32 number, uint32 period) internal view returns (address) {
        return address(uint160(_keys[number].upperLookupRecent(period)));
    }

    function _payoutAt(uint32 number, uint32 period) internal view returns (address) {
        return address(uint160(_payouts[number].upperLookupRecent(period)));
    }

    function _checkStake(uint8 roles, uint128 stake) internal view {
        uint128 minimum = _minimumStake(roles);
        if (stake < minimum) revert NodeRegistry_StakeTooLow(stake, minimum);
    }

    function _minimumStake(uint8 roles) internal view returns (uint128 minimum) {
        IParameters.Terms memory terms = _currentTerms();
        if (roles & ROLE_SERVICE != 0) minimum = terms.minimumServiceStake;
        if (roles & ROLE_ANCHOR != 0 && terms.minimumAnchorStake > minimum) {
            minimum = terms.minimumAnchorStake;
        }
    }

    function _thawedAt() internal view returns (uint64) {
        return uint64(block.timestamp) + _currentTerms().thawTime;
    }

    function _currentTerms() internal view returns (IParameters.Terms memory) {
        return parameters.termsAt(parameters.currentPeriod());
    }
}
