// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {PayoutLog} from "../libraries/PayoutLog.sol";
import {PotWord} from "../libraries/PotWord.sol";
import {HubState} from "./HubState.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title From final roots to credit, and from credit to accounts
abstract contract Payouts is IChannelHub, HubState {
    using SafeERC20 for IServiceToken;

    /// @inheritdoc IChannelHub
    function distribute(
        address anchor,
        uint32 period,
        uint32 firstIndex,
        Payout[] calldata payouts,
        ProofNode[] calldata siblings
    ) external {
        PotState storage pot = _finalPot(anchor, period);
        PotWord word = pot.word;
        if (!MerkleSum.verify(payouts, firstIndex, word.leafCount(), siblings, pot.root, word.sum())) {
            revert ChannelHub_ProofInvalid(anchor, period);
        }

        uint256 paid = _pay(pot, firstIndex, payouts);
        pot.distributed += uint128(paid);

        PayoutLog.log(anchor, period, firstIndex, payouts);
    }

    /// @inheritdoc IChannelHub
    function withdrawCredit(address to, uint128 amount) external {
        if (to == address(0)) revert ChannelHub_ZeroAccount();
        _takeCredit(msg.sender, amount);
        emit CreditWithdrawn(msg.sender, to, amount);
        serviceToken.safeTransfer(to, amount);
    }

    /// @inheritdoc IChannelHub
    function burnCredit() external returns (uint128 amount) {
        amount = creditOf(address(0));
        _takeCredit(address(0), amount);
        emit CreditBurnt(amount);
        serviceToken.burn(amount);
    }

    /// @inheritdoc IChannelHub
    function isPaid(address anchor, uint32 period, uint32 index) external view returns (bool) {
        return _pots[anchor][period].paid[index >> 8] >> (index & 0xff) & 1 == 1;
    }

    /// @inheritdoc IChannelHub
    function creditOf(address account) public view returns (uint128) {
        return uint128(_credits[account]);
    }

    /// @dev Credits what was not paid before; the bitmap is read and written once per 256 payouts.
    /// Sums stay below the pot's, which fits 128 bits.
    function _pay(PotState storage pot, uint256 index, Payout[] calldata payouts)
        private
        returns (uint256 sum)
    {
        unchecked {
            uint256 bits = pot.paid[index >> 8];
            for (uint256 i; i < payouts.length; ++i) {
                uint256 bit = 1 << (index & 0xff);
                if (bits & bit == 0) {
                    Payout calldata payout = payouts[i];
                    uint128 amount = payout.amount;
                    _addCredit(payout.account, amount);
                    bits |= bit;
                    sum += amount;
                }
                if (++index & 0xff == 0) {
                    pot.paid[(index >> 8) - 1] = bits;
                    bits = pot.paid[index >> 8];
                }
            }
            if (index & 0xff != 0) pot.paid[index >> 8] = bits;
        }
    }
}
