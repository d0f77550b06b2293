// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev What lanes were paid directly is kept by pages of which only the hash is stored.
contract DirectClaimPagesTest is Fixture {
    uint256 private constant LANES = 12;

    bytes32[LANES] private classes;
    IChannelHubTypes.PaidLane[][3] private pages;
    mapping(bytes32 lane => uint128 paid) private model;

    /// @dev Classes such that their lanes ascend with their index.
    function setUp() public {
        deploy();
        populate();
        openChannel(SESSION_SECRET, anchor, 1_000e18);
        for (uint256 i; i < LANES; ++i) {
            classes[i] = bytes32((i + 1) << 248);
        }
        toDirect(0);
    }

    function test_a_lane_has_the_number_that_the_interface_says() public view {
        bytes32 tokenClass = keccak256("class");
        bytes32 hash = keccak256(abi.encode(session, uint32(7), node, tokenClass));
        bytes32 found = hub.laneOf(session, 7, node, tokenClass);
        vm.assertEq(found, bytes32(bytes3(tokenClass)) | hash >> 24, "24 bits of the class, 232 of the hash");
        vm.assertEq(found, laneId(session, 7, node, tokenClass), "as the tests have it");
    }

    function test_a_claim_writes_one_word_for_all_of_its_lanes() public {
        claim(0, 0, 3, 5e18);
        vm.assertEq(hub.claimPage(node, 0, 0), wordOf(0), "the page's word");
        vm.assertEq(hub.claimPage(node, 0, 1), 0, "no other page");
        vm.assertEq(hub.channelOf(session).balance, 985e18, "three lanes");
    }

    function test_a_page_that_is_shown_takes_more_lanes_and_more_of_a_lane() public {
        claim(0, 4, 3, 5e18);
        claim(0, 2, 4, 7e18);
        vm.assertEq(hub.claimPage(node, 0, 0), wordOf(0), "merged in order");
        vm.assertEq(pages[0].length, 5, "lanes 2 to 6");
        vm.assertEq(hub.channelOf(session).balance, 1_000e18 - 15e18 - 2 * 7e18 - 2 * 2e18, "the difference");
    }

    function test_a_page_is_shown_as_it_stands() public {
        claim(0, 0, 2, 5e18);
        refusePage(0, new IChannelHubTypes.PaidLane[](0));
        IChannelHubTypes.PaidLane[] memory forged = pages[0];
        forged[1].amount = 0;
        refusePage(0, forged);
        IChannelHubTypes.PaidLane[] memory invented = new IChannelHubTypes.PaidLane[](1);
        invented[0] = IChannelHubTypes.PaidLane(lane(5), 1);
        refusePage(1, invented);
    }

    function test_a_page_begins_behind_one_that_holds_something() public {
        refusePage(1, new IChannelHubTypes.PaidLane[](0));
    }

    function test_rows_ascend_by_lane() public {
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](2);
        (rows[0], rows[1]) = (row(3, 1e18), row(1, 1e18));
        refuseRow(0, 1, rows);
        (rows[0], rows[1]) = (row(3, 1e18), row(3, 2e18));
        refuseRow(0, 1, rows);
    }

    function test_a_lane_of_an_earlier_page_is_not_claimed_on_a_later_one() public {
        claim(0, 0, 6, 5e18);
        IChannelHubTypes.DirectClaimRow[] memory rows = claimsOf(row(2, 9e18));
        refuseRow(1, 0, rows);
        rows = claimsOf(row(5, 9e18));
        refuseRow(1, 0, rows);
        claim(1, 6, 2, 5e18);
        vm.assertEq(hub.claimPage(node, 0, 1), wordOf(1), "the lanes above it begin the next page");
    }

    function test_a_page_with_another_behind_it_grows_no_further() public {
        claim(0, 0, 2, 5e18);
        claim(1, 6, 2, 5e18);
        refuseRow(0, 0, claimsOf(row(3, 1e18)));
        claim(1, 3, 1, 1e18);
        claim(0, 0, 2, 6e18);
        vm.assertEq(hub.claimPage(node, 0, 0), wordOf(0), "what is its own still grows");
        claim(1, 9, 1, 1e18);
        vm.assertEq(hub.claimPage(node, 0, 1), wordOf(1), "the last page takes whatever lies above");
    }

    function test_a_claim_that_pays_nothing_writes_no_page() public {
        IChannelHubTypes.DirectClaimRow[] memory rows = claimsOf(row(0, 1e18));
        rows[0].voucherR = bytes32("wrong");
        hub.claimDirect(node, 0, 0, pages[0], rows);
        vm.assertEq(hub.claimPage(node, 0, 0), 0, "empty");
        claim(0, 0, 2, 5e18);
        uint256 word = hub.claimPage(node, 0, 0);
        claim(0, 0, 2, 5e18);
        vm.assertEq(hub.claimPage(node, 0, 0), word, "unchanged");
    }

    function test_strangers_do_not_make_a_page_too_long_to_be_shown() public {
        IChannelHubTypes.DirectClaimRow[] memory rows = many(256);
        claimDirectly(node, 0, rows);
        rows = claimsOf(row(0, 1e18));
        IChannelHubTypes.PaidLane[] memory shown = paidLanes(node, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_PageFull.selector, uint32(0), 257, 256)
        );
        vm.prank(STRANGER);
        hub.claimDirect(node, 0, 0, shown, rows);
        rows = claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, manyClass(7), 2e18, 20e18));
        vm.prank(STRANGER);
        claimDirectly(node, 0, rows);
        vm.assertEq(directClaimed(session, 0, node, manyClass(7)), 2e18, "what is on it still grows");
    }

    function test_the_nodes_own_side_adds_to_a_long_page() public {
        claimDirectly(node, 0, many(256));
        address[3] memory side = [node, payoutOf(node), registry.nodeOf(node).operator];
        for (uint256 i; i < side.length; ++i) {
            IChannelHubTypes.DirectClaimRow[] memory rows = claimsOf(row(i, 1e18));
            vm.prank(side[i]);
            vm.assertEq(claimDirectly(node, 0, rows), 1, "added");
        }
        vm.assertEq(paidLanes(node, 0).length, 259, "beyond the bound");
    }

    /// @dev Any claims on any pages, good and refused: every lane is paid exactly what the largest of
    /// its vouchers says.
    function test_no_way_through_the_pages_pays_a_lane_twice(uint256 seed) public {
        for (uint256 i; i < 24; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            uint256 page = roll % 3;
            uint256 first = (roll >> 8) % LANES;
            uint256 count = 1 + (roll >> 16) % (LANES - first);
            uint128 amount = uint128(1e18 + (roll >> 24) % 10e18);
            IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](count);
            for (uint256 j; j < count; ++j) {
                rows[j] = row(first + j, amount);
            }
            try hub.claimDirect(node, 0, uint32(page), pages[page], rows) {
                note(page, first, count, amount);
            } catch {}
        }
        uint256 paid;
        for (uint256 i; i < LANES; ++i) {
            paid += model[lane(i)];
        }
        vm.assertEq(hub.channelOf(session).balance, 1_000e18 - paid, "each lane, once");
        for (uint256 page; page < 3; ++page) {
            vm.assertEq(hub.claimPage(node, 0, uint32(page)), wordOf(page), "the page's word");
        }
    }

    /// @dev Rows of so many classes, in order of their lanes, above those of {row}.
    function many(uint256 count) private view returns (IChannelHubTypes.DirectClaimRow[] memory rows) {
        rows = new IChannelHubTypes.DirectClaimRow[](count);
        for (uint256 i; i < count; ++i) {
            rows[i] = directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, manyClass(i), 1e18, 20e18);
        }
    }

    function manyClass(uint256 i) private pure returns (bytes32) {
        return bytes32((0x100000 + i) << 232);
    }

    function claim(uint256 page, uint256 first, uint256 count, uint128 amount) private {
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](count);
        for (uint256 i; i < count; ++i) {
            rows[i] = row(first + i, amount);
        }
        hub.claimDirect(node, 0, uint32(page), pages[page], rows);
        note(page, first, count, amount);
    }

    function refusePage(uint256 page, IChannelHubTypes.PaidLane[] memory shown) private {
        IChannelHubTypes.DirectClaimRow[] memory rows = claimsOf(row(9, 1e18));
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_PageInvalid.selector, uint32(page))
        );
        hub.claimDirect(node, 0, uint32(page), shown, rows);
    }

    function refuseRow(uint256 page, uint256 index, IChannelHubTypes.DirectClaimRow[] memory rows) private {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_LaneOffPage.selector, index));
        hub.claimDirect(node, 0, uint32(page), pages[page], rows);
    }

    function note(uint256 page, uint256 first, uint256 count, uint128 amount) private {
        for (uint256 i = first; i < first + count; ++i) {
            bytes32 id = lane(i);
            if (amount <= model[id]) continue;
            if (model[id] == 0) insert(pages[page], IChannelHubTypes.PaidLane(id, amount));
            else set(pages[page], id, amount);
            model[id] = amount;
        }
    }

    function insert(IChannelHubTypes.PaidLane[] storage list, IChannelHubTypes.PaidLane memory entry)
        private
    {
        list.push(entry);
        for (uint256 i = list.length - 1; i > 0 && list[i].lane < list[i - 1].lane; --i) {
            IChannelHubTypes.PaidLane memory lower = list[i];
            list[i] = list[i - 1];
            list[i - 1] = lower;
        }
    }

    function set(IChannelHubTypes.PaidLane[] storage list, bytes32 id, uint128 amount) private {
        for (uint256 i; i < list.length; ++i) {
            if (list[i].lane == id) list[i].amount = amount;
        }
    }

    /// @dev As the library's documentation says it, in other words.
    function wordOf(uint256 page) private view returns (uint256) {
        IChannelHubTypes.PaidLane[] storage list = pages[page];
        if (list.length == 0) return 0;
        bytes memory text;
        for (uint256 i; i < list.length; ++i) {
            text = abi.encodePacked(text, list[i].lane, uint256(list[i].amount));
        }
        return uint256(keccak256(text)) >> 48 << 48 | uint256(list[list.length - 1].lane) >> 208;
    }

    function row(uint256 i, uint128 amount) private view returns (IChannelHubTypes.DirectClaimRow memory) {
        return directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, classes[i], amount, 20e18);
    }

    function lane(uint256 i) private view returns (bytes32) {
        return laneId(session, 0, node, classes[i]);
    }
}
