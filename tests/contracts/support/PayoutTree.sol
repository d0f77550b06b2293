// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";

/// @dev Builds trees and range proofs, written apart from the contracts' library on purpose: the
/// description in MerkleSum.sol is all that the two share.
library PayoutTree {
    function leaf(IChannelHubTypes.Payout memory payout)
        internal
        pure
        returns (IChannelHubTypes.ProofNode memory)
    {
        return IChannelHubTypes.ProofNode(
            keccak256(abi.encodePacked(uint8(0), payout.account, payout.amount)), payout.amount
        );
    }

    function leaves(IChannelHubTypes.Payout[] memory payouts)
        internal
        pure
        returns (IChannelHubTypes.ProofNode[] memory level)
    {
        level = new IChannelHubTypes.ProofNode[](payouts.length);
        for (uint256 i; i < payouts.length; ++i) {
            level[i] = leaf(payouts[i]);
        }
    }

    function join(IChannelHubTypes.ProofNode memory left, IChannelHubTypes.ProofNode memory right)
        internal
        pure
        returns (IChannelHubTypes.ProofNode memory)
    {
        return IChannelHubTypes.ProofNode(
            keccak256(abi.encodePacked(uint8(1), left.hash, left.sum, right.hash, right.sum)),
            left.sum + right.sum
        );
    }

    function above(IChannelHubTypes.ProofNode[] memory level)
        internal
        pure
        returns (IChannelHubTypes.ProofNode[] memory next)
    {
        next = new IChannelHubTypes.ProofNode[]((level.length + 1) / 2);
        for (uint256 i; i + 1 < level.length; i += 2) {
            next[i / 2] = join(level[i], level[i + 1]);
        }
        if (level.length % 2 == 1) next[next.length - 1] = level[level.length - 1];
    }

    function root(IChannelHubTypes.Payout[] memory payouts)
        internal
        pure
        returns (IChannelHubTypes.ProofNode memory)
    {
        IChannelHubTypes.ProofNode[] memory level = leaves(payouts);
        while (level.length > 1) level = above(level);
        return level[0];
    }

    function proof(IChannelHubTypes.Payout[] memory payouts, uint256 first, uint256 count)
        internal
        pure
        returns (IChannelHubTypes.ProofNode[] memory siblings)
    {
        IChannelHubTypes.ProofNode[] memory level = leaves(payouts);
        IChannelHubTypes.ProofNode[] memory found = new IChannelHubTypes.ProofNode[](64);
        uint256 used;
        uint256 last = first + count - 1;
        while (level.length > 1) {
            if (first % 2 == 1) found[used++] = level[first - 1];
            if (last % 2 == 0 && last + 1 < level.length) found[used++] = level[last + 1];
            (first, last) = (first / 2, last / 2);
            level = above(level);
        }
        siblings = new IChannelHubTypes.ProofNode[](used);
        for (uint256 i; i < used; ++i) {
            siblings[i] = found[i];
        }
    }

    function slice(IChannelHubTypes.Payout[] memory payouts, uint256 first, uint256 count)
        internal
        pure
        returns (IChannelHubTypes.Payout[] memory part)
    {
        part = new IChannelHubTypes.Payout[](count);
        for (uint256 i; i < count; ++i) {
            part[i] = payouts[first + i];
        }
    }
}
