// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

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
    /// @dev A range of one level: where its nodes lie in memory, 64 bytes each (hash, sum), its first
    /// index, its length, the level's size, siblings used.
    struct Range {
        uint256 nodes;
        uint256 first;
        uint256 count;
        uint256 size;
        uint256 used;
    }

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
        returns (bytes32)
    {
        return _parent(uint256(leftHash), leftSum, uint256(rightHash), rightSum);
    }

    /// @notice Whether `payouts` stand at index `first` and on in the tree with `size` leaves and root
    /// (`root`, `rootSum`). The order of `siblings` is that of {IChannelHub-distribute}.
    function verify(
        IChannelHubTypes.Payout[] calldata payouts,
        uint256 first,
        uint256 size,
        IChannelHubTypes.ProofNode[] calldata siblings,
        bytes32 root,
        uint128 rootSum
    ) internal pure returns (bool) {
        if (payouts.length == 0 || first + payouts.length > size) return false;
        Range memory range = Range(_leaves(payouts), first, payouts.length, size, 0);
        return _leads(range, siblings, root, rootSum);
    }

    /// @notice Whether one payout stands at index `index` of the tree; otherwise as {verify}.
    function verifyOne(
        IChannelHubTypes.Payout calldata payout,
        uint256 index,
        uint256 size,
        IChannelHubTypes.ProofNode[] calldata siblings,
        bytes32 root,
        uint128 rootSum
    ) internal pure returns (bool) {
        if (index >= size) return false;
        (uint256 hash, uint256 sum) = (uint256(payoutLeaf(payout.account, payout.amount)), payout.amount);
        bool fits;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore8(scratch, 1)
            let sibling := siblings.offset
            let sums := 0
            for {} gt(size, 1) { size := shr(1, add(size, 1)) } {
                // The last node of an odd level is carried up; every other has a sibling. What is read
                // behind the last sibling is found out at the end, as is a sum that does not fit.
                if lt(xor(index, 1), size) {
                    let besideSum := calldataload(add(sibling, 0x20))
                    // As in {_parent}: each store overwrites the half of a word that is not the sum.
                    switch and(index, 1)
                    case 0 {
                        mstore(add(scratch, 1), hash)
                        mstore(add(scratch, 33), shl(128, sum))
                        calldatacopy(add(scratch, 49), sibling, 0x20)
                        mstore(add(scratch, 81), shl(128, besideSum))
                    }
                    default {
                        calldatacopy(add(scratch, 1), sibling, 0x20)
                        mstore(add(scratch, 33), shl(128, besideSum))
                        mstore(add(scratch, 49), hash)
                        mstore(add(scratch, 81), shl(128, sum))
                    }
                    hash := keccak256(scratch, 97)
                    sum := add(sum, besideSum)
                    sums := or(sums, besideSum)
                    sibling := add(sibling, 0x40)
                }
                index := shr(1, index)
            }
            let end := add(siblings.offset, shl(6, siblings.length))
            fits := and(eq(sibling, end), iszero(shr(128, sums)))
        }
        return fits && hash == uint256(root) && sum == rootSum;
    }

    function _leads(
        Range memory range,
        IChannelHubTypes.ProofNode[] calldata siblings,
        bytes32 root,
        uint128 rootSum
    ) private pure returns (bool) {
        while (range.size > 1) {
            if (!_climb(range, siblings)) return false;
        }
        (uint256 hash, uint256 sum) = _get(range.nodes);
        return range.used == siblings.length && hash == uint256(root) && sum == rootSum;
    }

    /// @dev One level up, in place; false where siblings run out.
    function _climb(Range memory range, IChannelHubTypes.ProofNode[] calldata siblings)
        private
        pure
        returns (bool)
    {
        unchecked {
            uint256 read = range.nodes;
            uint256 write = read;
            uint256 end = read + (range.count << 6);
            if (range.first & 1 == 1) {
                if (range.used == siblings.length) return false;
                (uint256 hash, uint256 sum) = _get(read);
                IChannelHubTypes.ProofNode calldata left = siblings[range.used++];
                _join(write, uint256(left.hash), left.sum, hash, sum);
                read += 0x40;
                write += 0x40;
            }
            for (; read + 0x40 < end; read += 0x80) {
                (uint256 leftHash, uint256 leftSum) = _get(read);
                (uint256 rightHash, uint256 rightSum) = _get(read + 0x40);
                _join(write, leftHash, leftSum, rightHash, rightSum);
                write += 0x40;
            }
            if (read < end) {
                (uint256 hash, uint256 sum) = _get(read);
                if (range.first + range.count == range.size) {
                    _put(write, hash, sum);
                } else {
                    if (range.used == siblings.length) return false;
                    IChannelHubTypes.ProofNode calldata right = siblings[range.used++];
                    _join(write, hash, sum, uint256(right.hash), right.sum);
                }
                write += 0x40;
            }
            range.first >>= 1;
            range.count = (write - range.nodes) >> 6;
            range.size = (range.size + 1) >> 1;
            return true;
        }
    }

    /// @dev The leaves of `payouts`, one after the other.
    function _leaves(IChannelHubTypes.Payout[] calldata payouts) private pure returns (uint256 nodes) {
        unchecked {
            nodes = _reserve(payouts.length);
            for (uint256 i; i < payouts.length; ++i) {
                IChannelHubTypes.Payout calldata payout = payouts[i];
                uint128 amount = payout.amount;
                _put(nodes + (i << 6), uint256(payoutLeaf(payout.account, amount)), amount);
            }
        }
    }

    function _reserve(uint256 count) private pure returns (uint256 nodes) {
        assembly ("memory-safe") {
            nodes := mload(0x40)
            mstore(0x40, add(nodes, shl(6, count)))
        }
    }

    function _get(uint256 place) private pure returns (uint256 hash, uint256 sum) {
        assembly ("memory-safe") {
            hash := mload(place)
            sum := mload(add(place, 0x20))
        }
    }

    function _put(uint256 place, uint256 hash, uint256 sum) private pure {
        assembly ("memory-safe") {
            mstore(place, hash)
            mstore(add(place, 0x20), sum)
        }
    }

    /// @dev Write the parent to `place`. Sums are added in 256 bits, where no tree can make them
    /// wrap: one that passes 128 bits stays larger than any root's.
    function _join(uint256 place, uint256 leftHash, uint256 leftSum, uint256 rightHash, uint256 rightSum)
        private
        pure
    {
        unchecked {
            _put(place, uint256(_parent(leftHash, leftSum, rightHash, rightSum)), leftSum + rightSum);
        }
    }

    /// @dev Beyond the free memory pointer is scratch for the 97 bytes: each store overwrites the
    /// half of a sum's word that is not the sum.
    function _parent(uint256 leftHash, uint256 leftSum, uint256 rightHash, uint256 rightSum)
        private
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
}
