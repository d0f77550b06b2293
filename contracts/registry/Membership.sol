// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {RegistryState} from "./RegistryState.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Who a node is: registration, and how its accounts and keys change
abstract contract Membership is RegistryState {
    using Checkpoints for Checkpoints.Trace224;
    using SafeERC20 for IERC20;

    uint8 private constant ALL_ROLES = ROLE_SERVICE | ROLE_ANCHOR;
    uint256 private constant LONGEST_URL = 256;

    /// @inheritdoc INodeRegistry
    function register(
        address key,
        address payout,
        uint8 roles,
        string calldata apiUrl,
        string calldata linkUrl,
        uint128 stakeAmount,
        bytes calldata keyProof
    ) external unlessPaused returns (uint32 number) {
        _checkNewKey(key);
        if (roles == 0 || roles & ~ALL_ROLES != 0) revert NodeRegistry_UnknownRoles(roles);
        if (payout == address(0)) revert NodeRegistry_ZeroPayout();
        _checkUrl(apiUrl);
        _checkUrl(linkUrl);
        _checkStake(roles, stakeAmount);
        _checkKeyProof(key, keyProof);

        number = ++nodeCount;
        _records[key] = KeyRecord(number, false, payout, parameters.currentPeriod());
        _keys[number].push(0, uint160(key));
        _payouts[number].push(0, uint160(payout));
        if (roles & ROLE_ANCHOR != 0) _anchors.push(number);
        Member storage member = _members[number];
        member.operator = msg.sender;
        member.roles = roles;
        member.stake = stakeAmount;
        member.apiUrl = apiUrl;
        member.linkUrl = linkUrl;

        emit NodeRegistered(key, msg.sender, number, payout, roles, apiUrl, linkUrl, stakeAmount);
        _reweigh(number, member, 0);
        stakeToken.safeTransferFrom(msg.sender, address(this), stakeAmount);
    }

    /// @inheritdoc INodeRegistry
    function updateUrls(address key, string calldata apiUrl, string calldata linkUrl) external {
        (, Member storage member) = _operated(key);
        _checkUrl(apiUrl);
        _checkUrl(linkUrl);

        member.apiUrl = apiUrl;
        member.linkUrl = linkUrl;

        emit UrlsUpdated(key, apiUrl, linkUrl);
    }

    /// @inheritdoc INodeRegistry
    function rotateKey(address key, address newKey, bytes calldata keyProof) external {
        (uint32 number,) = _operated(key);
        _checkNewKey(newKey);
        _checkKeyProof(newKey, keyProof);
        uint32 fromPeriod = parameters.currentPeriod() + 1;

        _records[newKey] = KeyRecord(number, true, address(0), fromPeriod);
        _records[_keyAt(number, 0)].changed = true;
        _keys[number].push(fromPeriod, uint160(newKey));

        emit KeyRotated(_keyAt(number, fromPeriod - 1), newKey, fromPeriod);
    }

    /// @inheritdoc INodeRegistry
    function offerOperator(address key, address operator) external {
        (, Member storage member) = _operated(key);

        member.offeredTo = operator;

        emit OperatorOffered(key, operator);
    }

    /// @inheritdoc INodeRegistry
    function acceptOperator(address key) external {
        (, Member storage member) = _existing(key);
        if (msg.sender != member.offeredTo) revert NodeRegistry_NotOffered(key, msg.sender);
        address from = member.operator;

        member.operator = msg.sender;
        member.offeredTo = address(0);

        emit OperatorChanged(key, from, msg.sender);
        votes.move(from, msg.sender, _weight(member));
    }

    /// @inheritdoc INodeRegistry
    function setPayout(address key, address payout) external {
        (uint32 number,) = _operated(key);
        if (payout == address(0)) revert NodeRegistry_ZeroPayout();
        uint32 fromPeriod = parameters.currentPeriod() + 1;

        _payouts[number].push(fromPeriod, uint160(payout));
        _records[_keyAt(number, 0)].changed = true;

        emit PayoutChanged(key, payout, fromPeriod);
    }

    function _checkNewKey(address key) private view {
        uint32 number = _records[key].number;
        if (number != 0) revert NodeRegistry_KeyTaken(key, _members[number].operator);
    }

    function _checkUrl(string calldata url) private pure {
        uint256 length = bytes(url).length;
        if (length == 0 || length > LONGEST_URL) revert NodeRegistry_UrlInvalid(length);
    }

    function _checkKeyProof(address key, bytes calldata keyProof) private view {
        if (hub == address(0)) revert NodeRegistry_HubNotSet();
        bytes32 structHash = MessageHashes.hash(ISmartLayerMessages.KeyProof(msg.sender, key));
        bytes32 digest = MessageHashes.digest(MessageHashes.domainSeparator(hub), structHash);
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, keyProof);
        if (problem != ECDSA.RecoverError.NoError || signer != key) {
            revert NodeRegistry_KeyProofInvalid(key, msg.sender);
        }
    }
}
