// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {HubState} from "./HubState.sol";

/// @title Disproving roots
/// @dev What an anchor owes is proved by its own signatures only, or by vouchers within its own leases that were posted before it settled.
abstract contract Challenges is IChannelHub, HubState {
    uint256 private constant ROUNDING = 2;
    /// @dev The hard bound of {IParameters}.
    uint256 private constant LARGEST_ISSUER_SHARE = 3_000;

    /// @dev What stays the same over the lanes of a call.
    struct Evidence {
        address anchor;
        uint32 number;
        address node;
        uint32 period;
        uint256 template;
        uint16 protocolShare;
        uint16 anchorShare;
    }

    /// @inheritdoc IChannelHub
    function challenge(
        address anchor,
        uint32 period,
        address node,
        OwedLane[] calldata lanes,
        PayoutProof calldata proof
    ) external {
        PotState storage pot = _contestedPot(anchor, period);
        uint128 paid = _shown(pot, anchor, period, _payee(node, period), proof);
        uint256 owed = _owed(pot, anchor, period, node, lanes, paid);
        if (owed <= paid) revert ChannelHub_NotUnderpaid(owed, paid);

        _void(pot, anchor, period, msg.sender, node, owed, paid);
    }

    /// @inheritdoc IChannelHub
    function challengeOrder(address anchor, uint32 period, PayoutProof calldata proof) external {
        PotState storage pot = _contestedPot(anchor, period);
        _checkProof(pot, anchor, period, proof);
        if (proof.payouts.length != 2 || proof.payouts[0].account < proof.payouts[1].account) {
            revert ChannelHub_InOrder(
                proof.payouts[0].account, proof.payouts[proof.payouts.length - 1].account
            );
        }

        _void(pot, anchor, period, msg.sender, address(0), 0, 0);
    }

    /// @inheritdoc IChannelHub
    function demandPayout(address anchor, uint32 period, address node, OwedLane[] calldata lanes) external {
        PotState storage pot = _contestedPot(anchor, period);
        uint64 window = parameters.termsAt(period).challengeWindow;
        _checkWindow(0, pot.finalAt - window / 2);
        address account = _payee(node, period);
        if (pot.demands[account] != Demand.None) revert ChannelHub_DemandInvalid(account);
        if (_owed(pot, anchor, period, node, lanes, 0) == 0) revert ChannelHub_NotUnderpaid(0, 0);

        pot.demands[account] = Demand.Open;

        emit PayoutDemanded(anchor, period, account, pot.finalAt - window / 4);
    }

    /// @inheritdoc IChannelHub
    function showPayout(address anchor, uint32 period, address account, PayoutProof calldata proof) external {
        PotState storage pot = _pots[anchor][period];
        if (pot.status != PotStatus.Committed) revert ChannelHub_PotStatus(anchor, period, pot.status);
        if (pot.demands[account] != Demand.Open) revert ChannelHub_DemandInvalid(account);
        uint128 paid = _shown(pot, anchor, period, account, proof);

        pot.demands[account] = Demand.Answered;

        emit PayoutShown(anchor, period, account, paid, proof);
    }

    /// @inheritdoc IChannelHub
    function voidUnshown(address anchor, uint32 period, address account) external {
        PotState storage pot = _contestedPot(anchor, period);
        if (pot.demands[account] != Demand.Open) revert ChannelHub_DemandInvalid(account);
        uint64 window = parameters.termsAt(period).challengeWindow;
        _checkWindow(pot.finalAt - window / 4, pot.finalAt);

        _void(pot, anchor, period, address(0), address(0), 0, 0);
    }

    function _void(
        PotState storage pot,
        address anchor,
        uint32 period,
        address challenger,
        address node,
        uint256 owed,
        uint256 paid
    ) private {
        pot.status = PotStatus.Void;
        pot.root = challenger == address(0) ? bytes32(0) : keccak256(abi.encode(challenger, node));

        emit PeriodVoided(anchor, period, challenger, node, owed, paid);
    }

    function _contestedPot(address anchor, uint32 period) private view returns (PotState storage pot) {
        pot = _pots[anchor][period];
        if (pot.status != PotStatus.Committed) revert ChannelHub_PotStatus(anchor, period, pot.status);
        _checkWindow(0, pot.finalAt);
    }

    /// @dev Where payouts to `node` go; a key that is not registered is paid on its own account.
    function _payee(address node, uint32 period) private view returns (address account) {
        account = nodes.payoutAt(node, period);
        if (account == address(0)) account = node;
    }

    /// @dev What `payouts`, once proved, say of `account`: its leaf, or that there is none.
    function _shown(
        PotState storage pot,
        address anchor,
        uint32 period,
        address account,
        PayoutProof calldata proof
    ) private view returns (uint128) {
        _checkProof(pot, anchor, period, proof);
        Payout[] calldata payouts = proof.payouts;
        address first = payouts[0].account;
        if (payouts.length == 1) {
            if (first == account) return payouts[0].amount;
            if (proof.firstIndex == 0 && account < first) return 0;
            if (proof.firstIndex + 1 == pot.leafCount && account > first) return 0;
        } else if (payouts.length == 2 && first < account && account < payouts[1].account) {
            return 0;
        }
        revert ChannelHub_PayoutNotShown(account);
    }

    function _checkProof(PotState storage pot, address anchor, uint32 period, PayoutProof calldata proof)
        private
        view
    {
        Payout[] calldata payouts = proof.payouts;
        (uint32 size, bytes32 root, uint96 sum) = (pot.leafCount, pot.root, pot.sum);
        bool leads = payouts.length == 1
            ? MerkleSum.verifyOne(payouts[0], proof.firstIndex, size, proof.siblings, root, sum)
            : MerkleSum.verify(payouts, proof.firstIndex, size, proof.siblings, root, sum);
        if (!leads) revert ChannelHub_ProofInvalid(anchor, period);
    }

    /// @dev The node's shares of all lanes, each proved, or the call reverts. Issuers are asked for
    /// their shares only where more than `paid` is not owed even if all had the largest.
    function _owed(
        PotState storage pot,
        address anchor,
        uint32 period,
        address node,
        OwedLane[] calldata lanes,
        uint128 paid
    ) private view returns (uint256 owed) {
        uint256 template = RowSigners.forLanes(_domainSeparatorV4(), node, period);
        Evidence memory evidence =
            Evidence(anchor, pot.anchorNumber, node, period, template, pot.protocolShare, pot.anchorShare);
        uint256[] memory gross = new uint256[](lanes.length);
        for (uint256 i; i < lanes.length; ++i) {
            if (i != 0 && !_ascend(lanes[i - 1], lanes[i])) revert ChannelHub_LanesUnordered(i);
            gross[i] = _proved(evidence, lanes[i], i);
            owed += _nodeShare(evidence, gross[i], LARGEST_ISSUER_SHARE);
        }
        if (owed > paid) return owed;
        owed = 0;
        for (uint256 i; i < lanes.length; ++i) {
            (, uint16 issuerShare) = issuers.revenueAt(lanes[i].tokenClass, period);
            owed += _nodeShare(evidence, gross[i], issuerShare);
        }
    }

    /// @dev What the anchor owes in one lane of a channel that it settled.
    function _proved(Evidence memory evidence, OwedLane calldata lane, uint256 index)
        private
        view
        returns (uint128)
    {
        ChannelWord word = _channelAt(lane.signer, evidence.period).word;
        if (word.anchorAt(evidence.period) != evidence.number) {
            revert ChannelHub_LaneInvalid(index, SkipReason.WrongAnchor);
        }
        if (!word.isSettled(evidence.period)) revert ChannelHub_LaneInvalid(index, SkipReason.NotSettled);
        if (lane.r == 0 && lane.vs == 0) {
            return _posted[_lane(lane.signer, evidence.period, evidence.node, lane.tokenClass)];
        }
        if (RowSigners.ofOwedLane(evidence.template, lane) != evidence.anchor) {
            revert ChannelHub_LaneInvalid(index, SkipReason.AcknowledgementInvalid);
        }
        return lane.acknowledged;
    }

    /// @dev As in {Splits}, what is left for the node when all others took theirs; less the two units
    /// by which rounding may leave less of a larger gross, as the Statement may sum more than was
    /// acknowledged.
    function _nodeShare(Evidence memory evidence, uint256 gross, uint256 issuerShare)
        private
        pure
        returns (uint256 share)
    {
        unchecked {
            share = gross - (gross * evidence.protocolShare + BASIS_POINTS - 1) / BASIS_POINTS - gross
                * evidence.anchorShare / BASIS_POINTS - gross * issuerShare / BASIS_POINTS;
            return share > ROUNDING ? share - ROUNDING : 0;
        }
    }

    function _ascend(OwedLane calldata lower, OwedLane calldata upper) private pure returns (bool) {
        if (lower.signer != upper.signer) return lower.signer < upper.signer;
        return lower.tokenClass < upper.tokenClass;
    }
}
