// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {Splits} from "../libraries/Splits.sol";
import {HubState} from "./HubState.sol";

/// @title What nodes claim themselves after their anchor failed
abstract contract DirectClaims is HubState {
    /// @dev What stays the same over the rows of a call, what adds up, and what the last row's
    /// anchor was, as rows of one anchor come together.
    struct Claim {
        address node;
        uint32 period;
        bytes32 separator;
        uint32 anchorNumber;
        address anchorKey;
        uint128 toNode;
        uint128 toTreasury;
        uint128 toBurn;
    }

    /// @inheritdoc IChannelHub
    function claimDirect(address node, uint32 period, DirectClaimRow[] calldata rows) external {
        _nodeNumber(node);
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.settleUntil, windows.directUntil);
        IParameters.Terms memory terms = parameters.termsAt(period);

        Claim memory state;
        (state.node, state.period, state.separator) = (node, period, _domainSeparatorV4());
        for (uint256 i; i < rows.length; ++i) {
            SkipReason reason = _claimRow(state, terms, rows[i]);
            if (reason != SkipReason.None) emit DirectRowSkipped(node, period, i, rows[i].signer, reason);
        }

        if (state.toNode != 0) _addCredit(nodes.payoutAt(node, period), state.toNode);
        if (state.toTreasury != 0) _addCredit(terms.treasury, state.toTreasury);
        if (state.toBurn != 0) _addCredit(address(0), state.toBurn);
    }

    /// @inheritdoc IChannelHub
    function directClaimed(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        view
        returns (uint128)
    {
        return _claimed[_lane(signer, period, node, tokenClass)];
    }

    function _claimRow(Claim memory state, IParameters.Terms memory terms, DirectClaimRow calldata row)
        private
        returns (SkipReason)
    {
        ChannelState storage channel = _channels[row.signer];
        ChannelWord word = channel.word;
        if (!word.exists()) return SkipReason.UnknownChannel;
        if (word.isSettled(state.period)) return SkipReason.AlreadySettled;
        if (!_voucherIsSigned(state, row)) return SkipReason.SignatureInvalid;
        _loadAnchor(state, word.anchorAt(state.period));
        if (!_acknowledgementIsSigned(state, row)) return SkipReason.AcknowledgementInvalid;

        bytes32 lane = _lane(row.signer, state.period, state.node, row.tokenClass);
        uint128 claimed = _claimed[lane];
        uint128 owed = row.cumulative < row.leaseCap ? row.cumulative : row.leaseCap;
        if (owed <= claimed) return SkipReason.NothingToClaim;
        uint96 balance = word.balance();
        if (balance == 0) return SkipReason.InsufficientBalance;
        uint128 amount = owed - claimed < balance ? owed - claimed : balance;

        _claimed[lane] = claimed + amount;
        channel.word = word.withBalance(balance - uint96(amount));
        _share(state, terms, row.tokenClass, amount);

        emit DirectClaimed(row.signer, state.node, state.period, row.tokenClass, amount, claimed + amount);
        return SkipReason.None;
    }

    function _share(Claim memory state, IParameters.Terms memory terms, bytes32 tokenClass, uint128 amount)
        private
    {
        (address issuer, uint16 issuerShare) = issuers.revenueAt(tokenClass, state.period);
        Splits.Split memory parts = Splits.split(amount, terms.protocolShare, terms.burnShare, 0, issuerShare);
        state.toNode += parts.node;
        state.toTreasury += parts.treasury;
        state.toBurn += parts.burnt;
        if (parts.issuer != 0) _addCredit(issuer, parts.issuer);
    }

    function _loadAnchor(Claim memory state, uint32 number) private view {
        if (number == state.anchorNumber) return;
        state.anchorNumber = number;
        state.anchorKey = nodes.keyOf(number);
    }

    function _voucherIsSigned(Claim memory state, DirectClaimRow calldata row) private view returns (bool) {
        bytes32 structHash = MessageHashes.hash(
            ISmartLayerMessages.Voucher(row.signer, state.period, state.node, row.tokenClass, row.cumulative)
        );
        bytes32 digest = MessageHashes.digest(state.separator, structHash);
        return MessageHashes.recoverCompact(digest, row.voucherR, row.voucherVs) == row.signer;
    }

    function _acknowledgementIsSigned(Claim memory state, DirectClaimRow calldata row)
        private
        view
        returns (bool)
    {
        bytes32 structHash = MessageHashes.hash(
            ISmartLayerMessages.Acknowledgement(
                row.signer, state.period, state.node, row.tokenClass, row.acknowledged, row.leaseCap
            )
        );
        bytes32 digest = MessageHashes.digest(state.separator, structHash);
        address signer = MessageHashes.recoverCompact(digest, row.acknowledgementR, row.acknowledgementVs);
        return signer != address(0) && signer == state.anchorKey;
    }
}
