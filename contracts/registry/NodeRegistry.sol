// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Node registry
/// @notice See {INodeRegistry}. Holds Stake Tokens: its balance is the sum of all nodes' stake and
/// thawing stake.
contract NodeRegistry is INodeRegistry, Ownable2Step {
    using SafeERC20 for IERC20;

    uint8 public constant ROLE_SERVICE = 1;
    uint8 public constant ROLE_ANCHOR = 2;
    uint8 private constant ALL_ROLES = ROLE_SERVICE | ROLE_ANCHOR;
    uint256 private constant LONGEST_URL = 256;

    struct Member {
        address operator;
        uint32 number;
        uint8 roles;
        address payout;
        uint128 stake;
        uint128 locked;
        uint128 thawing;
        uint64 thawedAt;
        string apiUrl;
        string linkUrl;
    }

    IERC20 public immutable stakeToken;
    IParameters public immutable parameters;

    /// @inheritdoc INodeRegistry
    address public hub;
    mapping(address key => Member member) private _members;
    /// @dev Index 0 is nobody, so that a number of 0 means "not registered".
    address[] private _keys;

    constructor(address owner_, IERC20 stakeToken_, IParameters parameters_) Ownable(owner_) {
        stakeToken = stakeToken_;
        parameters = parameters_;
        _keys.push(address(0));
    }

    modifier onlyHub() {
        if (msg.sender != hub || hub == address(0)) revert NodeRegistry_NotHub(msg.sender);
        _;
    }

    /// @inheritdoc INodeRegistry
    function register(
        address key,
        address payout,
        uint8 roles,
        string calldata apiUrl,
        string calldata linkUrl,
        uint128 stakeAmount,
        bytes calldata keyProof
    ) external returns (uint32 number) {
        Member storage member = _members[key];
        if (member.number != 0) revert NodeRegistry_KeyTaken(key, member.operator);
        if (roles == 0 || roles & ~ALL_ROLES != 0) revert NodeRegistry_UnknownRoles(roles);
        if (payout == address(0)) revert NodeRegistry_ZeroPayout();
        _checkUrl(apiUrl);
        _checkUrl(linkUrl);
        _checkStake(roles, stakeAmount);
        _checkKeyProof(key, keyProof);

        number = uint32(_keys.length);
        _keys.push(key);
        member.operator = msg.sender;
        member.number = number;
        member.roles = roles;
        member.payout = payout;
        member.stake = stakeAmount;
        member.apiUrl = apiUrl;
        member.linkUrl = linkUrl;

        emit NodeRegistered(key, msg.sender, number, payout, roles, apiUrl, linkUrl, stakeAmount);
        stakeToken.safeTransferFrom(msg.sender, address(this), stakeAmount);
    }

    /// @inheritdoc INodeRegistry
    function addStake(address key, uint128 amount) external {
        Member storage member = _existing(key);
        if (amount == 0) revert NodeRegistry_AmountInvalid(0, type(uint128).max);
        uint128 stake = member.stake + amount;
        _checkStake(member.roles, stake);

        member.stake = stake;

        emit StakeAdded(key, amount, stake);
        stakeToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc INodeRegistry
    function requestThaw(address key, uint128 amount) external {
        _thaw(key, _operated(key), amount);
    }

    /// @inheritdoc INodeRegistry
    function leave(address key) external {
        Member storage member = _operated(key);
        _thaw(key, member, member.stake);
    }

    /// @inheritdoc INodeRegistry
    function withdrawThawed(address key) external {
        Member storage member = _operated(key);
        uint128 amount = member.thawing;
        if (amount == 0) revert NodeRegistry_AmountInvalid(0, 0);
        if (block.timestamp < member.thawedAt) revert NodeRegistry_StillThawing(member.thawedAt);
        if (member.stake < member.locked) {
            revert NodeRegistry_BondNotCovered(key, member.locked, member.stake);
        }

        member.thawing = 0;
        member.thawedAt = 0;

        emit ThawWithdrawn(key, msg.sender, amount);
        stakeToken.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function updateUrls(address key, string calldata apiUrl, string calldata linkUrl) external {
        Member storage member = _operated(key);
        _checkUrl(apiUrl);
        _checkUrl(linkUrl);

        member.apiUrl = apiUrl;
        member.linkUrl = linkUrl;

        emit UrlsUpdated(key, apiUrl, linkUrl);
    }

    /// @inheritdoc INodeRegistry
    function lockBond(address key, uint128 amount) external onlyHub {
        Member storage member = _existing(key);
        uint128 free = member.stake + member.thawing - member.locked;
        if (amount > free) revert NodeRegistry_BondNotCovered(key, amount, free);
        uint128 locked = member.locked + amount;

        member.locked = locked;

        emit BondLocked(key, amount, locked);
    }

    /// @inheritdoc INodeRegistry
    function unlockBond(address key, uint128 amount) external onlyHub {
        Member storage member = _existing(key);
        if (amount > member.locked) revert NodeRegistry_AmountInvalid(amount, member.locked);
        uint128 locked = member.locked - amount;

        member.locked = locked;

        emit BondUnlocked(key, amount, locked);
    }

    /// @inheritdoc INodeRegistry
    function setHub(address hub_) external onlyOwner {
        if (hub != address(0)) revert NodeRegistry_HubAlreadySet(hub);
        hub = hub_;
        emit HubSet(hub_);
    }

    /// @inheritdoc INodeRegistry
    function nodeOf(address key) external view returns (Node memory) {
        _existing(key);
        return _view(key);
    }

    /// @inheritdoc INodeRegistry
    function numberOf(address key) external view returns (uint32) {
        return _members[key].number;
    }

    /// @inheritdoc INodeRegistry
    function keyOf(uint32 number) external view returns (address) {
        return number < _keys.length ? _keys[number] : address(0);
    }

    /// @inheritdoc INodeRegistry
    /// @dev A node's payout account is the one that it registered with, in every period.
    function payoutAt(address key, uint32) external view returns (address) {
        return _members[key].payout;
    }

    /// @inheritdoc INodeRegistry
    function isActive(address key, uint8 roles) external view returns (bool) {
        Member storage member = _members[key];
        if (member.number == 0 || roles == 0 || member.roles & roles != roles) return false;
        return member.stake >= _minimumStake(member.roles);
    }

    /// @inheritdoc INodeRegistry
    function nodeCount() external view returns (uint32) {
        return uint32(_keys.length - 1);
    }

    /// @inheritdoc INodeRegistry
    function nodes(uint32 from, uint32 limit) external view returns (Node[] memory page) {
        uint256 start = from == 0 ? 1 : from;
        uint256 end = start + limit;
        if (end > _keys.length) end = _keys.length;
        if (start >= end) return page;
        page = new Node[](end - start);
        for (uint256 i = start; i < end; ++i) {
            page[i - start] = _view(_keys[i]);
        }
    }

    function _thaw(address key, Member storage member, uint128 amount) private {
        if (amount == 0 || amount > member.stake) revert NodeRegistry_AmountInvalid(amount, member.stake);
        uint128 stake = member.stake - amount;
        if (stake != 0) _checkStake(member.roles, stake);
        uint128 thawing = member.thawing + amount;
        uint64 thawedAt = uint64(block.timestamp) + _currentTerms().thawTime;

        member.stake = stake;
        member.thawing = thawing;
        member.thawedAt = thawedAt;

        emit ThawRequested(key, amount, stake, thawing, thawedAt);
        if (stake == 0) emit NodeLeft(key);
    }

    function _existing(address key) private view returns (Member storage member) {
        member = _members[key];
        if (member.number == 0) revert NodeRegistry_UnknownNode(key);
    }

    function _operated(address key) private view returns (Member storage member) {
        member = _existing(key);
        if (msg.sender != member.operator) revert NodeRegistry_NotOperator(key, msg.sender);
    }

    function _checkUrl(string calldata url) private pure {
        uint256 length = bytes(url).length;
        if (length == 0 || length > LONGEST_URL) revert NodeRegistry_UrlInvalid(length);
    }

    function _checkStake(uint8 roles, uint128 stake) private view {
        uint128 minimum = _minimumStake(roles);
        if (stake < minimum) revert NodeRegistry_StakeTooLow(stake, minimum);
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

    function _minimumStake(uint8 roles) private view returns (uint128 minimum) {
        IParameters.Terms memory terms = _currentTerms();
        if (roles & ROLE_SERVICE != 0) minimum = terms.minimumServiceStake;
        if (roles & ROLE_ANCHOR != 0 && terms.minimumAnchorStake > minimum) {
            minimum = terms.minimumAnchorStake;
        }
    }

    function _currentTerms() private view returns (IParameters.Terms memory) {
        return parameters.termsAt(parameters.currentPeriod());
    }

    function _view(address key) private view returns (Node memory) {
        Member storage member = _members[key];
        return Node({
            key: key,
            number: member.number,
            roles: member.roles,
            operator: member.operator,
            payout: member.payout,
            stake: member.stake,
            locked: member.locked,
            thawing: member.thawing,
            thawedAt: member.thawedAt,
            apiUrl: member.apiUrl,
            linkUrl: member.linkUrl
        });
    }
}
