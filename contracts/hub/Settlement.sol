// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {AcceptedRows} from "../libraries/AcceptedRows.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {PotWord} from "../libraries/PotWord.sol";
import {RowSigners} from "../libraries/RowSigners.sol";
import {HubState} from "./HubState.sol";

/// @title The anchor's part: Statements in, one root out
abstract contract Settlement is IChannelHub, HubState {
    using AcceptedRows for AcceptedRows.Buffer;

    /// @inheritdoc IChannelHub
    function settleChunk(uint32 period, StatementRow[] calldata rows) external {
        (PotState storage pot, PotWord pooled) = _openPot(period);
        uint32 number = pooled.anchorNumber();
        if (number == 0) number = _nodeNumber(msg.sender, period);

        AcceptedRows.Buffer memory accepted = AcceptedRows.create(rows.length);
        uint256 template = RowSigners.forStatements(_domainSeparatorV4(), msg.sender, period);
        for (uint256 i; i < rows.length; ++i) {
            _settleRow(number, period, i, AcceptedRows.rowAt(rows, i), template, accepted);
        }
        if (accepted.count == 0) return;

        uint16 chunk = pooled.chunks();
        bytes32 commitment = accepted.commitment();
        pot.word = pooled.withChunk(number, accepted.sum);
        pot.commitments[chunk] = commitment;

        accepted.log(msg.sender, period, chunk, commitment);
    }

    /// @inheritdoc IChannelHub
    function commitPeriod(uint32 period, bytes32 root, uint128 sum, uint32 leafCount) external {
        (PotState storage pot, PotWord pooled) = _openPot(period);
        if (sum != pooled.sum() || sum == 0) revert ChannelHub_SumMismatch(sum, pooled.sum());
        if (leafCount == 0) revert ChannelHub_NoPayouts();
        IParameters.Terms memory terms = parameters.termsAt(period);
        uint40 finalAt = uint40(block.timestamp) + terms.challengeWindow;
        uint96 bond = uint96((uint256(sum) * terms.bondRatio + BASIS_POINTS - 1) / BASIS_POINTS);

        pot.word = pooled.committed(leafCount, finalAt, terms.protocolShare, terms.anchorShare);
        pot.root = root;
        pot.bond = bond;

        emit PeriodCommitted(msg.sender, period, root, sum, leafCount, finalAt, bond);
        nodes.lockBond(msg.sender, bond);
    }

    /// @inheritdoc IChannelHub
    function releaseBond(address anchor, uint32 period) external {
        PotState storage pot = _finalPot(anchor, period);
        uint96 bond = pot.bond;
        if (bond == 0 || pot.bondReleased) revert ChannelHub_AmountInvalid(0, 0);

        pot.bondReleased = true;

        emit BondReleased(anchor, period, bond);
        nodes.unlockBond(anchor, bond);
    }

    /// @inheritdoc IChannelHub
    function potOf(address anchor, uint32 period) external view returns (Pot memory) {
        PotState storage pot = _pots[anchor][period];
        PotWord word = pot.word;
        return Pot({
            status: word.status(),
            sum: word.sum(),
            distributed: pot.distributed,
            chunks: word.chunks(),
            leafCount: word.leafCount(),
            finalAt: word.finalAt(),
            root: word.isVoid() ? bytes32(0) : pot.root,
            bond: pot.bondReleased ? 0 : pot.bond
        });
    }

    /// @inheritdoc IChannelHub
    function chunkOf(address anchor, uint32 period, uint32 chunk) external view returns (bytes32) {
        return _pots[anchor][period].commitments[chunk];
    }

    function _settleRow(
        uint256 anchor,
        uint256 period,
        uint256 index,
        StatementRow calldata row,
        uint256 template,
        AcceptedRows.Buffer memory accepted
    ) private {
        uint256 amount = AcceptedRows.rawAmount(row);
        address signer = RowSigners.ofStatement(template, row);
        ChannelState storage channel = _channels[signer];
        ChannelWord word = channel.word;
        if (!word.isPlain()) {
            channel = _channels[_channelName(signer, uint32(period))];
            word = _passesCap(signer, period, amount) ? ChannelWord.wrap(0) : channel.word;
        }
        SkipReason reason;
        (word, reason) = word.settle(anchor, period, amount);
        if (!word.exists() || amount == 0) {
            if (_passesCap(signer, period, amount)) reason = SkipReason.LimitExceeded;
            if (signer == address(0)) reason = SkipReason.SignatureInvalid;
            if (amount == 0) reason = SkipReason.ZeroAmount;
            emit RowSkipped(msg.sender, uint32(period), index, signer, reason);
            return;
        }
        channel.word = word;
        accepted.add(signer, amount, row.vouchersRoot);
    }

    function _passesCap(address signer, uint256 period, uint256 amount) private view returns (bool) {
        uint256 cap = _capAt(signer, uint32(period));
        return cap != 0 && amount > cap;
    }

    function _openPot(uint32 period) private view returns (PotState storage pot, PotWord word) {
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.settleFrom, windows.settleUntil);
        pot = _pots[msg.sender][period];
        word = pot.word;
        if (word.status() != PotStatus.Open) revert ChannelHub_PotStatus(msg.sender, period, word.status());
    }
}
