// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {ChannelWord} from "../libraries/ChannelWord.sol";
import {PotWord, PotWords} from "../libraries/PotWord.sol";
import {HubState} from "./HubState.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title What becomes of void periods, and of credit that is spent on rent
/// @dev Part of the hub's extension; see {IChannelHub}.
abstract contract Recovery is HubState {
    using SafeERC20 for IServiceToken;

    /// @notice See {IChannelHub-restoreChunk}.
    function restoreChunk(address anchor, uint32 period, uint32 chunk, AcceptedRow[] calldata rows) external {
        PotState storage pot = _pots[anchor][period];
        _checkRestorable(pot, anchor, period);
        bytes32 commitment = pot.commitments[chunk];
        if (commitment == 0 || commitment != keccak256(abi.encode(rows))) {
            revert ChannelHub_ChunkMismatch(anchor, period, chunk);
        }

        uint96 restored;
        for (uint256 i; i < rows.length; ++i) {
            AcceptedRow calldata row = rows[i];
            ChannelState storage channel = _channelAt(row.signer, period);
            ChannelWord word = channel.word;
            uint96 balance = word.balance() + uint96(row.amount);
            channel.word = word.withBalance(balance).withoutSettled(period);
            _raise(channel, balance);
            restored += uint96(row.amount);
        }
        pot.word = pot.word.without(restored);
        delete pot.commitments[chunk];

        emit StatementsRestored(anchor, period, chunk, restored);
    }

    /// @notice See {IChannelHub-forfeitBond}.
    function forfeitBond(address anchor, uint32 period, address challenger, address node) external {
        PotState storage pot = _pots[anchor][period];
        PotWord word = pot.word;
        if (!word.isVoid()) revert ChannelHub_PotStatus(anchor, period, word.status());
        uint96 bond = pot.bond;
        if (bond == 0 || pot.bondReleased) revert ChannelHub_AmountInvalid(0, 0);
        bool disproved = word.verdict() != 0;
        if (disproved && word.verdict() != PotWords.verdictOf(challenger, node)) {
            revert ChannelHub_ChallengerInvalid(challenger, node);
        }

        pot.bondReleased = true;

        emit BondForfeited(anchor, period, bond, disproved);
        nodes.unlockBond(anchor, bond);
        if (disproved) disputes.punishFraud(anchor, period, bond, challenger, node);
    }

    /// @notice See {IChannelHub-spendCreditOnRent}.
    /// @dev What may be spent is taken before the vault is called, and what is left comes back after.
    function spendCreditOnRent(bytes32 tokenClass, uint32 periods, uint128 maximum)
        external
        returns (uint128 amount)
    {
        _takeCredit(msg.sender, maximum);
        serviceToken.forceApprove(address(rent), maximum);
        amount = rent.topUp(tokenClass, periods);
        serviceToken.forceApprove(address(rent), 0);
        if (amount != maximum) _addCredit(msg.sender, maximum - amount);
        emit CreditSpentOnRent(msg.sender, tokenClass, periods, amount);
    }

    function _checkRestorable(PotState storage pot, address anchor, uint32 period) private view {
        PotStatus status = pot.word.status();
        if (status == PotStatus.Committed) revert ChannelHub_PotStatus(anchor, period, status);
        if (status == PotStatus.Open) {
            _checkWindow(parameters.windowsOf(period).settleUntil, type(uint64).max);
        }
    }
}
