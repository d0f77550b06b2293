// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MerkleSum} from "../libraries/MerkleSum.sol";
import {PotWord} from "../libraries/PotWord.sol";
import {HubState} from "./HubState.sol";

/// @title One payout of a final root, claimed by itself
/// @dev Part of the hub's second extension; see {IChannelHub}.
abstract contract SinglePayouts is HubState {
    /// @notice See {IChannelHub-claim}.
    function claim(
        address anchor,
        uint32 period,
        uint32 index,
        Payout calldata payout,
        ProofNode[] calldata siblings
    ) external {
        PotState storage pot = _finalPot(anchor, period);
        PotWord word = pot.word;
        if (!MerkleSum.verifyOne(payout, index, word.leafCount(), siblings, pot.root, word.sum())) {
            revert ChannelHub_ProofInvalid(anchor, period);
        }
        uint256 bits = pot.paid[index >> 8];
        uint256 bit = 1 << (index & 0xff);
        if (bits & bit != 0) revert ChannelHub_AlreadyPaid(anchor, period, index);

        pot.paid[index >> 8] = bits | bit;
        pot.distributed += payout.amount;
        _addCredit(payout.account, payout.amount);

        Payout[] memory payouts = new Payout[](1);
        payouts[0] = payout;
        emit PayoutsDistributed(anchor, period, index, payouts);
    }
}
