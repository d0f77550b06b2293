// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IRewardPool} from "../interfaces/IRewardPool.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Reward pool
/// @notice See {IRewardPool}. Holds Service Tokens: rewards that were not claimed yet.
/// @dev Two running sums: what one unit of stake has earned since the beginning, over all nodes, and
/// for each node what one share of its delegated stake has earned. A node or delegator is settled
/// when its stake changes or it claims.
contract RewardPool is IRewardPool, Ownable2Step {
    using SafeERC20 for IERC20;

    uint256 private constant BASIS_POINTS = 10_000;
    /// @dev Fixed point of the running sums.
    uint256 private constant ONE = 1 << 96;

    struct NodeState {
        uint128 own;
        uint128 delegated;
        uint256 shares;
        uint256 settledAt;
        uint256 perShare;
        uint128 due;
        uint16 commission;
    }

    struct DelegatorState {
        uint256 shares;
        uint256 settledAt;
        uint128 due;
    }

    IERC20 public immutable serviceToken;
    address private immutable _founder;

    address public registry;
    IChannelHub public hub;
    /// @inheritdoc IRewardPool
    address public treasury;
    /// @inheritdoc IRewardPool
    uint16 public stakerShare;
    /// @inheritdoc IRewardPool
    uint256 public totalStake;
    /// @dev What one unit of stake has earned, times {ONE}.
    uint256 private _perStake;
    /// @dev Funded while nobody had stake; goes to the next who have.
    uint128 private _waiting;
    mapping(uint32 number => NodeState node) private _nodes;
    mapping(uint32 number => mapping(address delegator => DelegatorState state)) private _delegators;

    constructor(address owner_, IERC20 serviceToken_, address treasury_, uint16 stakerShare_)
        Ownable(owner_)
    {
        _founder = owner_;
        serviceToken = serviceToken_;
        _setFeeSplit(treasury_, stakerShare_);
    }

    modifier onlyRegistry() {
        if (msg.sender != registry) revert RewardPool_NotRegistry(msg.sender);
        _;
    }

    /// @inheritdoc IRewardPool
    function nodeChanged(uint32 number, uint128 own, uint128 delegated, uint256 shares, uint16 commission)
        external
        onlyRegistry
    {
        NodeState storage node = _nodes[number];
        (node.due, node.perShare) = _earned(node);
        node.settledAt = _perStake;
        totalStake = totalStake + own + delegated - node.own - node.delegated;
        node.own = own;
        node.delegated = delegated;
        node.shares = shares;
        node.commission = commission;
        _release();
    }

    /// @inheritdoc IRewardPool
    function sharesChanged(uint32 number, address delegator, uint256 shares) external onlyRegistry {
        DelegatorState storage state = _delegators[number][delegator];
        (, uint256 perShare) = _earned(_nodes[number]);
        state.due = _owed(state, perShare);
        state.settledAt = perShare;
        state.shares = shares;
    }

    /// @inheritdoc IRewardPool
    function fund(uint128 amount) external {
        if (amount == 0) revert RewardPool_AmountInvalid(0);
        _share(msg.sender, amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRewardPool
    function collect() external returns (uint128 amount) {
        amount = hub.creditOf(address(this));
        if (amount == 0) revert RewardPool_NothingDue();
        uint128 toStakers = uint128(uint256(amount) * stakerShare / BASIS_POINTS);
        uint128 toTreasury = amount - toStakers;

        emit FeesCollected(toStakers, toTreasury);
        if (toStakers != 0) _share(address(hub), toStakers);
        hub.withdrawCredit(address(this), amount);
        if (toTreasury != 0) serviceToken.safeTransfer(treasury, toTreasury);
    }

    /// @inheritdoc IRewardPool
    function claimNode(uint32 number) external returns (uint128 amount) {
        NodeState storage node = _nodes[number];
        (amount, node.perShare) = _earned(node);
        if (amount == 0) revert RewardPool_NothingDue();
        INodeRegistry nodes = INodeRegistry(registry);
        address payout = nodes.nodeOf(nodes.keyOf(number)).payout;

        node.settledAt = _perStake;
        node.due = 0;

        emit NodeRewardsClaimed(number, payout, amount);
        serviceToken.safeTransfer(payout, amount);
    }

    /// @inheritdoc IRewardPool
    function claimDelegator(uint32 number, address delegator) external returns (uint128 amount) {
        DelegatorState storage state = _delegators[number][delegator];
        (, uint256 perShare) = _earned(_nodes[number]);
        amount = _owed(state, perShare);
        if (amount == 0) revert RewardPool_NothingDue();

        state.settledAt = perShare;
        state.due = 0;

        emit DelegatorRewardsClaimed(number, delegator, amount);
        serviceToken.safeTransfer(delegator, amount);
    }

    /// @inheritdoc IRewardPool
    function setFeeSplit(address treasury_, uint16 stakerShare_) external onlyOwner {
        _setFeeSplit(treasury_, stakerShare_);
    }

    /// @inheritdoc IRewardPool
    function setSources(address registry_, address hub_) external {
        if (msg.sender != _founder || registry != address(0)) revert RewardPool_NotFounder(msg.sender);
        registry = registry_;
        hub = IChannelHub(hub_);
        emit SourcesSet(registry_, hub_);
    }

    /// @inheritdoc IRewardPool
    function dueToNode(uint32 number) external view returns (uint128 due) {
        (due,) = _earned(_nodes[number]);
    }

    /// @inheritdoc IRewardPool
    function dueToDelegator(uint32 number, address delegator) external view returns (uint128) {
        (, uint256 perShare) = _earned(_nodes[number]);
        return _owed(_delegators[number][delegator], perShare);
    }

    function _share(address from, uint128 amount) private {
        emit RewardsFunded(from, amount, totalStake);
        _waiting += amount;
        _release();
    }

    function _release() private {
        if (_waiting == 0 || totalStake == 0) return;
        _perStake += Math.mulDiv(_waiting, ONE, totalStake);
        _waiting = 0;
    }

    function _setFeeSplit(address treasury_, uint16 stakerShare_) private {
        if (treasury_ == address(0)) revert RewardPool_ZeroTreasury();
        if (stakerShare_ > BASIS_POINTS) revert RewardPool_AmountInvalid(stakerShare_);
        treasury = treasury_;
        stakerShare = stakerShare_;
        emit FeeSplitChanged(treasury_, stakerShare_);
    }

    /// @dev What the operator and one share of the delegated stake have earned up to now.
    function _earned(NodeState storage node) private view returns (uint128 due, uint256 perShare) {
        uint256 grown = _perStake - node.settledAt;
        (due, perShare) = (node.due, node.perShare);
        if (grown == 0) return (due, perShare);
        uint256 own = Math.mulDiv(node.own, grown, ONE);
        uint256 delegated = Math.mulDiv(node.delegated, grown, ONE);
        if (node.shares != 0) {
            uint256 kept = delegated * node.commission / BASIS_POINTS;
            own += kept;
            perShare += Math.mulDiv(delegated - kept, ONE, node.shares);
        }
        due += uint128(own);
    }

    function _owed(DelegatorState storage state, uint256 perShare) private view returns (uint128) {
        return state.due + uint128(Math.mulDiv(state.shares, perShare - state.settledAt, ONE));
    }
}
