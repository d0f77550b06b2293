// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {HubState} from "./HubState.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Deposits of integrations
abstract contract Channels is IChannelHub, HubState {
    using SafeERC20 for IServiceToken;

    /// @inheritdoc IChannelHub
    function open(address signer, address owner, address anchor, uint96 amount) external {
        _createChannel(signer, owner, anchor, amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IChannelHub
    function topUp(address signer, uint96 amount) external {
        _addBalance(signer, msg.sender, amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IChannelHub
    function channelOf(address signer) external view returns (Channel memory channel) {
        uint32 current = parameters.currentPeriod();
        address name = _channelName(signer, current);
        ChannelState storage state = _channels[name];
        ChannelWord word = state.word;
        if (!word.exists()) return channel;
        bool changes = word.nextFrom() > current;
        return Channel({
            owner: state.owner,
            anchor: nodes.keyAt(word.anchorAt(current), current),
            nextAnchor: changes ? nodes.keyAt(word.nextAnchor(), word.nextFrom()) : address(0),
            nextAnchorFrom: changes ? word.nextFrom() : 0,
            openedIn: state.openedIn,
            balance: word.balance(),
            withdrawalAmount: _withdrawals[name].amount,
            withdrawableAt: _withdrawals[name].releasedAt
        });
    }

    /// @inheritdoc IChannelHub
    function anchorAt(address signer, uint32 period) external view returns (address) {
        ChannelWord word = _channelAt(signer, period).word;
        return word.exists() ? nodes.keyAt(word.anchorAt(period), period) : address(0);
    }

    /// @inheritdoc IChannelHub
    function isSettled(address signer, uint32 period) external view returns (bool) {
        return _channelAt(signer, period).word.isSettled(period);
    }

    /// @inheritdoc IChannelHub
    function heldIn(address signer, uint32 period) external view returns (uint128) {
        address name = _channelName(signer, period);
        ChannelState storage channel = _channels[name];
        bool counted = period >= channel.openedIn && period >= _withdrawals[name].closedIn;
        if (!counted) return 0;
        uint128 held = uint128(channel.highest) << 32;
        uint96 bound = _largestCap(signer, period);
        return bound < held ? bound : held;
    }

    /// @inheritdoc IChannelHub
    function limitOf(address signer, uint32 period) external view returns (uint96 cap, uint32 until) {
        return (_capAt(signer, period), _limits[signer].until);
    }

    /// @inheritdoc IChannelHub
    function channelAt(address signer, uint32 period) external view returns (address name) {
        name = _channelName(signer, period);
        if (!_channels[name].word.exists()) name = address(0);
    }

    /// @inheritdoc IChannelHub
    function claimPage(address node, uint32 period, uint32 page) external view returns (uint256) {
        return _claimPages[node][period][page];
    }

    /// @inheritdoc IChannelHub
    function laneOf(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        pure
        returns (bytes32)
    {
        return _lane(signer, period, node, tokenClass);
    }

    /// @inheritdoc IChannelHub
    function postedAmount(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        view
        returns (uint128)
    {
        return _posted[_lane(signer, period, node, tokenClass)];
    }

    /// @dev The largest cap that the key may have had in `period`, in favour of whoever leased under it:
    /// none where it is forgotten.
    function _largestCap(address signer, uint32 period) private view returns (uint96) {
        Limit storage limit = _limits[signer];
        (uint96 cap, uint96 nextCap) = (limit.cap, limit.nextCap);
        if (cap == 0 || nextCap == 0 || period < limit.since) return type(uint96).max;
        return nextCap > cap ? nextCap : cap;
    }
}
