// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Periodic roots of journals and feeds
/// @notice Time is cut into slots. Each slot has one anchor on duty, in turn over the active set; if
/// it does not post, the duty passes to the next one after every `patience` seconds, so that one
/// silent anchor delays a root and never prevents it. One root per slot, and none for a slot that
/// went by unposted: the next root covers it.
/// @dev Safety needs: honest anchors post what journals and feeds contain; a false root is disproved
/// off chain, with the signed entries, to the dispute contract. Liveness needs: one active anchor
/// that posts.
interface ICommitments {
    /// @notice A root as it was posted: in block `blockNumber`, over `entries` journals and feeds.
    struct Root {
        bytes32 root;
        address anchor;
        uint64 blockNumber;
        uint32 entries;
    }

    /// @notice An anchor posted the root of `slot`; `missed` anchors before it had let the duty pass.
    event RootPosted(
        uint64 indexed slot,
        address indexed anchor,
        bytes32 root,
        uint32 entries,
        uint64 blockNumber,
        uint32 missed
    );

    /// @notice `anchor` is on duty now, not the caller.
    error Commitments_NotOnDuty(address caller, address anchor);
    /// @notice The slot has its root already.
    error Commitments_AlreadyPosted(uint64 slot);
    /// @notice A root is not zero, and covers something.
    error Commitments_RootInvalid();
    /// @notice Nobody is active now.
    error Commitments_NoAnchors();
    /// @notice A slot has at least 4 seconds, and patience at least one and at most a slot.
    error Commitments_OutOfBounds(uint32 slotLength, uint32 patience);

    /// @notice Post the root of the current slot.
    /// @dev Emits: {RootPosted}.
    ///
    /// Requirements:
    /// - the caller is the key of the anchor on duty;
    /// - the slot has no root yet;
    /// - `root` and `entries` are not zero.
    function post(bytes32 root, uint32 entries) external returns (uint64 slot);

    /// @notice Who is on duty at a time of the current period: the slot, the anchor, and how many
    /// before it have let the duty pass.
    function dutyAt(uint64 timestamp) external view returns (uint64 slot, address anchor, uint32 missed);

    /// @notice The root of a slot; zeros where none was posted.
    function rootOf(uint64 slot) external view returns (Root memory);

    /// @notice The newest slot with a root, 0 where there is none yet.
    function lastSlot() external view returns (uint64);

    /// @notice Seconds per slot.
    function slotLength() external view returns (uint32);

    /// @notice Seconds after which the duty passes on.
    function patience() external view returns (uint32);
}
