// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @notice What ERC-5169 asks of a token contract.
interface IERC5169 {
    /// @notice The addresses of the token's scripts.
    function scriptURI() external view returns (string[] memory);
}

/// @title Issuer registry
/// @notice See {IIssuerRegistry}. It holds no money.
contract IssuerRegistry is IIssuerRegistry {
    using Checkpoints for Checkpoints.Trace224;

    uint32 private constant NOTICE_PERIODS = 2;
    uint256 private constant LONGEST_URI = 512;

    IParameters public immutable parameters;
    address private immutable _founder;

    address public hub;
    IRentVault public rent;
    mapping(bytes32 tokenClass => TokenClass registered) private _classes;
    /// @dev Payout account by the first period that it holds in.
    mapping(bytes32 tokenClass => Checkpoints.Trace224 payouts) private _payouts;
    mapping(bytes32 tokenClass => address account) private _offers;
    /// @dev Issuer share by the first period that it holds in.
    mapping(bytes32 tokenClass => Checkpoints.Trace224 shares) private _shares;

    constructor(address owner_, IParameters parameters_) {
        _founder = owner_;
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
        if (isRegistered(classIdOf(tokenContract))) {
            revert IssuerRegistry_ClassTaken(classIdOf(tokenContract));
        }
        if (!_speaksFor(tokenContract, msg.sender)) {
            revert IssuerRegistry_NotTokenOwner(tokenContract, msg.sender);
        }
        return _register(tokenContract, payout, issuerShare, scriptUri, scriptHash);
    }

    /// @inheritdoc IIssuerRegistry
    function registerClassByDeployer(
        address tokenContract,
        address payout,
        uint16 issuerShare,
        string calldata scriptUri,
        bytes32 scriptHash,
        uint64 nonce,
        bytes calldata consent
    ) external returns (bytes32 tokenClass) {
        tokenClass = classIdOf(tokenContract);
        if (isRegistered(tokenClass)) revert IssuerRegistry_ClassTaken(tokenClass);
        if (_namesOwner(tokenContract)) revert IssuerRegistry_OwnerKnown(tokenContract);
        bytes32 claim = MessageHashes.hash(ISmartLayerMessages.ClassClaim(tokenContract, msg.sender));
        bytes32 digest = MessageHashes.digest(MessageHashes.domainSeparator(hub), claim);
        (address signer,,) = ECDSA.tryRecover(digest, consent);
        if (signer == address(0) || _created(signer, nonce) != tokenContract) {
            revert IssuerRegistry_NotDeployer(tokenContract, signer, nonce);
        }

        _register(tokenContract, payout, issuerShare, scriptUri, scriptHash);
        _classes[tokenClass].controller = msg.sender;

        emit ClassTransferred(tokenClass, address(0), msg.sender);
    }

    /// @inheritdoc IIssuerRegistry
    function offerClass(bytes32 tokenClass, address controller) external {
        _owned(tokenClass);

        _offers[tokenClass] = controller;

        emit ClassOffered(tokenClass, controller);
    }

    /// @inheritdoc IIssuerRegistry
    function acceptClass(bytes32 tokenClass) external {
        TokenClass storage registered = _existing(tokenClass);
        if (_offers[tokenClass] != msg.sender) revert IssuerRegistry_NotOffered(tokenClass, msg.sender);
        address previous = registered.controller;

        registered.controller = msg.sender;
        delete _offers[tokenClass];

        emit ClassTransferred(tokenClass, previous, msg.sender);
    }

    /// @inheritdoc IIssuerRegistry
    function setIssuerPayout(bytes32 tokenClass, address payout) external {
        _owned(tokenClass);
        if (payout == address(0)) revert IssuerRegistry_ZeroPayout();
        uint32 fromPeriod = parameters.currentPeriod() + 1;

        _payouts[tokenClass].push(fromPeriod, uint160(payout));

        emit IssuerPayoutChanged(tokenClass, payout, fromPeriod);
    }

    /// @inheritdoc IIssuerRegistry
    function setVenues(address hub_, address rent_) external {
        if (msg.sender != _founder || hub != address(0)) revert IssuerRegistry_NotFounder(msg.sender);
        hub = hub_;
        rent = IRentVault(rent_);
        emit VenuesSet(hub_, rent_);
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
    function classOf(bytes32 tokenClass) external view returns (TokenClass memory registered) {
        registered = _existing(tokenClass);
        registered.payout = _payoutAt(tokenClass, parameters.currentPeriod());
    }

    /// @inheritdoc IIssuerRegistry
    function scriptURI(bytes32 tokenClass) external view returns (string[] memory uris) {
        TokenClass storage registered = _existing(tokenClass);
        string[] memory own;
        try this.scriptsOf(registered.tokenContract) returns (string[] memory named) {
            own = named;
        } catch {}
        uris = new string[](own.length + 1);
        uris[0] = registered.scriptUri;
        for (uint256 i; i < own.length; ++i) {
            uris[i + 1] = own[i];
        }
    }

    /// @notice The scripts that a token contract names itself (ERC-5169). Reverts where it names none
    /// in the form of the ERC.
    function scriptsOf(address tokenContract) external view returns (string[] memory) {
        return IERC5169(tokenContract).scriptURI();
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
        address purse = address(rent) == address(0) ? address(0) : rent.purseAt(tokenClass, period);
        payout = purse == address(0) ? _payoutAt(tokenClass, period) : purse;
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

    function _register(
        address tokenContract,
        address payout,
        uint16 issuerShare,
        string calldata scriptUri,
        bytes32 scriptHash
    ) private returns (bytes32 tokenClass) {
        if (payout == address(0)) revert IssuerRegistry_ZeroPayout();
        uint32 period = parameters.currentPeriod();
        _checkShare(issuerShare, period);
        _checkScript(scriptUri, scriptHash);
        tokenClass = classIdOf(tokenContract);

        TokenClass storage registered = _classes[tokenClass];
        registered.tokenContract = tokenContract;
        registered.payout = payout;
        registered.scriptUri = scriptUri;
        registered.scriptHash = scriptHash;
        registered.registeredIn = period;
        _shares[tokenClass].push(period, issuerShare);
        _payouts[tokenClass].push(period, uint160(payout));

        emit ClassRegistered(tokenClass, tokenContract, msg.sender, payout, issuerShare, period);
        emit ScriptPublished(tokenClass, scriptUri, scriptHash);
    }

    function _owned(bytes32 tokenClass) private view returns (TokenClass storage registered) {
        registered = _existing(tokenClass);
        if (registered.controller != msg.sender && !_speaksFor(registered.tokenContract, msg.sender)) {
            revert IssuerRegistry_NotTokenOwner(registered.tokenContract, msg.sender);
        }
    }

    function _payoutAt(bytes32 tokenClass, uint32 period) private view returns (address) {
        return address(uint160(_payouts[tokenClass].upperLookupRecent(period)));
    }

    function _speaksFor(address tokenContract, address account) private view returns (bool) {
        (bool owned, uint256 owner) = _ask(tokenContract, abi.encodeWithSignature("owner()"));
        if (owned && owner == uint160(account)) return true;
        (bool ruled, uint256 yes) = _ask(tokenContract, _adminQuestion(account));
        return ruled && yes == 1;
    }

    /// @dev Whether a contract says itself who owns it, or could say who administers it.
    function _namesOwner(address tokenContract) private view returns (bool) {
        (bool owned, uint256 owner) = _ask(tokenContract, abi.encodeWithSignature("owner()"));
        if (owned && owner != 0) return true;
        (bool ruled,) = _ask(tokenContract, _adminQuestion(address(this)));
        return ruled;
    }

    /// @dev A contract that does not answer with one word does not answer.
    function _ask(address tokenContract, bytes memory question) private view returns (bool, uint256) {
        (bool answered, bytes memory answer) = tokenContract.staticcall(question);
        if (!answered || answer.length != 32) return (false, 0);
        return (true, abi.decode(answer, (uint256)));
    }

    function _adminQuestion(address account) private pure returns (bytes memory) {
        return abi.encodeWithSignature("hasRole(bytes32,address)", bytes32(0), account);
    }

    /// @dev The address that CREATE gives: the last 20 bytes of keccak256(rlp([deployer, nonce])).
    function _created(address deployer, uint64 nonce) private pure returns (address) {
        bytes memory number;
        if (nonce == 0) {
            number = hex"80";
        } else if (nonce < 0x80) {
            number = abi.encodePacked(uint8(nonce));
        } else {
            uint256 length = 1;
            while (nonce >> (8 * length) != 0) ++length;
            number = abi.encodePacked(uint8(0x80 + length));
            for (uint256 i = length; i != 0; --i) {
                number = abi.encodePacked(number, uint8(nonce >> (8 * (i - 1))));
            }
        }
        bytes memory list = abi.encodePacked(uint8(0xc0 + 21 + number.length), uint8(0x94), deployer, number);
        return address(uint160(uint256(keccak256(list))));
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
