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
        return counted ? uint128(channel.highest) << 32 : 0;
    }

    /// @inheritdoc IChannelHub
    function channelAt(address signer, uint32 period) external view returns (address name) {
        name = _channelName(signer, period);
        if (!_channels[name].word.exists()) name = address(0);
    }
}
