// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {HubState} from "./HubState.sol";

/// @title What the hub runs from its extension's code
abstract contract Extended is IChannelHub, HubState {
    /// @notice Where the extension's code stands; it never changes.
    address public immutable extension;

    constructor(address extension_) {
        extension = extension_;
    }

    /// @inheritdoc IChannelHub
    function openWithPermit(address, address, address, uint96, uint256, uint8, bytes32, bytes32) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function topUpWithPermit(address, uint96, uint256, uint8, bytes32, bytes32) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function openWithAuthorization(address, address, address, uint96, Authorization calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function topUpWithAuthorization(address, address, uint96, Authorization calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function setAnchor(address, address) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function rotateSigner(address, address) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function requestWithdrawal(address, uint128) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function withdraw(address) external returns (uint96) {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function close(Close calldata, bytes calldata, bytes calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function postVoucher(address, uint32, DirectClaimRow calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function challenge(address, uint32, address, OwedLane[] calldata, PayoutProof calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function challengeOrder(address, uint32, PayoutProof calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function demandPayout(address, uint32, address, OwedLane[] calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function showPayout(address, uint32, address, PayoutProof calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function voidUnshown(address, uint32, address) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function restoreChunk(address, uint32, uint32, AcceptedRow[] calldata) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function forfeitBond(address, uint32, address, address) external {
        _extend();
    }

    /// @inheritdoc IChannelHub
    function spendCreditOnRent(bytes32, uint32, uint128) external returns (uint128) {
        _extend();
    }

    /// @dev The whole call, as it came, in this contract's storage; its answer is the call's.
    function _extend() private {
        address code = extension;
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, 0, calldatasize())
            let succeeded := delegatecall(gas(), code, input, calldatasize(), 0, 0)
            returndatacopy(input, 0, returndatasize())
            if iszero(succeeded) { revert(input, returndatasize()) }
            return(input, returndatasize())
        }
    }
}
