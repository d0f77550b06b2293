// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Rewards of those who stake
/// @notice A part of the protocol's fees goes to active stake, in proportion to it: a node's own
/// stake and what was delegated to it. Of what falls to delegated stake the operator keeps the
/// node's commission. No function loops over users; every division rounds down, so that what can be
/// claimed never passes what was funded.
/// @dev Safety needs: the registry reports every change of stake, in the order in which they
/// happen; the hub gives the credit that it shows.
interface IRewardPool {
    /// @notice The registry and the hub were named, once and for good.
    event SourcesSet(address indexed registry, address indexed hub);
    /// @notice `amount` of Service Tokens was shared among all active stake.
    event RewardsFunded(address indexed payer, uint128 amount, uint256 stake);
    /// @notice Fees were taken from the hub: a part for stakers, the rest for the treasury.
    event FeesCollected(uint128 toStakers, uint128 toTreasury);
    /// @notice From now on stakers get `stakerShare` basis points of the fees, `treasury` the rest.
    event FeeSplitChanged(address indexed treasury, uint16 stakerShare);
    /// @notice A node's own rewards and its commission were paid to its payout account.
    event NodeRewardsClaimed(uint32 indexed number, address indexed payout, uint128 amount);
    /// @notice A delegator's rewards from one node were paid to it.
    event DelegatorRewardsClaimed(uint32 indexed number, address indexed delegator, uint128 amount);

    /// @notice Only the registry may do this.
    error RewardPool_NotRegistry(address caller);
    /// @notice Only the founder may name registry and hub, and once only.
    error RewardPool_NotFounder(address caller);
    /// @notice The amount is zero, or the share above 10,000 basis points.
    error RewardPool_AmountInvalid(uint256 amount);
    /// @notice The zero account cannot be the treasury.
    error RewardPool_ZeroTreasury();
    /// @notice There is nothing to claim or to collect.
    error RewardPool_NothingDue();

    /// @notice A node's stake is now this much; rewards up to now fall to what it was before.
    /// @dev Requirements: the caller is the registry.
    function nodeChanged(uint32 number, uint128 own, uint128 delegated, uint256 shares, uint16 commission)
        external;

    /// @notice A delegator has `shares` of a node's delegated stake from now on. Called before the
    /// {nodeChanged} of the same change.
    /// @dev Requirements: the caller is the registry.
    function sharesChanged(uint32 number, address delegator, uint256 shares) external;

    /// @notice Share `amount` of the caller's Service Tokens among all active stake.
    /// @dev Emits: {RewardsFunded}.
    ///
    /// Requirements:
    /// - `amount` is not zero;
    /// - the caller has approved it.
    function fund(uint128 amount) external;

    /// @notice Take this contract's credit out of the hub and split it; anyone may.
    /// @dev Emits: {FeesCollected}, and {RewardsFunded} where stakers get some.
    ///
    /// Requirements:
    /// - the hub holds credit for this contract.
    function collect() external returns (uint128 amount);

    /// @notice Pay a node's own rewards and its commission to its payout account; anyone may.
    /// @dev Emits: {NodeRewardsClaimed}. Requirements: something is due.
    function claimNode(uint32 number) external returns (uint128 amount);

    /// @notice Pay a delegator's rewards from one node; anyone may, the delegator gets them.
    /// @dev Emits: {DelegatorRewardsClaimed}. Requirements: something is due.
    function claimDelegator(uint32 number, address delegator) external returns (uint128 amount);

    /// @notice Change how fees are split between stakers and the treasury.
    /// @dev Emits: {FeeSplitChanged}.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - `treasury_` is not the zero account;
    /// - `stakerShare_` is at most 10,000.
    function setFeeSplit(address treasury_, uint16 stakerShare_) external;

    /// @notice Name registry and hub.
    /// @dev Emits: {SourcesSet}. Requirements: the caller is the founder; none is named yet.
    function setSources(address registry_, address hub_) external;

    /// @notice What {claimNode} would pay now.
    function dueToNode(uint32 number) external view returns (uint128);

    /// @notice What {claimDelegator} would pay now.
    function dueToDelegator(uint32 number, address delegator) external view returns (uint128);

    /// @notice All active stake that rewards are shared among.
    function totalStake() external view returns (uint256);

    /// @notice Where the treasury's part of collected fees goes.
    function treasury() external view returns (address);

    /// @notice The stakers' part of collected fees, basis points.
    function stakerShare() external view returns (uint16);
}
