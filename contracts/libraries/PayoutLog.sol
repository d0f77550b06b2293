// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

/// @title Logging proved payouts
/// @notice Emits {IChannelHub-PayoutsDistributed} by copying the call's own bytes: they were read,
/// and with it checked, when the payouts were proved.
library PayoutLog {
    bytes32 private constant TOPIC =
        keccak256("PayoutsDistributed(address,uint32,uint32,(address,uint128)[])");

    /// @notice Emit the event. Requirements: each payout was read before.
    function log(address anchor, uint32 period, uint32 firstIndex, IChannelHubTypes.Payout[] calldata payouts)
        internal
    {
        bytes32 topic = TOPIC;
        assembly ("memory-safe") {
            let start := mload(0x40)
            let size := shl(6, payouts.length)
            mstore(start, firstIndex)
            mstore(add(start, 0x20), 0x40)
            mstore(add(start, 0x40), payouts.length)
            calldatacopy(add(start, 0x60), payouts.offset, size)
            log3(start, add(0x60, size), topic, anchor, period)
        }
    }
}
