// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {HubState} from "./HubState.sol";

/// @title What the hub runs from its extensions' code
abstract contract Extended is IChannelHub, HubState {
    /// @notice Where the extensions' code stands; it never changes.
    address public immutable extension;
    address public immutable claims;

    constructor(address extension_, HubState claims_) {
        extension = extension_;
        claims = address(claims_);
        bytes memory theirs =
            abi.encode(claims_.serviceToken(), claims_.parameters(), claims_.nodes(), claims_.issuers());
        if (keccak256(theirs) != keccak256(abi.encode(serviceToken, parameters, nodes, issuers))) {
            revert ChannelHub_ExtensionMismatch(address(claims_));
        }
    }

    /// @inheritdoc IChannelHub
    function openWithPermit(address, address, address, uint96, uint256, uint8, bytes32, bytes32) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function topUpWithPermit(address, uint96, uint256, uint8, bytes32, bytes32) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function openWithAuthorization(address, address, address, uint96, Authorization calldata) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function topUpWithAuthorization(address, address, uint96, Authorization calldata) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function openLimited(address, address, address, uint96, uint96, uint32) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function limitSigner(address, uint96, uint32) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function setAnchor(address, address) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function rotateSigner(address, address) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function requestWithdrawal(address, uint128) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function withdraw(address) external returns (uint96) {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function close(Close calldata, bytes calldata, bytes calldata) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function postVoucher(address, uint32, DirectClaimRow calldata) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function restoreChunk(address, uint32, uint32, AcceptedRow[] calldata) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function forfeitBond(address, uint32, address, address) external {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function spendCreditOnRent(bytes32, uint32, uint128) external returns (uint128) {
        _extend(extension);
    }

    /// @inheritdoc IChannelHub
    function claimDirect(address, uint32, uint32, PaidLane[] calldata, DirectClaimRow[] calldata) external {
        _extend(claims);
    }

    /// @inheritdoc IChannelHub
    function claim(address, uint32, uint32, Payout calldata, ProofNode[] calldata) external {
        _extend(claims);
    }

    /// @dev The whole call, as it came, in this contract's storage; its answer is the call's.
    function _extend(address code) private {
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
