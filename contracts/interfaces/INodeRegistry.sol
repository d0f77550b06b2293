// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBrake} from "./IBrake.sol";

/// @title Nodes, their roles and their stake
/// @notice A node's identity everywhere is the address of its node key. The operator account owns
/// the stake; the payout account is credited. Roles are a bitmask: 1 service, 2 anchor. The events
/// alone are enough to rebuild the member list.
///
/// A node key can be replaced: the new one counts from the next period on, and the old one goes on
/// standing for the node in the periods up to then, so that open periods settle as they were signed.
/// Payout accounts change in the same way.
///
/// Anyone may delegate stake to a node. It counts for the node's weight and votes with its operator,
/// earns rewards less the node's commission, and is slashed pro rata with the node's own stake; only
/// own stake counts for minimums and bonds. Delegated stake is held as shares of a pool, so a slash
/// touches no single delegator.
/// @dev Safety needs: the hub calls {lockBond} and {unlockBond} in pairs; the dispute contract
/// slashes only what is proved; the Stake Token moves exactly the amounts asked for. Liveness needs
/// nothing from outside: the brake never stops what leaves.
interface INodeRegistry {
    /// @notice A node as it stands now.
    struct Node {
        address key;
        uint32 number;
        uint8 roles;
        address operator;
        address payout;
        uint128 stake;
        uint128 locked;
        uint128 thawing;
        uint64 thawedAt;
        uint128 delegated;
        uint16 commission;
        string apiUrl;
        string linkUrl;
    }

    /// @notice What one account delegated to one node: `stake` is active, `thawing` comes back at
    /// `thawedAt`; `shares` are its part of the pool.
    struct Delegation {
        uint128 stake;
        uint256 shares;
        uint128 thawing;
        uint64 thawedAt;
    }

    /// @notice A node joined; `number` is its index, counted from 1, given once and for good.
    event NodeRegistered(
        address indexed key,
        address indexed operator,
        uint32 indexed number,
        address payout,
        uint8 roles,
        string apiUrl,
        string linkUrl,
        uint128 stake
    );
    /// @notice Stake was added; `stake` is the new active stake.
    event StakeAdded(address indexed key, uint128 amount, uint128 stake);
    /// @notice `amount` began to thaw; `stake` is what stays active, `thawing` all that thaws.
    event ThawRequested(address indexed key, uint128 amount, uint128 stake, uint128 thawing, uint64 thawedAt);
    /// @notice Thawed stake went back to the operator.
    event ThawWithdrawn(address indexed key, address indexed operator, uint128 amount);
    /// @notice All stake of the node thaws; it is no longer a member until stake is added.
    event NodeLeft(address indexed key);
    /// @notice The node is reached at new addresses.
    event UrlsUpdated(address indexed key, string apiUrl, string linkUrl);
    /// @notice The hub holds `amount` of the node's stake as bond; `locked` is the sum of its bonds.
    event BondLocked(address indexed key, uint128 amount, uint128 locked);
    /// @notice The hub released a bond; `locked` is the sum of those that stay.
    event BondUnlocked(address indexed key, uint128 amount, uint128 locked);
    /// @notice The hub was set, once and for good.
    event HubSet(address indexed hub);
    /// @notice The dispute contract was set, once and for good.
    event DisputesSet(address indexed disputes);
    /// @notice The node's key is `newKey` from period `fromPeriod` on; `key` stands for it until then.
    event KeyRotated(address indexed key, address indexed newKey, uint32 fromPeriod);
    /// @notice The operator offered the node to another account, or took the offer back (zero).
    event OperatorOffered(address indexed key, address indexed operator);
    /// @notice The node has a new operator, who owns its stake.
    event OperatorChanged(address indexed key, address indexed previous, address indexed operator);
    /// @notice Earnings of period `fromPeriod` and later go to `payout`.
    event PayoutChanged(address indexed key, address payout, uint32 fromPeriod);
    /// @notice The node's commission is `commission` basis points from period `fromPeriod` on.
    event CommissionScheduled(address indexed key, uint16 commission, uint32 fromPeriod);
    /// @notice The node's commission is `commission` basis points now.
    event CommissionChanged(address indexed key, uint16 commission);
    /// @notice Stake was delegated; `delegated` is all that is now.
    event StakeDelegated(
        address indexed key, address indexed delegator, uint128 amount, uint256 shares, uint128 delegated
    );
    /// @notice Delegated stake began to thaw; `delegated` is all that stays.
    event StakeUndelegated(
        address indexed key,
        address indexed delegator,
        uint128 amount,
        uint256 shares,
        uint128 delegated,
        uint64 thawedAt
    );
    /// @notice Thawed delegated stake went back to its delegator.
    event DelegationWithdrawn(address indexed key, address indexed delegator, uint128 amount);
    /// @notice The dispute contract took `amount`; what is given after it is what stays.
    event NodeSlashed(
        address indexed key,
        address indexed to,
        uint128 amount,
        uint128 stake,
        uint128 thawing,
        uint128 delegated,
        uint128 delegatedThawing
    );

    /// @notice The key is registered already, by `operator`.
    error NodeRegistry_KeyTaken(address key, address operator);
    /// @notice No node has this key.
    error NodeRegistry_UnknownNode(address key);
    /// @notice Only the node's operator may do this.
    error NodeRegistry_NotOperator(address key, address caller);
    /// @notice Only the hub may do this.
    error NodeRegistry_NotHub(address caller);
    /// @notice The hub must be set before nodes can register: it is part of the signing domain.
    error NodeRegistry_HubNotSet();
    /// @notice The hub was set already.
    error NodeRegistry_HubAlreadySet(address hub);
    /// @notice The roles are empty or name one that does not exist.
    error NodeRegistry_UnknownRoles(uint8 roles);
    /// @notice The stake is below the minimum of the node's roles.
    error NodeRegistry_StakeTooLow(uint256 stake, uint256 minimum);
    /// @notice The key proof is not a signature by the node key over this operator and this key.
    error NodeRegistry_KeyProofInvalid(address key, address operator);
    /// @notice An address is empty or longer than 256 bytes.
    error NodeRegistry_UrlInvalid(uint256 length);
    /// @notice The zero account cannot be paid.
    error NodeRegistry_ZeroPayout();
    /// @notice The amount is zero, or more than what there is.
    error NodeRegistry_AmountInvalid(uint256 amount, uint256 available);
    /// @notice The stake thaws until `thawedAt`.
    error NodeRegistry_StillThawing(uint64 thawedAt);
    /// @notice The free part of stake and thawing stake does not cover this bond or withdrawal.
    error NodeRegistry_BondNotCovered(address key, uint256 amount, uint256 available);

    /// @notice New stake is stopped by the emergency brake until `pausedUntil`.
    error NodeRegistry_Paused(uint64 pausedUntil);
    /// @notice Only the dispute contract may do this.
    error NodeRegistry_NotDisputes(address caller);
    /// @notice The dispute contract was set already.
    error NodeRegistry_DisputesAlreadySet(address disputes);
    /// @notice Nobody offered the node to the caller.
    error NodeRegistry_NotOffered(address key, address caller);
    /// @notice The commission is above the maximum.
    error NodeRegistry_CommissionTooHigh(uint16 commission, uint16 maximum);
    /// @notice A higher commission was not scheduled, or holds from `fromPeriod` on only.
    error NodeRegistry_CommissionNotDue(address key, uint32 fromPeriod);
    /// @notice The node has no active stake of its own, or its pool was slashed nearly to nothing.
    error NodeRegistry_DelegationRefused(address key);

    /// @notice Register a node; the caller becomes its operator and pays its stake.
    /// @dev Emits: {NodeRegistered}.
    ///
    /// Requirements:
    /// - the emergency brake is not pulled;
    /// - the hub is set;
    /// - `key` is not registered, and never was;
    /// - `roles` has one or both of 1 (service) and 2 (anchor), and nothing else;
    /// - `payout` is not the zero account;
    /// - both addresses have 1 to 256 bytes;
    /// - `stakeAmount` reaches the minimum of every role asked for;
    /// - `keyProof` is `key`'s EIP-712 signature of KeyProof(operator, key), r | s | v;
    /// - the caller has approved `stakeAmount` Stake Tokens.
    /// @return number The node's index, counted from 1.
    function register(
        address key,
        address payout,
        uint8 roles,
        string calldata apiUrl,
        string calldata linkUrl,
        uint128 stakeAmount,
        bytes calldata keyProof
    ) external returns (uint32 number);

    /// @notice Add stake to a node; anyone may, the operator owns it.
    /// @dev Emits: {StakeAdded}.
    ///
    /// Requirements:
    /// - the emergency brake is not pulled;
    /// - `key` is registered;
    /// - `amount` is not zero, and the new stake reaches the minimum of the node's roles;
    /// - the caller has approved `amount` Stake Tokens.
    function addStake(address key, uint128 amount) external;

    /// @notice Let part of the stake thaw. A request while stake thaws restarts the wait for all.
    /// @dev Emits: {ThawRequested}, and {NodeLeft} where nothing stays.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - `amount` is not zero and at most the active stake;
    /// - what stays is zero or reaches the minimum of the node's roles.
    function requestThaw(address key, uint128 amount) external;

    /// @notice Leave the network: all stake thaws.
    /// @dev Emits: {ThawRequested}, {NodeLeft}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - the node has active stake.
    function leave(address key) external;

    /// @notice Send thawed stake back to the operator.
    /// @dev Emits: {ThawWithdrawn}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - some stake thaws, and its time has passed;
    /// - active stake alone covers the locked bonds.
    function withdrawThawed(address key) external;

    /// @notice Say where the node is reached now.
    /// @dev Emits: {UrlsUpdated}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - both addresses have 1 to 256 bytes.
    function updateUrls(address key, string calldata apiUrl, string calldata linkUrl) external;

    /// @notice Replace a node's key from the next period on. A change that was asked for in the same
    /// period is replaced.
    /// @dev Emits: {KeyRotated}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - `newKey` is not registered, and never was;
    /// - `keyProof` is `newKey`'s EIP-712 signature of KeyProof(operator, newKey), r | s | v.
    function rotateKey(address key, address newKey, bytes calldata keyProof) external;

    /// @notice Offer a node, its stake and what thaws included, to another account; zero takes the
    /// offer back.
    /// @dev Emits: {OperatorOffered}. Requirements: the caller is the node's operator.
    function offerOperator(address key, address operator) external;

    /// @notice Take over a node that was offered to the caller.
    /// @dev Emits: {OperatorChanged}. Requirements: the node was offered to the caller.
    function acceptOperator(address key) external;

    /// @notice Pay the node's earnings to another account, from the next period on.
    /// @dev Emits: {PayoutChanged}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - `payout` is not the zero account.
    function setPayout(address key, address payout) external;

    /// @notice Change the commission on delegators' rewards: a lower one holds at once, a higher one
    /// when {applyCommission} is called in the period after the next one or later.
    /// @dev Emits: {CommissionChanged} or {CommissionScheduled}.
    ///
    /// Requirements:
    /// - the caller is the node's operator;
    /// - `commission` is at most 5,000 basis points.
    function setCommission(address key, uint16 commission) external;

    /// @notice Let a scheduled commission hold; anyone may.
    /// @dev Emits: {CommissionChanged}. Requirements: one is scheduled, and its period has begun.
    function applyCommission(address key) external;

    /// @notice Delegate stake to a node.
    /// @dev Emits: {StakeDelegated}.
    ///
    /// Requirements:
    /// - the emergency brake is not pulled;
    /// - the node has active stake of its own, and its pool was not slashed nearly to nothing;
    /// - `amount` is not zero, and worth at least one share;
    /// - the caller has approved `amount` Stake Tokens.
    /// @return shares The part of the pool that was bought.
    function delegate(address key, uint128 amount) external returns (uint256 shares);

    /// @notice Let shares of a node's pool thaw. A request while others thaw restarts the wait for
    /// all of the caller's.
    /// @dev Emits: {StakeUndelegated}.
    ///
    /// Requirements:
    /// - `shares` is not zero, and at most what the caller has.
    function undelegate(address key, uint256 shares) external returns (uint128 amount);

    /// @notice Take thawed delegated stake back.
    /// @dev Emits: {DelegationWithdrawn}.
    ///
    /// Requirements:
    /// - some of the caller's delegated stake thaws, and its time has passed.
    function withdrawDelegation(address key) external returns (uint128 amount);

    /// @notice Take up to `amount` of all stake behind a node, pro rata from own stake, own thawing
    /// stake, delegated and thawing delegated stake, and send it to `to`.
    /// @dev Emits: {NodeSlashed}. Pools keep one unit, so that their shares never lose all meaning.
    ///
    /// Requirements:
    /// - the caller is the dispute contract;
    /// - `key` is registered.
    /// @return slashed What was taken: `amount`, or all that there is to take.
    function slash(address key, uint128 amount, address to) external returns (uint128 slashed);

    /// @notice Name the dispute contract, once.
    /// @dev Emits: {DisputesSet}. Requirements: the caller is the owner; it is not set yet.
    function setDisputes(address disputes_) external;

    /// @notice Hold `amount` of a node's stake, thawing stake included, as bond.
    /// @dev Emits: {BondLocked}.
    ///
    /// Requirements:
    /// - the caller is the hub;
    /// - `key` is registered;
    /// - stake and thawing stake that are not locked yet cover `amount`.
    function lockBond(address key, uint128 amount) external;

    /// @notice Release `amount` of a node's bonds.
    /// @dev Emits: {BondUnlocked}.
    ///
    /// Requirements:
    /// - the caller is the hub;
    /// - `amount` is at most what is locked.
    function unlockBond(address key, uint128 amount) external;

    /// @notice Name the hub, once; it is the verifying contract of every signed message.
    /// @dev Emits: {HubSet}.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - the hub is not set yet.
    function setHub(address hub_) external;

    /// @notice The hub, or zero before it is set.
    function hub() external view returns (address);

    /// @notice The dispute contract, or zero before it is set.
    function disputes() external view returns (address);

    /// @notice The emergency brake that stops new money.
    function brake() external view returns (IBrake);

    /// @notice The node with this key. Requirements: it is registered.
    function nodeOf(address key) external view returns (Node memory);

    /// @notice The index of the node that has or had this key, 0 where there is none.
    function numberOf(address key) external view returns (uint32);

    /// @notice The key in the current period of the node with this index, zero where there is none.
    function keyOf(uint32 number) external view returns (address);

    /// @notice The index of the node whose key in `period` is this one, 0 where there is none, or
    /// where it registered in a later period.
    function numberAt(address key, uint32 period) external view returns (uint32);

    /// @notice The key in `period` of the node with this index, zero where there is none.
    function keyAt(uint32 number, uint32 period) external view returns (address);

    /// @notice Own and delegated active stake of a node: what it weighs in placement, election and
    /// rewards.
    function weightOf(address key) external view returns (uint128);

    /// @notice The most that {slash} could take from a node now.
    function slashable(address key) external view returns (uint128);

    /// @notice What an account delegated to a node.
    function delegationOf(address key, address delegator) external view returns (Delegation memory);

    /// @notice At most `limit` keys of nodes with the anchor role, from the `from`-th (0 is the
    /// first) in order of registration, active or not.
    function anchors(uint32 from, uint32 limit) external view returns (address[] memory);

    /// @notice The account that earnings of `period` go to, zero where there is no such node.
    function payoutAt(address key, uint32 period) external view returns (address);

    /// @notice Whether `key` is its node's key now, and the node has every role in `roles` and at least the stake that they need.
    function isActive(address key, uint8 roles) external view returns (bool);

    /// @notice How many nodes ever registered; indices run from 1 to this.
    function nodeCount() external view returns (uint32);

    /// @notice At most `limit` nodes, from index `from` (1 is the first) upwards.
    function nodes(uint32 from, uint32 limit) external view returns (Node[] memory);
}
