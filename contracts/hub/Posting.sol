// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IParameters} from "../interfaces/IParameters.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {HubState} from "./HubState.sol";

/// @title Vouchers posted because the anchor does not acknowledge them
/// @dev Part of the hub's extension; see {IChannelHub}.
abstract contract Posting is HubState {
    /// @notice See {IChannelHub-postVoucher}.
    function postVoucher(address node, uint32 period, DirectClaimRow calldata row) external {
        _nodeNumber(node, period);
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.opensAt, windows.settleFrom);
        SkipReason reason = _problem(node, period, row);
        if (reason != SkipReason.None) revert ChannelHub_LaneInvalid(0, reason);
        uint128 amount = row.cumulative < row.leaseCap ? row.cumulative : row.leaseCap;
        bytes32 lane = _lane(row.signer, period, node, row.tokenClass);
        uint128 before = _posted[lane];
        if (amount <= before) revert ChannelHub_AmountInvalid(amount, before);

        _posted[lane] = amount;

        emit VoucherPosted(row.signer, node, period, row.tokenClass, amount);
    }

    function _problem(address node, uint32 period, DirectClaimRow calldata row)
        private
        view
        returns (SkipReason)
    {
        ChannelWord word = _channelAt(row.signer, period).word;
        if (!word.exists()) return SkipReason.UnknownChannel;
        uint256 template = RowSigners.forLanes(_domainSeparatorV4(), node, period);
        if (RowSigners.ofVoucher(template, row) != row.signer) return SkipReason.SignatureInvalid;
        if (RowSigners.ofAcknowledgement(template, row) != nodes.keyAt(word.anchorAt(period), period)) {
            return SkipReason.AcknowledgementInvalid;
        }
        return SkipReason.None;
    }
}
