// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ICommitments} from "../../contracts/interfaces/ICommitments.sol";
import {IPlacementSeeds} from "../../contracts/interfaces/IPlacementSeeds.sol";
import {Commitments} from "../../contracts/network/Commitments.sol";
import {PlacementSeeds} from "../../contracts/registry/PlacementSeeds.sol";
import {Fixture} from "./support/Fixture.sol";

contract CommitmentsTest is Fixture {
    Commitments private commitments;
    PlacementSeeds private seeds;

    function setUp() public {
        deploy();

        commitments = new Commitments(parameters, election, 300, 60);
        seeds = new PlacementSeeds(parameters);
        populate();
        vm.warp(GENESIS + 600); // slot 2
    }

    function test_the_anchor_on_duty_posts_a_root() public {
        (uint64 slot, address onDuty, uint32 missed) = commitments.dutyAt(uint64(block.timestamp));
        vm.assertEq(slot, 2, "slot");
        vm.assertEq(onDuty, anchor, "in turn");
        vm.assertEq(missed, 0, "nobody missed");
        vm.expectEmit();
        emit ICommitments.RootPosted(2, anchor, "root", 7, uint64(block.number), 0);
        post(anchor);
        ICommitments.Root memory found = commitments.rootOf(2);
        vm.assertEq(found.root, "root", "root");
        vm.assertEq(found.anchor, anchor, "anchor");
        vm.assertEq(found.blockNumber, block.number, "block");
        vm.assertEq(commitments.lastSlot(), 2, "last");
    }

    function test_duty_rotates_from_slot_to_slot() public {
        vm.warp(GENESIS + 900);
        expectNotOnDuty(anchor, otherAnchor);
        post(anchor);
        post(otherAnchor);
    }

    function test_a_missed_duty_passes_to_the_next() public {
        vm.warp(GENESIS + 600 + 59);
        expectNotOnDuty(otherAnchor, anchor);
        post(otherAnchor);
        vm.warp(GENESIS + 600 + 60);
        vm.expectEmit();
        emit ICommitments.RootPosted(2, otherAnchor, "root", 7, uint64(block.number), 1);
        post(otherAnchor);
    }

    function test_a_slot_has_one_root() public {
        post(anchor);
        vm.expectRevert(abi.encodeWithSelector(ICommitments.Commitments_AlreadyPosted.selector, 2));
        post(anchor);
    }

    function test_a_root_covers_something() public {
        vm.startPrank(anchor);
        vm.expectRevert(ICommitments.Commitments_RootInvalid.selector);
        commitments.post(0, 1);
        vm.expectRevert(ICommitments.Commitments_RootInvalid.selector);
        commitments.post("root", 0);
    }

    function test_without_anchors_nobody_is_on_duty() public {
        vm.startPrank(OPERATOR);
        registry.leave(anchor);
        registry.leave(otherAnchor);
        vm.expectRevert(ICommitments.Commitments_NoAnchors.selector);
        commitments.dutyAt(uint64(block.timestamp));
    }

    function test_slots_have_bounds() public {
        vm.expectPartialRevert(ICommitments.Commitments_OutOfBounds.selector);
        new Commitments(parameters, election, 3, 1);
        vm.expectPartialRevert(ICommitments.Commitments_OutOfBounds.selector);
        new Commitments(parameters, election, 300, 0);
        vm.expectPartialRevert(ICommitments.Commitments_OutOfBounds.selector);
        new Commitments(parameters, election, 300, 301);
    }

    function test_a_periods_seed_is_fixed_to_a_block_that_nobody_knows_yet() public {
        uint64 target = uint64(block.number) + 4;
        vm.expectEmit();
        emit IPlacementSeeds.SeedFixed(0, target);
        seeds.fix();
        vm.assertEq(seeds.blockOf(0), target, "fixed");
        vm.expectRevert(
            abi.encodeWithSelector(IPlacementSeeds.PlacementSeeds_AlreadyFixed.selector, 0, target)
        );
        seeds.fix();
        toPeriod(1);
        seeds.fix();
    }

    function test_a_seed_is_drawn_from_the_fixed_blocks_own_header() public {
        bytes memory header = headerOf(bytes32("randao"));
        vm.expectRevert(abi.encodeWithSelector(IPlacementSeeds.PlacementSeeds_NotFixed.selector, 0));
        seeds.draw(0, header);
        (, uint64 target) = seeds.fix();
        vm.expectRevert(abi.encodeWithSelector(IPlacementSeeds.PlacementSeeds_TooEarly.selector, 0, target));
        seeds.draw(0, header);
        vm.roll(target + 1);
        vm.setBlockhash(target, keccak256(header));
        vm.expectRevert(
            abi.encodeWithSelector(IPlacementSeeds.PlacementSeeds_HeaderInvalid.selector, 0, target)
        );
        seeds.draw(0, headerOf(bytes32("chosen")));
        bytes32 seed = seeds.draw(0, header);
        vm.assertEq(seed, keccak256(abi.encodePacked(bytes32("randao"), target)), "as nodes compute it");
        vm.assertEq(seeds.seedOf(0), seed, "kept");
    }

    function test_a_forgotten_block_is_fixed_anew() public {
        (, uint64 target) = seeds.fix();
        vm.roll(uint256(target) + 9_000);
        seeds.fix();
        vm.assertEq(seeds.blockOf(0), target + 9_004, "anew");
    }

    /// @dev The header of a block as far as its fourteenth field, in RLP.
    function headerOf(bytes32 randao) private pure returns (bytes memory) {
        bytes memory items;
        for (uint256 i; i < 13; ++i) {
            items = bytes.concat(items, hex"80");
        }
        items = bytes.concat(items, hex"a0", randao);
        return bytes.concat(bytes1(uint8(0xc0 + items.length)), items);
    }

    function post(address caller) private {
        vm.prank(caller);
        commitments.post("root", 7);
    }

    function expectNotOnDuty(address caller, address onDuty) private {
        vm.expectRevert(abi.encodeWithSelector(ICommitments.Commitments_NotOnDuty.selector, caller, onDuty));
    }
}
