// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Issuer registry
/// @notice See {IIssuerRegistry}. It holds no money.
contract IssuerRegistry is IIssuerRegistry {
    using Checkpoints for Checkpoints.Trace224;

    uint32 private constant NOTICE_PERIODS = 2;
    uint256 private constant LONGEST_URI = 512;

    IParameters public immutable parameters;

    mapping(bytes32 tokenClass => TokenClass registered) private _classes;
    /// @dev Issuer share by the first period that it holds in.
    mapping(bytes32 tokenClass => Checkpoints.Trace224 shares) private _shares;

    constructor(IParameters parameters_) {
        parameters = parameters_;
    }

    /// @inheritdoc IIssuerRegistry
    function registerClass(
        address tokenContract,
        address payout,
        uint16 issuerShare,
        string calldata scriptUri,
        bytes32 scriptHash
    ) external returns (bytes32 tokenClass) {
        tokenClass = classIdOf(tokenContract);
        if (isRegistered(tokenClass)) revert IssuerRegistry_ClassTaken(tokenClass);
        _checkOwner(tokenContract);
        if (payout == address(0)) revert IssuerRegistry_ZeroPayout();
        uint32 period = parameters.currentPeriod();
        _checkShare(issuerShare, period);
        _checkScript(scriptUri, scriptHash);

        _classes[tokenClass] = TokenClass(tokenContract, payout, scriptUri, scriptHash, period);
        _shares[tokenClass].push(period, issuerShare);

        emit ClassRegistered(tokenClass, tokenContract, msg.sender, payout, issuerShare, period);
        emit ScriptPublished(tokenClass, scriptUri, scriptHash);
    }

    /// @inheritdoc IIssuerRegistry
    function publishScript(bytes32 tokenClass, string calldata scriptUri, bytes32 scriptHash) external {
        TokenClass storage registered = _owned(tokenClass);
        _checkScript(scriptUri, scriptHash);

        registered.scriptUri = scriptUri;
        registered.scriptHash = scriptHash;

        emit ScriptPublished(tokenClass, scriptUri, scriptHash);
    }

    /// @inheritdoc IIssuerRegistry
    function scheduleShare(bytes32 tokenClass, uint16 issuerShare) external returns (uint32 fromPeriod) {
        _owned(tokenClass);
        fromPeriod = parameters.currentPeriod() + NOTICE_PERIODS;
        _checkShare(issuerShare, fromPeriod);

        _shares[tokenClass].push(fromPeriod, issuerShare);

        emit ShareScheduled(tokenClass, issuerShare, fromPeriod);
    }

    /// @inheritdoc IIssuerRegistry
    function classOf(bytes32 tokenClass) external view returns (TokenClass memory) {
        return _existing(tokenClass);
    }

    /// @inheritdoc IIssuerRegistry
    /// @dev A share that was allowed when it was set is cut to the maximum of the period asked for.
    function revenueAt(bytes32 tokenClass, uint32 period)
        external
        view
        returns (address payout, uint16 issuerShare)
    {
        TokenClass storage registered = _classes[tokenClass];
        if (registered.tokenContract == address(0) || period < registered.registeredIn) {
            return (address(0), 0);
        }
        uint16 maximum = parameters.termsAt(period).maximumIssuerShare;
        issuerShare = uint16(_shares[tokenClass].upperLookupRecent(period));
        if (issuerShare > maximum) issuerShare = maximum;
        payout = registered.payout;
    }

    /// @inheritdoc IIssuerRegistry
    function classIdOf(address tokenContract) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, tokenContract));
    }

    /// @inheritdoc IIssuerRegistry
    function isRegistered(bytes32 tokenClass) public view returns (bool) {
        return _classes[tokenClass].tokenContract != address(0);
    }

    function _existing(bytes32 tokenClass) private view returns (TokenClass storage registered) {
        registered = _classes[tokenClass];
        if (registered.tokenContract == address(0)) revert IssuerRegistry_UnknownClass(tokenClass);
    }

    function _owned(bytes32 tokenClass) private view returns (TokenClass storage registered) {
        registered = _existing(tokenClass);
        _checkOwner(registered.tokenContract);
    }

    /// @dev A contract without a readable `owner()` has none, as far as this registry can tell.
    function _checkOwner(address tokenContract) private view {
        (bool answered, bytes memory answer) = tokenContract.staticcall(abi.encodeWithSignature("owner()"));
        bool owned = answered && answer.length == 32 && abi.decode(answer, (uint256)) == uint160(msg.sender);
        if (!owned) revert IssuerRegistry_NotTokenOwner(tokenContract, msg.sender);
    }

    function _checkShare(uint16 share, uint32 period) private view {
        uint16 maximum = parameters.termsAt(period).maximumIssuerShare;
        if (share > maximum) revert IssuerRegistry_ShareTooHigh(share, maximum);
    }

    function _checkScript(string calldata scriptUri, bytes32 scriptHash) private pure {
        uint256 length = bytes(scriptUri).length;
        if (length == 0 || length > LONGEST_URI || scriptHash == 0) {
            revert IssuerRegistry_ScriptInvalid(length, scriptHash);
        }
    }
}
