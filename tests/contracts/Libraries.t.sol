// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {ChannelWord, ChannelWords} from "../../contracts/libraries/ChannelWord.sol";
import {MerkleSum} from "../../contracts/libraries/MerkleSum.sol";
import {PotWord, PotWords} from "../../contracts/libraries/PotWord.sol";
import {Splits} from "../../contracts/libraries/Splits.sol";
import {Test} from "./support/Vm.sol";

contract LibrariesTest is Test {
    mapping(uint32 period => bool settled) private _model;

    function test_splits_sum_to_the_gross_and_stay_within_a_unit(
        uint128 gross,
        uint16 protocolShare,
        uint16 burnShare,
        uint16 anchorShare,
        uint16 issuerShare
    ) public pure {
        protocolShare = uint16(bound(protocolShare, 0, 500));
        burnShare = uint16(bound(burnShare, 0, 10_000));
        anchorShare = uint16(bound(anchorShare, 0, 1_000));
        issuerShare = uint16(bound(issuerShare, 0, 3_000));
        Splits.Split memory parts = Splits.split(gross, protocolShare, burnShare, anchorShare, issuerShare);
        uint256 g = gross;
        uint256 protocol = uint256(parts.treasury) + parts.burnt;
        vm.assertEq(protocol + parts.anchor + parts.issuer + parts.node, g, "sum");
        vm.assertGe(protocol * 10_000, g * protocolShare, "rounded up");
        vm.assertLe(protocol * 10_000, g * protocolShare + 9_999, "by less than a unit");
        vm.assertLe(uint256(parts.anchor) * 10_000, g * anchorShare, "rounded down");
        vm.assertGe(uint256(parts.anchor) * 10_000 + 9_999, g * anchorShare, "by less than a unit");
        vm.assertLe(uint256(parts.issuer) * 10_000, g * issuerShare, "rounded down");
        vm.assertGe(uint256(parts.issuer) * 10_000 + 9_999, g * issuerShare, "by less than a unit");
        vm.assertLe(uint256(parts.burnt) * 10_000, protocol * burnShare, "rounded down");
    }

    function test_one_unit_is_the_protocols() public pure {
        Splits.Split memory parts = Splits.split(1, 500, 5_000, 1_000, 3_000);
        vm.assertEq(parts.treasury, 1, "treasury");
        vm.assertEq(parts.node, 0, "node");
    }

    function test_an_earlier_period_is_settled_after_a_later_one() public pure {
        ChannelWord word = ChannelWords.create(100, 7);
        (word,) = word.settle(7, 5, 10);
        (word,) = word.settle(7, 3, 20);
        vm.assertTrue(word.isSettled(5) && word.isSettled(3), "both");
        vm.assertFalse(word.isSettled(4), "and not between");
        vm.assertEq(word.balance(), 70, "both amounts");
        (, IChannelHubTypes.SkipReason reason) = word.settle(7, 3, 1);
        vm.assertTrue(reason == IChannelHubTypes.SkipReason.AlreadySettled, "once");
    }

    /// @dev A word is as a struct of its fields would be, whatever they are.
    function test_a_pots_word_keeps_its_fields(
        uint32 number,
        uint32 leaves,
        uint40 finalAt,
        uint16 protocolShare,
        uint16 anchorShare,
        address challenger
    ) public pure {
        PotWord word = PotWord.wrap(0).withChunk(number, 5e18).withChunk(number, 2e18);
        vm.assertEq(word.anchorNumber(), number, "number");
        vm.assertEq(word.chunks(), 2, "chunks");
        word = word.committed(leaves, finalAt, protocolShare, anchorShare);
        vm.assertEq(word.leafCount(), leaves, "leaves");
        vm.assertEq(word.finalAt(), finalAt, "final");
        (uint16 protocol, uint16 anchor) = word.shares();
        vm.assertEq(protocol, protocolShare, "protocol");
        vm.assertEq(anchor, anchorShare, "anchor");
        vm.assertFalse(word.isVoid(), "committed");
        word = word.voided(PotWords.verdictOf(challenger, address(0xB1))).without(3e18);
        vm.assertTrue(word.isVoid(), "void");
        vm.assertEq(word.verdict(), PotWords.verdictOf(challenger, address(0xB1)), "verdict");
        vm.assertTrue(challenger == address(0) || word.verdict() != 0, "nobody is zero");
        vm.assertEq(word.sum(), 4e18, "sum");
        vm.assertEq(word.chunks(), 2, "chunks of a void pot");
        vm.assertEq(uint256(word.leafCount()) + word.finalAt() + word.anchorNumber(), 0, "nothing else");
    }

    function test_a_pot_holds_65535_chunks() public {
        PotWord word = PotWord.wrap((uint256(type(uint16).max) - 1) << 96);
        word = word.withChunk(1, 1);
        vm.expectRevert(IChannelHubTypes.ChannelHub_TooManyChunks.selector);
        this.addChunk(word);
    }

    function addChunk(PotWord word) external pure returns (PotWord) {
        return word.withChunk(1, 1);
    }

    function test_leaves_and_nodes_hash_their_packed_fields(
        address account,
        uint128 amount,
        bytes32 left,
        uint128 leftSum,
        bytes32 right,
        uint128 rightSum
    ) public pure {
        vm.assertEq(
            MerkleSum.payoutLeaf(account, amount),
            keccak256(abi.encodePacked(uint8(0), account, amount)),
            "leaf"
        );
        vm.assertEq(
            MerkleSum.parent(left, leftSum, right, rightSum),
            keccak256(abi.encodePacked(uint8(1), left, leftSum, right, rightSum)),
            "node"
        );
    }

    function test_the_settled_bits_are_a_set_of_recent_periods(uint256 seed) public {
        ChannelWord word = ChannelWords.create(7, 3);
        uint32 newest;
        for (uint256 i; i < 60; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            // a walk upwards, with steps back of up to 12 periods and jumps of up to 40
            uint32 period = uint32(newest + roll % 41);
            if (roll % 3 != 0) {
                period = newest >= 12 ? newest - uint32(roll % 13) : newest + uint32(roll % 4);
            }
            if (word.isSettled(period)) {
                vm.assertTrue(_model[period], "settled as in the model");
                if (roll % 5 == 0) {
                    word = word.withoutSettled(period);
                    _model[period] = false;
                    vm.assertFalse(word.isSettled(period), "given back");
                }
                continue;
            }
            word = word.withSettled(period);
            _model[period] = true;
            if (period > newest) newest = period;
            checkModel(word, newest);
        }
        vm.assertEq(word.balance(), 7, "balance untouched");
        vm.assertEq(word.anchorAt(9), 3, "anchor untouched");
    }

    function test_a_change_of_anchor_leaves_the_rest_alone(
        uint96 amount,
        uint32 first,
        uint32 next,
        uint32 from,
        uint32 period
    ) public pure {
        vm.assume(from != 0 && period < type(uint32).max);
        next >>= 1; // numbers of anchors have 31 bits
        ChannelWord word = ChannelWords.create(amount, 1).withSettled(period);
        word = word.withAnchors(first, next, from).withBalance(amount / 2);
        vm.assertEq(word.balance(), amount / 2, "balance");
        vm.assertEq(word.anchorAt(from - 1), first, "before");
        vm.assertEq(word.anchorAt(from), next, "from then on");
        vm.assertTrue(word.isSettled(period), "settled");
    }

    function test_forgotten_periods_are_not_given_back() public pure {
        ChannelWord word = ChannelWords.create(1, 1).withSettled(0).withSettled(40);
        vm.assertTrue(word.isSettled(0), "forgotten counts as settled");
        vm.assertTrue(word.withoutSettled(0).isSettled(0), "still");
        vm.assertFalse(word.isSettled(41), "to come");
        vm.assertTrue(
            ChannelWord.unwrap(word.withoutSettled(41)) == ChannelWord.unwrap(word), "nothing to give back"
        );
    }

    function checkModel(ChannelWord word, uint32 newest) private view {
        for (uint32 age; age < 32 && age <= newest; ++age) {
            vm.assertTrue(word.isSettled(newest - age) == _model[newest - age], "as the model");
        }
        vm.assertFalse(word.isSettled(newest + 1), "the future is open");
    }
}
