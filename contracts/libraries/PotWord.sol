// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

/// @notice A pot's hot state in one storage word, so that a challenge changes one slot. From the lowest
/// bit:
///
///   bits   0–95   sum              what Statements debited and is not restored
///   bits  96–111  chunks
///   bits 112–119  status
///
/// then of a void pot
///
///   bits 120–255  verdict          by whom it was disproved: see {PotWords-verdictOf}, 0 for nobody
///
/// and of any other
///
///   bits 120–151  anchorNumber     0 before the first chunk
///   bits 152–183  leafCount        from here on 0 before the commit
///   bits 184–223  finalAt
///   bits 224–239  protocolShare
///   bits 240–255  anchorShare
type PotWord is uint256;

using PotWords for PotWord global;

/// @title Reading and changing a {PotWord}
library PotWords {
    uint256 private constant FIRST = 120;
    uint256 private constant COLLECTED = (1 << 112) - 1;

    /// @notice What Statements debited and is not restored.
    function sum(PotWord word) internal pure returns (uint96) {
        return uint96(PotWord.unwrap(word));
    }

    /// @notice How many chunks were accepted.
    function chunks(PotWord word) internal pure returns (uint16) {
        return uint16(PotWord.unwrap(word) >> 96);
    }

    /// @notice Where the pot stands.
    function status(PotWord word) internal pure returns (IChannelHubTypes.PotStatus) {
        return IChannelHubTypes.PotStatus(uint8(PotWord.unwrap(word) >> 112));
    }

    /// @notice The number of the anchor whose pot it is, 0 before its first chunk and where it is void.
    function anchorNumber(PotWord word) internal pure returns (uint32) {
        return isVoid(word) ? 0 : uint32(PotWord.unwrap(word) >> FIRST);
    }

    /// @notice How many payouts were committed, 0 where it is void.
    function leafCount(PotWord word) internal pure returns (uint32) {
        return isVoid(word) ? 0 : uint32(PotWord.unwrap(word) >> 152);
    }

    /// @notice When the root is final, 0 where it is void.
    function finalAt(PotWord word) internal pure returns (uint40) {
        return isVoid(word) ? 0 : uint40(PotWord.unwrap(word) >> 184);
    }

    /// @notice The period's shares, in basis points. Requirements: the pot is committed.
    function shares(PotWord word) internal pure returns (uint16 protocolShare, uint16 anchorShare) {
        uint256 raw = PotWord.unwrap(word);
        return (uint16(raw >> 224), uint16(raw >> 240));
    }

    /// @notice By whom a void pot was disproved, 0 for nobody. Requirements: the pot is void.
    function verdict(PotWord word) internal pure returns (uint256) {
        return PotWord.unwrap(word) >> FIRST;
    }

    /// @notice Whether the root was voided.
    function isVoid(PotWord word) internal pure returns (bool) {
        return uint8(PotWord.unwrap(word) >> 112) == uint8(IChannelHubTypes.PotStatus.Void);
    }

    /// @notice 136 bits of keccak256(abi.encode(challenger, node)); 0 for the zero challenger.
    function verdictOf(address challenger, address node) internal pure returns (uint256) {
        return challenger == address(0) ? 0 : uint256(keccak256(abi.encode(challenger, node))) >> FIRST;
    }

    /// @notice The same pot with another chunk of `amount`. Requirements: it is open; amounts come from
    /// deposits, so that their sum stays below the token's supply, which fits 96 bits.
    function withChunk(PotWord word, uint32 number, uint256 amount) internal pure returns (PotWord) {
        uint256 collected = (PotWord.unwrap(word) & COLLECTED) + amount;
        if (chunks(word) == type(uint16).max) revert IChannelHubTypes.ChannelHub_TooManyChunks();
        unchecked {
            return PotWord.wrap(collected + (1 << 96) | uint256(number) << FIRST);
        }
    }

    /// @notice The same pot, `amount` less in it.
    function without(PotWord word, uint96 amount) internal pure returns (PotWord) {
        return PotWord.wrap(PotWord.unwrap(word) - sum(word) + (sum(word) - amount));
    }

    /// @notice The same pot, committed. Requirements: it is open.
    function committed(PotWord word, uint32 leaves, uint40 final_, uint16 protocolShare, uint16 anchorShare)
        internal
        pure
        returns (PotWord)
    {
        return PotWord.wrap(
            PotWord.unwrap(word) | uint256(IChannelHubTypes.PotStatus.Committed) << 112 | uint256(leaves)
                << 152 | uint256(final_) << 184 | uint256(protocolShare) << 224 | uint256(anchorShare) << 240
        );
    }

    /// @notice The same pot, void by `verdict_`.
    function voided(PotWord word, uint256 verdict_) internal pure returns (PotWord) {
        return PotWord.wrap(
            PotWord.unwrap(word) & COLLECTED | uint256(IChannelHubTypes.PotStatus.Void) << 112 | verdict_
                << FIRST
        );
    }
}
