// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title What the hub knows, and the checks that its parts share
/// @dev The hub's parts are abstract contracts over this state, one subject each; {ChannelHub} puts
/// them together. Anchors are kept by their number, which is shorter than their key.
abstract contract HubState is IChannelHub, EIP712 {
    /// @dev Settling touches the word only.
    struct ChannelState {
        ChannelWord word;
        address owner;
        uint32 openedIn;
    }

    struct Withdrawal {
        uint128 amount;
        uint64 releasedAt;
    }

    struct PotState {
        uint128 sum;
        uint64 finalAt;
        uint32 chunks;
        PotStatus status;
        bool bondReleased;
        bytes32 root;
        uint128 distributed;
        uint96 bond;
        uint32 leafCount;
        mapping(uint32 chunk => bytes32 commitment) commitments;
        mapping(uint256 word => uint256 bits) paid;
    }

    uint8 internal constant ROLE_ANCHOR = 2;
    uint256 internal constant BASIS_POINTS = 10_000;
    /// @dev Set in every credit that was ever positive, so that its slot never falls back to zero and
    /// paying it again costs 5,000 gas, not 22,100.
    uint256 internal constant CREDIT_OPENED = 1 << 255;

    IServiceToken public immutable serviceToken;
    IParameters public immutable parameters;
    INodeRegistry public immutable nodes;
    IIssuerRegistry public immutable issuers;

    mapping(address signer => ChannelState channel) internal _channels;
    mapping(address signer => Withdrawal withdrawal) internal _withdrawals;
    mapping(uint32 anchor => mapping(uint32 period => PotState pot)) internal _pots;
    /// @dev By keccak256(abi.encode(signer, period, node, tokenClass)).
    mapping(bytes32 lane => uint128 claimed) internal _claimed;
    mapping(address account => uint256 credit) internal _credits;

    constructor(
        IServiceToken serviceToken_,
        IParameters parameters_,
        INodeRegistry nodes_,
        IIssuerRegistry issuers_
    ) EIP712("SmartLayer", "1") {
        serviceToken = serviceToken_;
        parameters = parameters_;
        nodes = nodes_;
        issuers = issuers_;
    }

    /// @dev All credits together stay below the token's supply, so none reaches the bit above.
    function _addCredit(address account, uint128 amount) internal {
        unchecked {
            _credits[account] = (_credits[account] + amount) | CREDIT_OPENED;
        }
    }

    function _existingChannel(address signer) internal view returns (ChannelState storage channel) {
        channel = _channels[signer];
        if (!channel.word.exists()) revert ChannelHub_UnknownChannel(signer);
    }

    function _nodeNumber(address key) internal view returns (uint32 number) {
        number = nodes.numberOf(key);
        if (number == 0) revert ChannelHub_UnknownNode(key);
    }

    function _checkWindow(uint64 from, uint64 until) internal view {
        if (block.timestamp < from || block.timestamp >= until) {
            revert ChannelHub_OutsideWindow(block.timestamp, from, until);
        }
    }

    function _finalPot(address anchor, uint32 period) internal view returns (PotState storage pot) {
        pot = _pots[_nodeNumber(anchor)][period];
        if (pot.status != PotStatus.Committed) revert ChannelHub_PotStatus(anchor, period, pot.status);
        if (block.timestamp < pot.finalAt) revert ChannelHub_NotFinal(anchor, period, pot.finalAt);
    }

    function _lane(address signer, uint32 period, address node, bytes32 tokenClass)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(signer, period, node, tokenClass));
    }
}
