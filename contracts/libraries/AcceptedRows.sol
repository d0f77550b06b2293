// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

/// @title Collecting accepted Statements
/// @notice Writes accepted rows once, in the layout in which they are both hashed for the chunk's
/// commitment and logged, so that a row costs no second copy and no event of its own:
///
///   word 0   chunk
///   word 1   commitment = keccak256(abi.encode(AcceptedRow[])), which are words 2 … of this buffer
///            with 0x20 in word 2
///   word 2   offset of the rows: 0x20 while hashed, 0x60 while logged
///   word 3   number of rows
///   then     signer, amount, vouchersRoot of each row
library AcceptedRows {
    /// @dev keccak256("StatementsAccepted(address,uint32,uint32,bytes32,(address,uint128,bytes32)[])")
    bytes32 private constant TOPIC =
        keccak256("StatementsAccepted(address,uint32,uint32,bytes32,(address,uint128,bytes32)[])");

    /// @notice Where the buffer lies, how many rows are in it, and the sum of their amounts.
    struct Buffer {
        uint256 start;
        uint256 count;
        uint256 sum;
    }

    /// @notice A buffer for at most `capacity` rows.
    function create(uint256 capacity) internal pure returns (Buffer memory buffer) {
        uint256 start;
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, add(0x80, mul(capacity, 0x60))))
        }
        buffer.start = start;
    }

    /// @notice `rows[i]` without the check of bounds, which the loop round it makes.
    function rowAt(IChannelHubTypes.StatementRow[] calldata rows, uint256 i)
        internal
        pure
        returns (IChannelHubTypes.StatementRow calldata row)
    {
        assembly ("memory-safe") {
            row := add(rows.offset, shl(7, i))
        }
    }

    /// @notice A row's amount as it was sent, which may not fit 128 bits: no balance covers it then,
    /// and the row is skipped like any other that asks for too much.
    function rawAmount(IChannelHubTypes.StatementRow calldata row) internal pure returns (uint256 amount) {
        assembly ("memory-safe") {
            amount := calldataload(row)
        }
    }

    /// @notice Add a row. Requirements: fewer than the capacity were added; `amount` was taken from a
    /// balance, so that all of them together stay below the token's supply.
    function add(Buffer memory buffer, address signer, uint256 amount, bytes32 vouchersRoot) internal pure {
        assembly ("memory-safe") {
            let count := mload(add(buffer, 0x20))
            let place := add(add(mload(buffer), 0x80), mul(count, 0x60))
            mstore(place, signer)
            mstore(add(place, 0x20), amount)
            mstore(add(place, 0x40), vouchersRoot)
            mstore(add(buffer, 0x20), add(count, 1))
            mstore(add(buffer, 0x40), add(mload(add(buffer, 0x40)), amount))
        }
    }

    /// @notice The chunk's commitment.
    function commitment(Buffer memory buffer) internal pure returns (bytes32 hash) {
        (uint256 start, uint256 count) = (buffer.start, buffer.count);
        assembly ("memory-safe") {
            mstore(add(start, 0x40), 0x20)
            mstore(add(start, 0x60), count)
            hash := keccak256(add(start, 0x40), add(0x40, mul(count, 0x60)))
        }
    }

    /// @notice Emit {IChannelHub-StatementsAccepted} with the rows.
    function log(Buffer memory buffer, address anchor, uint32 period, uint32 chunk, bytes32 hash) internal {
        (uint256 start, uint256 count) = (buffer.start, buffer.count);
        bytes32 topic = TOPIC;
        assembly ("memory-safe") {
            mstore(start, chunk)
            mstore(add(start, 0x20), hash)
            mstore(add(start, 0x40), 0x60)
            mstore(add(start, 0x60), count)
            log3(start, add(0x80, mul(count, 0x60)), topic, anchor, period)
        }
    }
}
