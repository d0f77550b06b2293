// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";

/// @notice A channel's hot state in one storage word, so that settling a row reads and writes one
/// slot. From the lowest bit:
///
///   bits   0–95   balance
///   bits  96–127  anchor           number of the anchor of the periods before `nextFrom`
///   bits 128–158  nextAnchor       number of the anchor from period `nextFrom` on
///   bit  159      special          keys changed or are limited, so that they must be looked up
///   bits 160–191  nextFrom         0 where no change was ever made
///   bits 192–223  settledUntil     1 + the highest period settled, 0 where none is
///   bits 224–255  settled          bit i: period settledUntil - 1 - i is settled
///
/// A word of 0 is no channel, as numbers of anchors start at 1.
type ChannelWord is uint256;

using ChannelWords for ChannelWord global;

/// @title Reading and changing a {ChannelWord}
library ChannelWords {
    uint256 private constant HISTORY = 32;
    uint256 private constant BALANCE_MASK = type(uint96).max;
    uint256 private constant FIELD = type(uint32).max;
    uint256 private constant NEXT_ANCHOR = type(uint32).max >> 1;
    uint256 private constant SPECIAL = 1 << 159;

    /// @notice A new channel's word.
    function create(uint96 amount, uint32 anchorNumber) internal pure returns (ChannelWord) {
        return ChannelWord.wrap(uint256(amount) | uint256(anchorNumber) << 96);
    }

    /// @notice Whether there is a channel at all.
    function exists(ChannelWord word) internal pure returns (bool) {
        return ChannelWord.unwrap(word) != 0;
    }

    /// @notice Whether the channel exists, and its first key signs in every period without a limit.
    function isPlain(ChannelWord word) internal pure returns (bool) {
        uint256 raw = ChannelWord.unwrap(word);
        return raw != 0 && raw & SPECIAL == 0;
    }

    /// @notice The same channel, whose keys must be looked up.
    function withSpecialKeys(ChannelWord word) internal pure returns (ChannelWord) {
        return ChannelWord.wrap(ChannelWord.unwrap(word) | SPECIAL);
    }

    /// @notice What the channel holds.
    function balance(ChannelWord word) internal pure returns (uint96) {
        return uint96(ChannelWord.unwrap(word));
    }

    /// @notice The same channel with another balance.
    function withBalance(ChannelWord word, uint96 amount) internal pure returns (ChannelWord) {
        return ChannelWord.wrap(ChannelWord.unwrap(word) & ~BALANCE_MASK | amount);
    }

    /// @notice The number of the anchor of the periods before {nextFrom}.
    function firstAnchor(ChannelWord word) internal pure returns (uint32) {
        return uint32(ChannelWord.unwrap(word) >> 96);
    }

    /// @notice The number of the anchor from period {nextFrom} on, 0 where no change was made.
    function nextAnchor(ChannelWord word) internal pure returns (uint32) {
        return uint32(ChannelWord.unwrap(word) >> 128 & NEXT_ANCHOR);
    }

    /// @notice The period in which the last change of anchor takes effect, 0 where none was made.
    function nextFrom(ChannelWord word) internal pure returns (uint32) {
        return uint32(ChannelWord.unwrap(word) >> 160);
    }

    /// @notice The number of the anchor that settles the channel in `period`.
    function anchorAt(ChannelWord word, uint32 period) internal pure returns (uint32) {
        uint32 from = nextFrom(word);
        return from != 0 && period >= from ? nextAnchor(word) : firstAnchor(word);
    }

    /// @notice The same channel with `first` until period `from`, and `next` from it on.
    function withAnchors(ChannelWord word, uint32 first, uint32 next, uint32 from)
        internal
        pure
        returns (ChannelWord)
    {
        uint256 kept = ChannelWord.unwrap(word) & (BALANCE_MASK | SPECIAL | ~uint256(type(uint192).max));
        return ChannelWord.wrap(kept | uint256(first) << 96 | uint256(next) << 128 | uint256(from) << 160);
    }

    /// @notice Whether `period` is settled; one too old to be remembered counts as settled.
    function isSettled(ChannelWord word, uint32 period) internal pure returns (bool) {
        uint256 until = uint32(ChannelWord.unwrap(word) >> 192);
        if (period >= until) return false;
        uint256 age = until - 1 - period;
        return age >= HISTORY || (ChannelWord.unwrap(word) >> 224) >> age & 1 == 1;
    }

    /// @notice What settling `amount` in `period` by `anchorNumber` makes of the channel, or a word of
    /// 0 and why it cannot. The same as {anchorAt}, {isSettled}, {withBalance} and {withSettled} one
    /// after the other, in one piece because it runs once per row of a month.
    function settle(ChannelWord word, uint256 anchorNumber, uint256 period, uint256 amount)
        internal
        pure
        returns (ChannelWord settledWord, IChannelHubTypes.SkipReason reason)
    {
        unchecked {
            uint256 raw = ChannelWord.unwrap(word);
            if (raw == 0) return (settledWord, IChannelHubTypes.SkipReason.UnknownChannel);
            uint256 field = raw >> 160 & FIELD; // nextFrom
            field = field != 0 && period >= field ? raw >> 128 & NEXT_ANCHOR : raw >> 96 & FIELD;
            if (field != anchorNumber) return (settledWord, IChannelHubTypes.SkipReason.WrongAnchor);

            uint256 settled = raw >> 224;
            field = raw >> 192 & FIELD; // settledUntil
            if (period >= field) {
                uint256 newer = period + 1 - field;
                settled = newer < HISTORY ? settled << newer & FIELD | 1 : 1;
                field = period + 1;
            } else {
                uint256 age = field - 1 - period;
                if (age >= HISTORY || settled >> age & 1 == 1) {
                    return (settledWord, IChannelHubTypes.SkipReason.AlreadySettled);
                }
                settled |= 1 << age;
            }
            if (amount > raw & BALANCE_MASK) {
                return (settledWord, IChannelHubTypes.SkipReason.InsufficientBalance);
            }
            // An anchor's number is not zero, so neither is the word.
            raw = (raw & type(uint192).max) - amount;
            settledWord = ChannelWord.wrap(raw | field << 192 | settled << 224);
        }
    }

    /// @notice The same channel with `period`, which is not settled, settled.
    function withSettled(ChannelWord word, uint32 period) internal pure returns (ChannelWord) {
        uint256 raw = ChannelWord.unwrap(word);
        uint256 until = uint32(raw >> 192);
        uint256 settled = raw >> 224;
        if (period >= until) {
            // Shifted out of 32 bits are the periods that are no longer remembered.
            uint256 newer = uint256(period) + 1 - until;
            settled = newer < HISTORY ? uint32(settled << newer) | 1 : 1;
            until = uint256(period) + 1;
        } else {
            settled |= 1 << until - 1 - period;
        }
        return ChannelWord.wrap(raw & type(uint192).max | until << 192 | settled << 224);
    }

    /// @notice The same channel with `period` no longer settled, where it is still remembered.
    function withoutSettled(ChannelWord word, uint32 period) internal pure returns (ChannelWord) {
        uint256 raw = ChannelWord.unwrap(word);
        uint256 until = uint32(raw >> 192);
        if (period >= until || until - 1 - period >= HISTORY) return word;
        return ChannelWord.wrap(raw & ~(uint256(1) << 224 + (until - 1 - period)));
    }
}
