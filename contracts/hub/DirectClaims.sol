// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {Splits} from "../libraries/Splits.sol";
import {HubState} from "./HubState.sol";

/// @title What nodes claim themselves after their anchor failed
abstract contract DirectClaims is IChannelHub, HubState {
    /// @dev What stays the same over the rows of a call, what adds up, and whom the last row named,
    /// as rows of one anchor and of one class come together.
    struct Claim {
        address node;
        uint32 period;
        uint256 template;
        uint32 anchorNumber;
        address anchorKey;
        bytes32 tokenClass;
        address issuer;
        uint16 issuerShare;
        uint128 toIssuer;
        uint128 toNode;
        uint128 toTreasury;
        uint128 toBurn;
    }

    /// @inheritdoc IChannelHub
    function claimDirect(address node, uint32 period, DirectClaimRow[] calldata rows) external {
        _nodeNumber(node, period);
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.settleUntil, windows.directUntil);
        IParameters.Terms memory terms = parameters.termsAt(period);

        Claim memory state;
        (state.node, state.period) = (node, period);
        state.template = RowSigners.forLanes(_domainSeparatorV4(), node, period);
        for (uint256 i; i < rows.length; ++i) {
            SkipReason reason = _claimRow(state, terms, rows[i]);
            if (reason != SkipReason.None) emit DirectRowSkipped(node, period, i, rows[i].signer, reason);
        }

        _payIssuer(state);
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

    /// @inheritdoc IChannelHub
    function postedAmount(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        view
        returns (uint128)
    {
        return _posted[_lane(signer, period, node, tokenClass)];
    }

    function _claimRow(Claim memory state, IParameters.Terms memory terms, DirectClaimRow calldata row)
        private
        returns (SkipReason)
    {
        address signer = row.signer;
        ChannelState storage channel = _channels[signer];
        ChannelWord word = channel.word;
        if (!word.isPlain()) {
            channel = _channels[_channelName(signer, state.period)];
            word = channel.word;
        }
        if (!word.exists()) return SkipReason.UnknownChannel;
        if (word.isSettled(state.period)) return SkipReason.AlreadySettled;
        bytes32 tokenClass = row.tokenClass;
        bytes32 lane = _lane(signer, state.period, state.node, tokenClass);
        uint128 owed;
        if (row.voucherR == 0 && row.acknowledgementR == 0) {
            owed = _posted[lane];
        } else {
            if (RowSigners.ofVoucher(state.template, row) != signer) return SkipReason.SignatureInvalid;
            _loadAnchor(state, word.anchorAt(state.period));
            if (RowSigners.ofAcknowledgement(state.template, row) != state.anchorKey) {
                return SkipReason.AcknowledgementInvalid;
            }
            owed = row.cumulative < row.leaseCap ? row.cumulative : row.leaseCap;
        }
        uint128 claimed = _claimed[lane];
        if (owed <= claimed) return SkipReason.NothingToClaim;
        uint96 balance = word.balance();
        if (balance == 0) return SkipReason.InsufficientBalance;
        unchecked {
            owed -= claimed;
            if (owed > balance) owed = balance;
            claimed += owed;
            channel.word = word.withBalance(balance - uint96(owed));
        }
        _claimed[lane] = claimed;
        _share(state, terms, tokenClass, owed);

        emit DirectClaimed(signer, state.node, state.period, tokenClass, owed, claimed);
        return SkipReason.None;
    }

    function _share(Claim memory state, IParameters.Terms memory terms, bytes32 tokenClass, uint128 amount)
        private
    {
        if (tokenClass != state.tokenClass) _loadIssuer(state, tokenClass);
        Splits.Split memory parts =
            Splits.split(amount, terms.protocolShare, terms.burnShare, 0, state.issuerShare);
        // Sums of parts of balances stay below the token's supply.
        unchecked {
            state.toNode += parts.node;
            state.toTreasury += parts.treasury;
            state.toBurn += parts.burnt;
            state.toIssuer += parts.issuer;
        }
    }

    /// @dev The next class's issuer, once the last one is paid.
    function _loadIssuer(Claim memory state, bytes32 tokenClass) private {
        _payIssuer(state);
        state.tokenClass = tokenClass;
        (state.issuer, state.issuerShare) = issuers.revenueAt(tokenClass, state.period);
    }

    function _payIssuer(Claim memory state) private {
        if (state.toIssuer == 0) return;
        _addCredit(state.issuer, state.toIssuer);
        state.toIssuer = 0;
    }

    /// @dev An anchor's key is never zero, so no failed recovery equals it.
    function _loadAnchor(Claim memory state, uint32 number) private view {
        if (number == state.anchorNumber) return;
        state.anchorNumber = number;
        state.anchorKey = nodes.keyAt(number, state.period);
    }
}
