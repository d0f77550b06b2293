// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {AccountSignatures} from "../libraries/AccountSignatures.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {HubState} from "./HubState.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title What a channel's owner decides
/// @dev Part of the hub's extension; see {IChannelHub}.
abstract contract Ownership is HubState {
    using SafeERC20 for IServiceToken;

    /// @notice See {IChannelHub-setAnchor}.
    function setAnchor(address signer, address anchor) external {
        ChannelState storage channel = _ownedChannel(signer);
        ChannelWord word = channel.word;
        uint32 number = _activeAnchor(anchor);
        uint32 current = parameters.currentPeriod();
        uint32 first = word.firstAnchor();
        uint32 changed = word.nextFrom();
        if (changed != 0 && changed <= current) {
            _checkAnchorSettled(signer, changed);
            first = word.nextAnchor();
        }

        channel.word = word.withAnchors(first, number, current + 1);

        emit AnchorChanged(signer, anchor, current + 1);
    }

    /// @notice See {IChannelHub-requestWithdrawal}.
    function requestWithdrawal(address signer, uint128 amount) external {
        uint96 balance = _ownedChannel(signer).word.balance();
        if (amount > balance) revert ChannelHub_AmountInvalid(amount, balance);
        uint32 period = parameters.currentPeriod();
        uint64 releasedAt = parameters.windowsOf(period).closesAt + parameters.termsAt(period).withdrawalDelay;

        if (amount == 0) releasedAt = 0;
        Withdrawal storage request = _withdrawals[signer];
        (request.amount, request.releasedAt) = (amount, releasedAt);

        emit WithdrawalRequested(signer, amount, releasedAt);
    }

    /// @notice See {IChannelHub-withdraw}.
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

        (_withdrawals[signer].amount, _withdrawals[signer].releasedAt) = (0, 0);
        channel.word = word.withBalance(balance - amount);

        emit Withdrawn(signer, owner, amount, balance - amount);
        serviceToken.safeTransfer(owner, amount);
    }

    /// @notice See {IChannelHub-rotateSigner}.
    function rotateSigner(address signer, address nextSigner) external {
        ChannelState storage channel = _ownedChannel(signer);
        if (nextSigner == address(0)) revert ChannelHub_ZeroAccount();
        Succession storage next = _successions[nextSigner];
        if (_channels[nextSigner].word.exists() || next.channel != address(0)) {
            revert ChannelHub_ChannelExists(nextSigner);
        }
        uint32 from = parameters.currentPeriod() + 1;
        address last = _lastSigner[signer] == address(0) ? signer : _lastSigner[signer];
        if (_successions[last].from >= from) {
            revert ChannelHub_RotationPending(signer, _successions[last].from);
        }

        channel.word = channel.word.withSpecialKeys();
        _successions[last].until = from;
        (next.channel, next.from) = (signer, from);
        _lastSigner[signer] = nextSigner;

        emit SignerRotated(signer, nextSigner, from);
    }

    /// @notice See {IChannelHub-close}.
    function close(Close calldata agreement, bytes calldata payerSignature, bytes calldata anchorSignature)
        external
    {
        uint32 period = parameters.currentPeriod();
        if (agreement.period != period) revert ChannelHub_WrongPeriod(agreement.period, period);
        if (block.timestamp > agreement.deadline) revert ChannelHub_Expired(agreement.deadline);
        address name = _channelName(agreement.signer, period);
        ChannelState storage channel = _existingChannel(name);
        ChannelWord word = channel.word;
        uint32 changed = word.nextFrom();
        if (changed != 0 && changed <= period) _checkAnchorSettled(name, changed);
        uint96 balance = word.balance();
        if (agreement.finalAmount >= balance) {
            revert ChannelHub_AmountInvalid(agreement.finalAmount, balance);
        }
        _checkAgreement(agreement, channel.owner, word.anchorAt(period), payerSignature, anchorSignature);

        uint96 kept = uint96(agreement.finalAmount);
        channel.word = word.withBalance(kept);
        channel.highest = _heldUnits(kept);
        _withdrawals[name] = Withdrawal(0, 0, period);

        emit ChannelClosed(agreement.signer, period, kept, balance - kept);
        serviceToken.safeTransfer(channel.owner, balance - kept);
    }

    function _checkAgreement(
        Close calldata agreement,
        address owner,
        uint32 anchorNumber,
        bytes calldata payerSignature,
        bytes calldata anchorSignature
    ) private view {
        bytes32 digest = MessageHashes.digest(_domainSeparatorV4(), MessageHashes.hash(agreement));
        if (
            !AccountSignatures.isValid(agreement.signer, digest, payerSignature)
                && !AccountSignatures.isValid(owner, digest, payerSignature)
        ) revert ChannelHub_SignatureInvalid(agreement.signer);
        address anchor = nodes.keyAt(anchorNumber, agreement.period);
        if (!AccountSignatures.isValid(anchor, digest, anchorSignature)) {
            revert ChannelHub_SignatureInvalid(anchor);
        }
    }

    /// @dev Every window of the periods before `changed` is over.
    function _checkAnchorSettled(address signer, uint32 changed) private view {
        uint64 freeAt = parameters.windowsOf(changed - 1).directUntil;
        if (block.timestamp < freeAt) revert ChannelHub_AnchorChangePending(signer, freeAt);
    }
}
