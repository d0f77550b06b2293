// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {PotWord, PotWords} from "../libraries/PotWord.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {HubState} from "./HubState.sol";

/// @title Disproving roots
/// @dev What an anchor owes is proved by its own signatures only, or by vouchers within its own leases that were posted before it settled.
abstract contract Challenges is IChannelHub, HubState {
    uint256 private constant ROUNDING = 2;
    /// @dev The hard bound of {IParameters}.
    uint256 private constant LARGEST_ISSUER_SHARE = 3_000;

    /// @dev A committed root, and what its anchor is asked for.
    struct Contest {
        address anchor;
        uint32 period;
        address node;
        PotWord word;
        bytes32 root;
    }

    /// @inheritdoc IChannelHub
    function challenge(
        address anchor,
        uint32 period,
        address node,
        OwedLane[] calldata lanes,
        PayoutProof calldata proof
    ) external {
        Contest memory contest = _contest(anchor, period, node);
        uint256 paid = _shown(contest, _payee(node, period), proof);
        uint256 owed = _owed(contest, lanes, paid);
        if (owed <= paid) revert ChannelHub_NotUnderpaid(owed, paid);

        _void(contest, msg.sender, owed, paid);
    }

    /// @inheritdoc IChannelHub
    function challengeOrder(address anchor, uint32 period, PayoutProof calldata proof) external {
        Contest memory contest = _contest(anchor, period, address(0));
        _checkProof(contest, proof);
        if (proof.payouts.length != 2 || proof.payouts[0].account < proof.payouts[1].account) {
            revert ChannelHub_InOrder(
                proof.payouts[0].account, proof.payouts[proof.payouts.length - 1].account
            );
        }

        _void(contest, msg.sender, 0, 0);
    }

    /// @inheritdoc IChannelHub
    function demandPayout(address anchor, uint32 period, address node, OwedLane[] calldata lanes) external {
        Contest memory contest = _contest(anchor, period, node);
        uint64 finalAt = contest.word.finalAt();
        uint64 window = parameters.termsAt(period).challengeWindow;
        _checkWindow(0, finalAt - window / 2);
        address account = _payee(node, period);
        mapping(address account => Demand demand) storage demands = _pots[anchor][period].demands;
        if (demands[account] != Demand.None) revert ChannelHub_DemandInvalid(account);
        if (_owed(contest, lanes, 0) == 0) revert ChannelHub_NotUnderpaid(0, 0);

        demands[account] = Demand.Open;

        emit PayoutDemanded(anchor, period, account, finalAt - window / 4);
    }

    /// @inheritdoc IChannelHub
    function showPayout(address anchor, uint32 period, address account, PayoutProof calldata proof) external {
        (PotState storage pot, PotWord word) = _committedPot(anchor, period);
        if (pot.demands[account] != Demand.Open) revert ChannelHub_DemandInvalid(account);
        uint128 paid = _shown(Contest(anchor, period, address(0), word, pot.root), account, proof);

        pot.demands[account] = Demand.Answered;

        emit PayoutShown(anchor, period, account, paid, proof);
    }

    /// @inheritdoc IChannelHub
    function voidUnshown(address anchor, uint32 period, address account) external {
        Contest memory contest = _contest(anchor, period, address(0));
        if (_pots[anchor][period].demands[account] != Demand.Open) revert ChannelHub_DemandInvalid(account);
        uint64 finalAt = contest.word.finalAt();
        _checkWindow(finalAt - parameters.termsAt(period).challengeWindow / 4, finalAt);

        _void(contest, address(0), 0, 0);
    }

    function _void(Contest memory contest, address challenger, uint256 owed, uint256 paid) private {
        (address anchor, uint32 period, address node) = (contest.anchor, contest.period, contest.node);

        _pots[anchor][period].word = contest.word.voided(PotWords.verdictOf(challenger, node));

        emit PeriodVoided(anchor, period, challenger, node, owed, paid);
    }

    function _contest(address anchor, uint32 period, address node) private view returns (Contest memory) {
        (PotState storage pot, PotWord word) = _committedPot(anchor, period);
        _checkWindow(0, word.finalAt());
        return Contest(anchor, period, node, word, pot.root);
    }

    /// @dev Where payouts to `node` go; a key that is not registered is paid on its own account.
    function _payee(address node, uint32 period) private view returns (address account) {
        account = nodes.payoutAt(node, period);
        if (account == address(0)) account = node;
    }

    /// @dev What `payouts`, once proved, say of `account`: its leaf, or that there is none.
    function _shown(Contest memory contest, address account, PayoutProof calldata proof)
        private
        pure
        returns (uint128)
    {
        _checkProof(contest, proof);
        Payout[] calldata payouts = proof.payouts;
        address first = payouts[0].account;
        if (payouts.length == 1) {
            if (first == account) return payouts[0].amount;
            if (proof.firstIndex == 0 && account < first) return 0;
            if (proof.firstIndex + 1 == contest.word.leafCount() && account > first) return 0;
        } else if (payouts.length == 2 && first < account && account < payouts[1].account) {
            return 0;
        }
        revert ChannelHub_PayoutNotShown(account);
    }

    function _checkProof(Contest memory contest, PayoutProof calldata proof) private pure {
        Payout[] calldata payouts = proof.payouts;
        (uint256 first, uint256 size) = (proof.firstIndex, contest.word.leafCount());
        (bytes32 root, uint128 sum) = (contest.root, contest.word.sum());
        bool leads = payouts.length == 1
            ? MerkleSum.verifyOne(payouts[0], first, size, proof.siblings, root, sum)
            : MerkleSum.verify(payouts, first, size, proof.siblings, root, sum);
        if (!leads) revert ChannelHub_ProofInvalid(contest.anchor, contest.period);
    }

    /// @dev The node's shares of all lanes, each proved, or the call reverts. Issuers are asked for
    /// their shares only where more than `paid` is not owed even if all had the largest.
    function _owed(Contest memory contest, OwedLane[] calldata lanes, uint256 paid)
        private
        view
        returns (uint256 owed)
    {
        uint256 template = RowSigners.forLanes(_domainSeparatorV4(), contest.node, contest.period);
        uint256[] memory gross = new uint256[](lanes.length);
        for (uint256 i; i < lanes.length; ++i) {
            if (i != 0 && !_ascend(lanes[i - 1], lanes[i])) revert ChannelHub_LanesUnordered(i);
            gross[i] = _proved(contest, template, lanes[i], i);
            owed += _nodeShare(contest.word, gross[i], LARGEST_ISSUER_SHARE);
        }
        if (owed > paid) return owed;
        owed = 0;
        for (uint256 i; i < lanes.length; ++i) {
            (, uint16 issuerShare) = issuers.revenueAt(lanes[i].tokenClass, contest.period);
            owed += _nodeShare(contest.word, gross[i], issuerShare);
        }
    }

    /// @dev What the anchor owes in one lane of a channel that it settled.
    function _proved(Contest memory contest, uint256 template, OwedLane calldata lane, uint256 index)
        private
        view
        returns (uint128)
    {
        uint32 period = contest.period;
        ChannelWord word = _channelAt(lane.signer, period).word;
        if (word.anchorAt(period) != contest.word.anchorNumber()) {
            revert ChannelHub_LaneInvalid(index, SkipReason.WrongAnchor);
        }
        if (!word.isSettled(period)) revert ChannelHub_LaneInvalid(index, SkipReason.NotSettled);
        if (lane.r == 0 && lane.vs == 0) {
            return _posted[_lane(lane.signer, period, contest.node, lane.tokenClass)];
        }
        if (RowSigners.ofOwedLane(template, lane) != contest.anchor) {
            revert ChannelHub_LaneInvalid(index, SkipReason.AcknowledgementInvalid);
        }
        return lane.acknowledged;
    }

    /// @dev As in {Splits}, what is left for the node when all others took theirs; less the two units
    /// by which rounding may leave less of a larger gross, as the Statement may sum more than was
    /// acknowledged.
    function _nodeShare(PotWord word, uint256 gross, uint256 issuerShare)
        private
        pure
        returns (uint256 share)
    {
        (uint16 protocolShare, uint16 anchorShare) = word.shares();
        unchecked {
            share = gross - (gross * protocolShare + BASIS_POINTS - 1) / BASIS_POINTS - gross * anchorShare
                / BASIS_POINTS - gross * issuerShare / BASIS_POINTS;
            return share > ROUNDING ? share - ROUNDING : 0;
        }
    }

    function _ascend(OwedLane calldata lower, OwedLane calldata upper) private pure returns (bool) {
        if (lower.signer != upper.signer) return lower.signer < upper.signer;
        return lower.tokenClass < upper.tokenClass;
    }
}
