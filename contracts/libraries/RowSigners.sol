// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";
import {MessageHashes} from "./MessageHashes.sol";

/// @title Who signed the rows of a batch
/// @notice What all rows of a call share is laid out in memory once; a row only fills in its own
/// fields, so that a signature costs little more than its recovery. Hashes are those of
/// {MessageHashes}; the tests sign with the one and check with the other.
///
/// A template, from its start:
///
///   0x000  up to seven words: type hash and fields of the struct
///   0x0e0  0x1901 and the domain separator, the struct's hash behind them (66 bytes)
///   0x140  input of the recovery: digest, v, r, s
library RowSigners {
    uint256 private constant SIZE = 0x1c0;
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice A template for the Statements of one anchor and period.
    function forStatements(bytes32 separator, address anchor, uint32 period)
        internal
        pure
        returns (uint256 template)
    {
        template = _create(separator);
        bytes32 typeHash = MessageHashes.STATEMENT_TYPEHASH;
        assembly ("memory-safe") {
            mstore(template, typeHash)
            mstore(add(template, 0x20), anchor)
            mstore(add(template, 0x40), period)
        }
    }

    /// @notice A template for the Vouchers and Acknowledgements of one node and period.
    function forLanes(bytes32 separator, address node, uint32 period)
        internal
        pure
        returns (uint256 template)
    {
        template = _create(separator);
        assembly ("memory-safe") {
            mstore(add(template, 0x40), period)
            mstore(add(template, 0x60), node)
        }
    }

    /// @notice The key that signed a Statement, zero where none did.
    function ofStatement(uint256 template, IChannelHubTypes.StatementRow calldata row)
        internal
        view
        returns (address)
    {
        assembly ("memory-safe") {
            calldatacopy(add(template, 0x60), row, 0x40) // amount, vouchersRoot
        }
        return _recover(template, 0xa0, row.r, row.vs);
    }

    /// @notice The key that signed a lane's Voucher, zero where none did.
    function ofVoucher(uint256 template, IChannelHubTypes.DirectClaimRow calldata row)
        internal
        view
        returns (address)
    {
        bytes32 typeHash = MessageHashes.VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            mstore(template, typeHash)
            calldatacopy(add(template, 0x20), row, 0x20) // signer
            calldatacopy(add(template, 0x80), add(row, 0x20), 0x40) // tokenClass, cumulative
        }
        return _recover(template, 0xc0, row.voucherR, row.voucherVs);
    }

    /// @notice The key that signed a lane's Acknowledgement, zero where none did.
    /// Requirements: {ofVoucher} was called for the same row before.
    function ofAcknowledgement(uint256 template, IChannelHubTypes.DirectClaimRow calldata row)
        internal
        view
        returns (address)
    {
        bytes32 typeHash = MessageHashes.ACKNOWLEDGEMENT_TYPEHASH;
        assembly ("memory-safe") {
            mstore(template, typeHash)
            calldatacopy(add(template, 0xa0), add(row, 0x60), 0x40) // acknowledged, leaseCap
        }
        return _recover(template, 0xe0, row.acknowledgementR, row.acknowledgementVs);
    }

    /// @notice The key that signed the Acknowledgement of an owed lane, zero where none did.
    function ofOwedLane(uint256 template, IChannelHubTypes.OwedLane calldata lane)
        internal
        view
        returns (address)
    {
        bytes32 typeHash = MessageHashes.ACKNOWLEDGEMENT_TYPEHASH;
        assembly ("memory-safe") {
            mstore(template, typeHash)
            calldatacopy(add(template, 0x20), lane, 0x20) // signer
            calldatacopy(add(template, 0x80), add(lane, 0x20), 0x60) // tokenClass, acknowledged, leaseCap
        }
        return _recover(template, 0xe0, lane.r, lane.vs);
    }

    function _create(bytes32 separator) private pure returns (uint256 template) {
        assembly ("memory-safe") {
            template := mload(0x40)
            mstore(0x40, add(template, SIZE))
            mstore(add(template, 0xe0), hex"1901")
            mstore(add(template, 0xe2), separator)
        }
    }

    /// @dev A compact signature (EIP-2098) over the template's first `length` bytes.
    function _recover(uint256 template, uint256 length, bytes32 r, bytes32 vs)
        private
        view
        returns (address signer)
    {
        assembly ("memory-safe") {
            let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
            if iszero(gt(s, HALF_ORDER)) {
                mstore(add(template, 0x102), keccak256(template, length))
                let input := add(template, 0x140)
                mstore(input, keccak256(add(template, 0xe0), 66))
                mstore(add(input, 0x20), add(shr(255, vs), 27))
                mstore(add(input, 0x40), r)
                mstore(add(input, 0x60), s)
                mstore(0x00, 0)
                pop(staticcall(gas(), 1, input, 0x80, 0x00, 0x20))
                signer := mload(0x00)
            }
        }
    }
}
