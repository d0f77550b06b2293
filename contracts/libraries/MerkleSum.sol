// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";

/// @title Merkle-sum trees
/// @notice A tree whose every node carries the sum of the amounts below it:
///
///   payout leaf   keccak256(0x00 | account (20 bytes) | amount (16 bytes, big-endian))
///   lane leaf     keccak256(0x00 | laneId (32 bytes) | amount (16 bytes, big-endian)),
///                 laneId = keccak256(abi.encode(node, tokenClass))
///   inner node    keccak256(0x01 | leftHash | leftSum (16) | rightHash | rightSum (16)),
///                 its sum is leftSum + rightSum
///
/// Levels pair from the left; an odd last node is carried up unchanged. The root is (hash, sum).
/// The three preimages have 37, 49 and 97 bytes, so none can stand for another. As sums are hashed
/// and added on every step, all leaves that can be proved together never exceed the root's sum.
library MerkleSum {
    /// @notice Hash of the leaf that pays `amount` to `account`.
    function payoutLeaf(address account, uint128 amount) internal pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            // Byte 0 is the tag 0x00, bytes 1 to 20 the account, bytes 21 to 36 the amount; the
            // shifts to the left drop whatever lies above a value's own bits.
            mstore(0x00, or(shr(8, shl(96, account)), shr(168, shl(128, amount))))
            mstore(0x20, shl(216, amount))
            leaf := keccak256(0x00, 37)
        }
    }

    /// @notice Hash of the leaf of lane (node, tokenClass) with `amount` in it.
    function laneLeaf(address node, bytes32 tokenClass, uint128 amount) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), keccak256(abi.encode(node, tokenClass)), amount));
    }

    /// @notice Hash of the inner node over a left and a right one.
    function parent(bytes32 leftHash, uint128 leftSum, bytes32 rightHash, uint128 rightSum)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore8(p, 1)
            mstore(add(p, 1), leftHash)
            mstore(add(p, 33), shl(128, leftSum))
            mstore(add(p, 49), rightHash)
            mstore(add(p, 81), shl(128, rightSum))
            hash := keccak256(p, 97)
        }
    }

    /// @notice The leaves of payouts, ready for {verify}.
    function leavesOf(IChannelHub.Payout[] calldata payouts)
        internal
        pure
        returns (IChannelHub.ProofNode[] memory nodes)
    {
        nodes = new IChannelHub.ProofNode[](payouts.length);
        for (uint256 i; i < payouts.length; ++i) {
            IChannelHub.Payout calldata payout = payouts[i];
            nodes[i].hash = payoutLeaf(payout.account, payout.amount);
            nodes[i].sum = payout.amount;
        }
    }

    /// @dev A range of one level: its first index, its length, the level's size, siblings used.
    struct Range {
        uint256 first;
        uint256 count;
        uint256 size;
        uint256 used;
    }

    /// @notice Whether `nodes`, which start at index `first` of a tree with `size` leaves, lead with
    /// `siblings` to (`root`, `rootSum`). The order of siblings is that of
    /// {IChannelHub-distribute}. Overwrites `nodes`.
    function verify(
        IChannelHub.ProofNode[] memory nodes,
        uint256 first,
        uint256 size,
        IChannelHub.ProofNode[] calldata siblings,
        bytes32 root,
        uint128 rootSum
    ) internal pure returns (bool) {
        Range memory range = Range(first, nodes.length, size, 0);
        if (range.count == 0 || first + range.count > size) return false;
        while (range.size > 1) {
            if (!_climb(nodes, range, siblings)) return false;
        }
        return range.used == siblings.length && nodes[0].hash == root && nodes[0].sum == rootSum;
    }

    /// @dev One level up, in place; false where siblings run out or a sum overflows.
    function _climb(
        IChannelHub.ProofNode[] memory nodes,
        Range memory range,
        IChannelHub.ProofNode[] calldata siblings
    ) private pure returns (bool) {
        uint256 read;
        uint256 written;
        if (range.first & 1 == 1) {
            if (range.used == siblings.length) return false;
            if (!_join(nodes[0], siblings[range.used++], nodes[0])) return false;
            (read, written) = (1, 1);
        }
        uint256 count = range.count;
        for (; read + 1 < count; read += 2) {
            if (!_join(nodes[written++], nodes[read], nodes[read + 1])) return false;
        }
        if (read < count) {
            if (range.first + count == range.size) {
                IChannelHub.ProofNode memory carried = nodes[read];
                (nodes[written].hash, nodes[written].sum) = (carried.hash, carried.sum);
            } else {
                if (range.used == siblings.length) return false;
                if (!_join(nodes[written], nodes[read], siblings[range.used++])) return false;
            }
            ++written;
        }
        range.first >>= 1;
        range.count = written;
        range.size = (range.size + 1) >> 1;
        return true;
    }

    /// @dev Write the parent of `left` and `right` to `target`, which may be either of them.
    function _join(
        IChannelHub.ProofNode memory target,
        IChannelHub.ProofNode memory left,
        IChannelHub.ProofNode memory right
    ) private pure returns (bool) {
        unchecked {
            uint128 sum = left.sum + right.sum;
            if (sum < left.sum) return false;
            target.hash = parent(left.hash, left.sum, right.hash, right.sum);
            target.sum = sum;
            return true;
        }
    }
}
