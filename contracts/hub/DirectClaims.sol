// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IParameters} from "../interfaces/IParameters.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {ClaimPages} from "../libraries/ClaimPages.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {Splits} from "../libraries/Splits.sol";
import {HubState} from "./HubState.sol";

/// @title What nodes claim themselves after their anchor failed
/// @dev Part of the hub's second extension; see {IChannelHub}.
abstract contract DirectClaims is HubState {
    using ClaimPages for ClaimPages.Merge;

    /// @dev A page of so many lanes is shown for less than a million gas.
    uint256 private constant MOST_LANES = 256;

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
        IParameters.Terms terms;
        ClaimPages.Merge merge;
    }

    /// @notice See {IChannelHub-claimDirect}.
    function claimDirect(
        address node,
        uint32 period,
        uint32 page,
        PaidLane[] calldata paid,
        DirectClaimRow[] calldata rows
    ) external {
        _nodeNumber(node, period);
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.settleUntil, windows.directUntil);
        Claim memory state;
        (state.node, state.period) = (node, period);
        state.terms = parameters.termsAt(period);
        state.merge = _page(node, period, page, paid, rows.length);

        _claimRows(state, paid, rows);
        uint256 word = state.merge.finish(paid);
        uint256 lanes = state.merge.count();
        if (lanes > MOST_LANES && lanes > paid.length) _checkSide(node, period, page, lanes);
        if (word != 0) _claimPages[node][period][page] = word;
    }

    function _checkSide(address node, uint32 period, uint32 page, uint256 lanes) private view {
        bool own = msg.sender == node || msg.sender == nodes.payoutAt(node, period)
            || msg.sender == nodes.nodeOf(node).operator;
        if (!own) revert ChannelHub_PageFull(page, lanes, MOST_LANES);
    }

    /// @dev The page as it stands, and between which lanes its own lie.
    function _page(address node, uint32 period, uint32 page, PaidLane[] calldata paid, uint256 capacity)
        private
        view
        returns (ClaimPages.Merge memory)
    {
        mapping(uint32 page => uint256 word) storage pages = _claimPages[node][period];
        uint256 before = page == 0 ? 0 : pages[page - 1];
        uint256 word = pages[page];
        if (page != 0 && before == 0 || word != ClaimPages.wordOf(paid)) revert ChannelHub_PageInvalid(page);
        bool last = word == 0 || pages[page + 1] == 0;
        return ClaimPages.create(paid.length + capacity, page, before, last ? 0 : word);
    }

    function _claimRows(Claim memory state, PaidLane[] calldata paid, DirectClaimRow[] calldata rows)
        private
    {
        state.template = RowSigners.forLanes(_domainSeparatorV4(), state.node, state.period);
        for (uint256 i; i < rows.length; ++i) {
            SkipReason reason = _claimNext(state, paid, rows[i], i);
            if (reason != SkipReason.None) {
                emit DirectRowSkipped(state.node, state.period, i, rows[i].signer, reason);
            }
        }

        _payIssuer(state);
        if (state.toNode != 0) _addCredit(nodes.payoutAt(state.node, state.period), state.toNode);
        if (state.toTreasury != 0) _addCredit(state.terms.treasury, state.toTreasury);
        if (state.toBurn != 0) _addCredit(address(0), state.toBurn);
    }

    /// @dev The row's place on the page, and with it what its lane was paid.
    function _claimNext(
        Claim memory state,
        PaidLane[] calldata paid,
        DirectClaimRow calldata row,
        uint256 index
    ) private returns (SkipReason reason) {
        bytes32 lane = _lane(row.signer, state.period, state.node, row.tokenClass);
        ClaimPages.Merge memory merge = state.merge;
        if (!merge.seek(paid, lane)) revert ChannelHub_LaneOffPage(index);
        uint128 claimed = merge.found(paid, lane);
        (reason, claimed) = _claimRow(state, row, lane, claimed);
        if (reason == SkipReason.None) merge.put(paid, lane, claimed);
    }

    function _claimRow(Claim memory state, DirectClaimRow calldata row, bytes32 lane, uint128 claimed)
        private
        returns (SkipReason, uint128)
    {
        address signer = row.signer;
        ChannelState storage channel = _channels[signer];
        ChannelWord word = channel.word;
        bool plain = word.isPlain();
        if (!plain) {
            channel = _channels[_channelName(signer, state.period)];
            word = channel.word;
        }
        if (!word.exists()) return (SkipReason.UnknownChannel, 0);
        if (word.isSettled(state.period)) return (SkipReason.AlreadySettled, 0);
        uint128 owed;
        if (row.voucherR == 0 && row.acknowledgementR == 0) {
            owed = _posted[lane];
        } else {
            if (RowSigners.ofVoucher(state.template, row) != signer) return (SkipReason.SignatureInvalid, 0);
            _loadAnchor(state, word.anchorAt(state.period));
            if (RowSigners.ofAcknowledgement(state.template, row) != state.anchorKey) {
                return (SkipReason.AcknowledgementInvalid, 0);
            }
            owed = row.cumulative < row.leaseCap ? row.cumulative : row.leaseCap;
        }
        if (owed <= claimed) return (SkipReason.NothingToClaim, 0);
        uint96 balance = word.balance();
        if (balance == 0) return (SkipReason.InsufficientBalance, 0);
        owed -= claimed;
        if (owed > balance) owed = balance;
        if (!plain) {
            owed = _spendable(signer, state.period, owed);
            if (owed == 0) return (SkipReason.LimitExceeded, 0);
        }
        unchecked {
            claimed += owed;
            channel.word = word.withBalance(balance - uint96(owed));
        }
        _share(state, row.tokenClass, owed);

        emit DirectClaimed(signer, state.node, state.period, row.tokenClass, owed, claimed);
        return (SkipReason.None, claimed);
    }

    /// @dev As much of `amount` as the key's limit leaves of direct claims of the period.
    function _spendable(address signer, uint32 period, uint128 amount) private returns (uint128) {
        uint96 cap = _capAt(signer, period);
        if (cap == 0) return amount;
        uint128 left = cap - _directlySpent[signer][period];
        if (amount > left) amount = left;
        _directlySpent[signer][period] += uint96(amount);
        return amount;
    }

    function _share(Claim memory state, bytes32 tokenClass, uint128 amount) private {
        if (tokenClass != state.tokenClass) _loadIssuer(state, tokenClass);
        Splits.Split memory parts =
            Splits.split(amount, state.terms.protocolShare, state.terms.burnShare, 0, state.issuerShare);
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
