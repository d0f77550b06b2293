// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {Delegated} from "./Delegated.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @dev The one form of ERC-3009 that the hub uses: only the receiver can send it, and the signature
/// may be a smart account's.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}

/// @title Deposits by signature
/// @dev Part of the hub's extension; see {IChannelHub}.
abstract contract Deposits is Delegated {
    using SafeERC20 for IServiceToken;

    /// @notice See {IChannelHub-openWithPermit}.
    function openWithPermit(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external delegated {
        _createChannel(signer, owner, anchor, amount);
        _takeByPermit(amount, deadline, v, r, s);
    }

    /// @notice See {IChannelHub-topUpWithPermit}.
    function topUpWithPermit(address signer, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        delegated
    {
        _addBalance(signer, msg.sender, amount);
        _takeByPermit(amount, deadline, v, r, s);
    }

    /// @notice See {IChannelHub-openWithAuthorization}.
    function openWithAuthorization(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        Authorization calldata authorization
    ) external delegated {
        _createChannel(signer, owner, anchor, amount);
        _takeByAuthorization(owner, signer, anchor, amount, authorization);
    }

    /// @notice See {IChannelHub-topUpWithAuthorization}.
    function topUpWithAuthorization(
        address signer,
        address payer,
        uint96 amount,
        Authorization calldata authorization
    ) external delegated {
        _addBalance(signer, payer, amount);
        _takeByAuthorization(payer, signer, address(0), amount, authorization);
    }

    /// @dev A permit that was sent ahead by somebody else fails here, and its allowance stands.
    function _takeByPermit(uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) private {
        try IERC20Permit(address(serviceToken))
            .permit(msg.sender, address(this), amount, deadline, v, r, s) {}
            catch {}
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev The nonce binds the payment to this channel.
    function _takeByAuthorization(
        address payer,
        address signer,
        address anchor,
        uint96 amount,
        Authorization calldata authorization
    ) private {
        bytes32 nonce = keccak256(abi.encode(signer, anchor, authorization.salt));
        IReceiveWithAuthorization(address(serviceToken))
            .receiveWithAuthorization(
                payer,
                address(this),
                amount,
                authorization.validAfter,
                authorization.validBefore,
                nonce,
                authorization.signature
            );
    }
}
