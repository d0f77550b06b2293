// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {ChannelWord, ChannelWords} from "../libraries/ChannelWord.sol";
import {HubState} from "./HubState.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Deposits of integrations
abstract contract Channels is HubState {
    using SafeERC20 for IServiceToken;

    /// @inheritdoc IChannelHub
    function open(address signer, address owner, address anchor, uint96 amount) external {
        if (signer == address(0) || owner == address(0)) revert ChannelHub_ZeroAccount();
        if (_channels[signer].word.exists()) revert ChannelHub_ChannelExists(signer);
        uint32 number = _activeAnchor(anchor);
        if (amount == 0) revert ChannelHub_AmountInvalid(0, type(uint96).max);
        uint32 period = parameters.currentPeriod();

        _channels[signer] = ChannelState(ChannelWords.create(amount, number), owner, period);

        emit ChannelOpened(signer, owner, anchor, period, amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IChannelHub
    function topUp(address signer, uint96 amount) external {
        ChannelState storage channel = _existingChannel(signer);
        ChannelWord word = channel.word;
        if (amount == 0) revert ChannelHub_AmountInvalid(0, type(uint96).max);
        uint96 balance = word.balance() + amount;

        channel.word = word.withBalance(balance);

        emit ChannelToppedUp(signer, msg.sender, amount, balance);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IChannelHub
    function setAnchor(address signer, address anchor) external {
        ChannelState storage channel = _ownedChannel(signer);
        ChannelWord word = channel.word;
        uint32 number = _activeAnchor(anchor);
        uint32 current = parameters.currentPeriod();
        uint32 first = word.firstAnchor();
        uint32 changed = word.nextFrom();
        if (changed != 0 && changed <= current) {
            uint64 freeAt = parameters.windowsOf(changed - 1).directUntil;
            if (block.timestamp < freeAt) revert ChannelHub_AnchorChangePending(signer, freeAt);
            first = word.nextAnchor();
        }

        channel.word = word.withAnchors(first, number, current + 1);

        emit AnchorChanged(signer, anchor, current + 1);
    }

    /// @inheritdoc IChannelHub
    function requestWithdrawal(address signer, uint128 amount) external {
        uint96 balance = _ownedChannel(signer).word.balance();
        if (amount > balance) revert ChannelHub_AmountInvalid(amount, balance);
        uint32 period = parameters.currentPeriod();
        uint64 releasedAt = parameters.windowsOf(period).closesAt + parameters.termsAt(period).withdrawalDelay;

        if (amount == 0) releasedAt = 0;
        _withdrawals[signer] = Withdrawal(amount, releasedAt);

        emit WithdrawalRequested(signer, amount, releasedAt);
    }

    /// @inheritdoc IChannelHub
    function withdraw(address signer) external returns (uint96 amount) {
        ChannelState storage channel = _existingChannel(signer);
        Withdrawal memory request = _withdrawals[signer];
        if (request.amount == 0) revert ChannelHub_NoWithdrawal(signer);
        if (block.timestamp < request.releasedAt) {
            revert ChannelHub_WithdrawalNotReleased(signer, request.releasedAt);
        }
        ChannelWord word = channel.word;
        uint96 balance = word.balance();
        if (balance == 0) revert ChannelHub_AmountInvalid(0, 0);
        amount = request.amount < balance ? uint96(request.amount) : balance;
        address owner = channel.owner;

        delete _withdrawals[signer];
        channel.word = word.withBalance(balance - amount);

        emit Withdrawn(signer, owner, amount, balance - amount);
        serviceToken.safeTransfer(owner, amount);
    }

    /// @inheritdoc IChannelHub
    function channelOf(address signer) external view returns (Channel memory channel) {
        ChannelState storage state = _channels[signer];
        ChannelWord word = state.word;
        if (!word.exists()) return channel;
        uint32 current = parameters.currentPeriod();
        bool changes = word.nextFrom() > current;
        return Channel({
            owner: state.owner,
            anchor: nodes.keyOf(word.anchorAt(current)),
            nextAnchor: changes ? nodes.keyOf(word.nextAnchor()) : address(0),
            nextAnchorFrom: changes ? word.nextFrom() : 0,
            openedIn: state.openedIn,
            balance: word.balance(),
            withdrawalAmount: _withdrawals[signer].amount,
            withdrawableAt: _withdrawals[signer].releasedAt
        });
    }

    /// @inheritdoc IChannelHub
    function anchorAt(address signer, uint32 period) external view returns (address) {
        ChannelWord word = _channels[signer].word;
        return word.exists() ? nodes.keyOf(word.anchorAt(period)) : address(0);
    }

    /// @inheritdoc IChannelHub
    function isSettled(address signer, uint32 period) external view returns (bool) {
        return _channels[signer].word.isSettled(period);
    }

    function _ownedChannel(address signer) private view returns (ChannelState storage channel) {
        channel = _existingChannel(signer);
        if (msg.sender != channel.owner) revert ChannelHub_NotOwner(signer, msg.sender);
    }

    function _activeAnchor(address anchor) private view returns (uint32) {
        if (!nodes.isActive(anchor, ROLE_ANCHOR)) revert ChannelHub_NotAnchor(anchor);
        return nodes.numberOf(anchor);
    }
}
