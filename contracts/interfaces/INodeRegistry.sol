// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Nodes, their roles and their stake
/// @notice A node's identity everywhere is the address of its node key. The operator account owns
/// the stake; the payout account is credited. Roles are a bitmask: 1 service, 2 anchor. The events
/// alone are enough to rebuild the member list.
/// @dev Safety needs: the hub calls {lockBond} and {unlockBond} in pairs; the Stake Token moves
/// exactly the amounts asked for. Liveness needs nothing from outside.
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
        string apiUrl;
        string linkUrl;
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

    /// @notice Register a node; the caller becomes its operator and pays its stake.
    /// @dev Emits: {NodeRegistered}.
    ///
    /// Requirements:
    /// - the hub is set;
    /// - `key` is not registered;
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

    /// @notice The node with this key. Requirements: it is registered.
    function nodeOf(address key) external view returns (Node memory);

    /// @notice The index of the node with this key, 0 where there is none.
    function numberOf(address key) external view returns (uint32);

    /// @notice The key of the node with this index, zero where there is none.
    function keyOf(uint32 number) external view returns (address);

    /// @notice The account that earnings of `period` go to, zero where there is no such node.
    function payoutAt(address key, uint32 period) external view returns (address);

    /// @notice Whether the node has every role in `roles` and at least the stake that they need.
    function isActive(address key, uint8 roles) external view returns (bool);

    /// @notice How many nodes ever registered; indices run from 1 to this.
    function nodeCount() external view returns (uint32);

    /// @notice At most `limit` nodes, from index `from` (1 is the first) upwards.
    function nodes(uint32 from, uint32 limit) external view returns (Node[] memory);
}
