// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

/// @title Pages of lanes that were claimed directly
/// @notice What a node's lanes were paid in a period is kept as lists of (lane, amount), in order of
/// lanes, of which storage holds one word each: however many lanes a call claims, it writes one slot.
/// Whoever adds to a list shows it.
///
///   bits   0–47   the highest bits of the list's highest lane
///   bits  48–255  the highest bits of keccak256 of the list, lane and amount after each other
///
/// A page holds the lanes whose highest 48 bits lie above the page before it and not above its own;
/// those above all others belong to the last page, or begin the next one. So every lane has one page,
/// and whoever shows that page shows what the lane was paid, or that it was not.
library ClaimPages {
    uint256 private constant HIGHEST = 208;
    uint256 private constant REST = (1 << HIGHEST) - 1;
    uint256 private constant HASH = ~uint256(type(uint48).max);

    /// @notice A list that grows out of `paid` and new lanes. `place` is where the next entry is
    /// written, `taken` how many of `paid` are; lanes that may come next lie above `floor`, and not
    /// above `highest`.
    struct Merge {
        uint256 start;
        uint256 place;
        uint256 taken;
        uint256 floor;
        uint256 highest;
    }

    /// @notice The word of a page that consists of `paid`, 0 for an empty one.
    function wordOf(IChannelHubTypes.PaidLane[] calldata paid) internal pure returns (uint256 word) {
        if (paid.length == 0) return 0;
        assembly ("memory-safe") {
            let copy := mload(0x40)
            let size := shl(6, paid.length)
            calldatacopy(copy, paid.offset, size)
            word := keccak256(copy, size)
        }
        return word & HASH | uint256(paid[paid.length - 1].lane) >> HIGHEST;
    }

    /// @notice Begin a page of at most `capacity` lanes, behind the page with the word `before`, whose
    /// own word is `bounded`, or 0 where no other page comes behind it.
    function create(uint256 capacity, uint32 page, uint256 before, uint256 bounded)
        internal
        pure
        returns (Merge memory merge)
    {
        uint256 start;
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, shl(6, capacity)))
        }
        (merge.start, merge.place) = (start, start);
        merge.floor = page == 0 ? 0 : before << HIGHEST | REST;
        merge.highest = bounded == 0 ? type(uint256).max : bounded << HIGHEST | REST;
    }

    /// @notice Take over what lies below `lane`; false where the lane does not belong here, or not
    /// behind the last one.
    function seek(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid, bytes32 lane)
        internal
        pure
        returns (bool)
    {
        if (uint256(lane) <= merge.floor || uint256(lane) > merge.highest) return false;
        merge.floor = uint256(lane);
        while (merge.taken < paid.length && paid[merge.taken].lane < lane) _take(merge, paid);
        return true;
    }

    /// @notice What `lane` was paid. Requirements: {seek} found its place.
    function found(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid, bytes32 lane)
        internal
        pure
        returns (uint128)
    {
        return _isNext(merge, paid, lane) ? paid[merge.taken].amount : 0;
    }

    /// @notice `lane` was paid `amount` in all. Requirements: {seek} found its place.
    function put(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid, bytes32 lane, uint128 amount)
        internal
        pure
    {
        if (_isNext(merge, paid, lane)) ++merge.taken;
        _write(merge, lane, amount);
    }

    /// @notice Take over the rest, and return the page's new word.
    function finish(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid)
        internal
        pure
        returns (uint256 word)
    {
        while (merge.taken < paid.length) _take(merge, paid);
        (uint256 start, uint256 place) = (merge.start, merge.place);
        if (start == place) return 0;
        assembly ("memory-safe") {
            word := or(
                and(keccak256(start, sub(place, start)), not(0xffffffffffff)),
                shr(208, mload(sub(place, 0x40)))
            )
        }
    }

    /// @notice How many lanes the list has so far.
    function count(Merge memory merge) internal pure returns (uint256) {
        return (merge.place - merge.start) >> 6;
    }

    function _isNext(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid, bytes32 lane)
        private
        pure
        returns (bool)
    {
        return merge.taken < paid.length && paid[merge.taken].lane == lane;
    }

    function _take(Merge memory merge, IChannelHubTypes.PaidLane[] calldata paid) private pure {
        IChannelHubTypes.PaidLane calldata known = paid[merge.taken];
        ++merge.taken;
        _write(merge, known.lane, known.amount);
    }

    function _write(Merge memory merge, bytes32 lane, uint128 amount) private pure {
        uint256 place = merge.place;
        assembly ("memory-safe") {
            mstore(place, lane)
            mstore(add(place, 0x20), amount)
        }
        merge.place = place + 0x40;
    }
}
