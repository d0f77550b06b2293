// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBrake} from "../interfaces/IBrake.sol";
import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {ChannelWord, ChannelWords} from "../libraries/ChannelWord.sol";
import {PotWord} from "../libraries/PotWord.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title What the hub knows, and the checks that its parts share
/// @dev The hub's parts are abstract contracts over this state, one subject each; {ChannelHub} puts
/// them together. Anchors are kept by their number, which is shorter than their key.
abstract contract HubState is IChannelHubTypes, EIP712 {
    /// @dev Settling touches the word only. `highest` is the highest balance since the channel was
    /// opened or last closed, in units of 2^32, rounded up.
    struct ChannelState {
        ChannelWord word;
        address owner;
        uint32 openedIn;
        uint64 highest;
    }

    /// @dev Which periods a session key signs in, once keys changed. `channel` is the first key, zero
    /// for the first key itself; `until` is zero for the newest.
    struct Succession {
        address channel;
        uint32 from;
        uint32 until;
    }

    /// @dev What the owner lets a key spend in a period, 0 for all: `cap` before period `nextFrom`, and
    /// `nextCap` from it on. From period `until` on the key signs nothing; 0 for no end. Caps of periods
    /// before `since` are forgotten.
    struct Limit {
        uint96 cap;
        uint96 nextCap;
        uint32 nextFrom;
        uint32 until;
        uint32 since;
    }

    struct Withdrawal {
        uint128 amount;
        uint64 releasedAt;
        uint32 closedIn;
    }

    struct PotState {
        PotWord word;
        bytes32 root;
        uint128 distributed;
        uint96 bond;
        bool bondReleased;
        mapping(uint32 chunk => bytes32 commitment) commitments;
        mapping(uint256 word => uint256 bits) paid;
        mapping(address account => Demand demand) demands;
    }

    enum Demand {
        None,
        Open,
        Answered
    }

    uint8 internal constant ROLE_ANCHOR = 2;
    uint256 internal constant BASIS_POINTS = 10_000;
    /// @dev Set in every credit that was ever positive, so that its slot never falls back to zero and
    /// paying it again costs 5,000 gas, not 22,100.
    uint256 internal constant CREDIT_OPENED = 1 << 255;

    IServiceToken public immutable serviceToken;
    IParameters public immutable parameters;
    INodeRegistry public immutable nodes;
    IBrake internal immutable _brake;
    IIssuerRegistry public immutable issuers;
    IDisputeManager public immutable disputes;
    IRentVault public immutable rent;

    mapping(address signer => ChannelState channel) internal _channels;
    mapping(address signer => Withdrawal withdrawal) internal _withdrawals;
    /// @dev By the anchor's key in the period: no other node ever has it.
    mapping(address anchor => mapping(uint32 period => PotState pot)) internal _pots;
    /// @dev What lanes were paid directly, by page: the list's hash but for its lowest 48 bits, which
    /// are the highest of the page's highest lane.
    mapping(address node => mapping(uint32 period => mapping(uint32 page => uint256 word))) internal
        _claimPages;
    mapping(address account => uint256 credit) internal _credits;
    /// @dev By {_lane}.
    mapping(bytes32 lane => uint128 posted) internal _posted;
    mapping(address signer => Succession succession) internal _successions;
    /// @dev A channel's newest session key, zero where it is the first.
    mapping(address channel => address signer) internal _lastSigner;
    mapping(address signer => Limit limit) internal _limits;
    /// @dev What was claimed directly by vouchers of a key that has a cap.
    mapping(address signer => mapping(uint32 period => uint96 amount)) internal _directlySpent;

    constructor(
        IServiceToken serviceToken_,
        IParameters parameters_,
        INodeRegistry nodes_,
        IIssuerRegistry issuers_,
        IDisputeManager disputes_,
        IRentVault rent_
    ) EIP712("SmartLayer", "1") {
        serviceToken = serviceToken_;
        parameters = parameters_;
        nodes = nodes_;
        _brake = nodes_.brake();
        issuers = issuers_;
        disputes = disputes_;
        rent = rent_;
    }

    /// @dev All credits together stay below the token's supply, so none reaches the bit above.
    function _addCredit(address account, uint128 amount) internal {
        unchecked {
            _credits[account] = (_credits[account] + amount) | CREDIT_OPENED;
        }
    }

    function _takeCredit(address account, uint128 amount) internal {
        uint128 available = uint128(_credits[account]);
        if (amount == 0 || amount > available) revert ChannelHub_AmountInvalid(amount, available);
        _credits[account] -= amount;
    }

    /// @dev The channel that `signer` signs for in `period`; one that does not exist where none.
    function _channelAt(address signer, uint32 period) internal view returns (ChannelState storage channel) {
        channel = _channels[signer];
        if (!channel.word.isPlain()) channel = _channels[_channelName(signer, period)];
    }

    /// @dev Nobody can open the zero account's channel, so it stands for none.
    function _channelName(address signer, uint32 period) internal view returns (address) {
        Succession storage succession = _successions[signer];
        uint32 until = succession.until;
        if (period < succession.from || until != 0 && period >= until) return address(0);
        uint32 expires = _limits[signer].until;
        if (expires != 0 && period >= expires) return address(0);
        address channel = succession.channel;
        return channel == address(0) ? signer : channel;
    }

    /// @dev What the key may spend in `period`, 0 where it has no cap.
    function _capAt(address signer, uint32 period) internal view returns (uint96) {
        Limit storage limit = _limits[signer];
        return limit.nextFrom != 0 && period >= limit.nextFrom ? limit.nextCap : limit.cap;
    }

    /// @dev A balance grew to `balance`.
    function _raise(ChannelState storage channel, uint96 balance) internal {
        uint64 highest = _heldUnits(balance);
        if (highest > channel.highest) channel.highest = highest;
    }

    function _heldUnits(uint96 balance) internal pure returns (uint64) {
        return uint64((uint256(balance) + type(uint32).max) >> 32);
    }

    function _createChannel(address signer, address owner, address anchor, uint96 amount) internal {
        _checkBrake();
        if (signer == address(0) || owner == address(0)) revert ChannelHub_ZeroAccount();
        if (_channels[signer].word.exists() || _successions[signer].channel != address(0)) {
            revert ChannelHub_ChannelExists(signer);
        }
        uint32 number = _activeAnchor(anchor);
        if (amount == 0) revert ChannelHub_AmountInvalid(0, type(uint96).max);
        uint32 period = parameters.currentPeriod();

        _channels[signer] =
            ChannelState(ChannelWords.create(amount, number), owner, period, _heldUnits(amount));

        emit ChannelOpened(signer, owner, anchor, period, amount);
    }

    function _addBalance(address signer, address payer, uint96 amount) internal {
        _checkBrake();
        ChannelState storage channel = _existingChannel(signer);
        ChannelWord word = channel.word;
        if (amount == 0) revert ChannelHub_AmountInvalid(0, type(uint96).max);
        uint96 balance = word.balance() + amount;

        channel.word = word.withBalance(balance);
        _raise(channel, balance);

        emit ChannelToppedUp(signer, payer, amount, balance);
    }

    /// @dev Asked where money comes in, and nowhere else.
    function _checkBrake() internal view {
        if (_brake.isPaused()) revert ChannelHub_Paused(_brake.pausedUntil());
    }

    function _ownedChannel(address signer) internal view returns (ChannelState storage channel) {
        channel = _existingChannel(signer);
        if (msg.sender != channel.owner) revert ChannelHub_NotOwner(signer, msg.sender);
    }

    function _activeAnchor(address anchor) internal view returns (uint32) {
        if (!nodes.isActive(anchor, ROLE_ANCHOR)) revert ChannelHub_NotAnchor(anchor);
        return nodes.numberOf(anchor);
    }

    function _existingChannel(address signer) internal view returns (ChannelState storage channel) {
        channel = _channels[signer];
        if (!channel.word.exists()) revert ChannelHub_UnknownChannel(signer);
    }

    function _nodeNumber(address key, uint32 period) internal view returns (uint32 number) {
        number = nodes.numberAt(key, period);
        if (number == 0) revert ChannelHub_UnknownNode(key);
    }

    function _checkWindow(uint64 from, uint64 until) internal view {
        if (block.timestamp < from || block.timestamp >= until) {
            revert ChannelHub_OutsideWindow(block.timestamp, from, until);
        }
    }

    function _finalPot(address anchor, uint32 period) internal view returns (PotState storage pot) {
        PotWord word;
        (pot, word) = _committedPot(anchor, period);
        if (block.timestamp < word.finalAt()) revert ChannelHub_NotFinal(anchor, period, word.finalAt());
    }

    function _committedPot(address anchor, uint32 period)
        internal
        view
        returns (PotState storage pot, PotWord word)
    {
        pot = _pots[anchor][period];
        word = pot.word;
        if (word.status() != PotStatus.Committed) revert ChannelHub_PotStatus(anchor, period, word.status());
    }

    /// @dev A lane's number in the order of claims: its class leads, so that lanes of one class stand
    /// together. The other 232 bits are of a hash, so that no two lanes have one number.
    function _lane(address signer, uint32 period, address node, bytes32 tokenClass)
        internal
        pure
        returns (bytes32)
    {
        bytes32 hash = keccak256(abi.encode(signer, period, node, tokenClass));
        return tokenClass & ~(~bytes32(0) >> 24) | hash >> 24;
    }
}
