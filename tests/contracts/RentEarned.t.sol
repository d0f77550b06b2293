// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHub} from "../../contracts/interfaces/IChannelHub.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {IRentVault} from "../../contracts/interfaces/IRentVault.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {RentPurse} from "../../contracts/rent/RentPurse.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev How nodes earn rent, what returns, and how revenue is garnished.
contract RentEarnedTest is Fixture {
    uint64 private constant INSTANCES = 300;
    uint128 private constant RENT = RENT_PRICE * INSTANCES;

    function setUp() public {
        deploy();
        populate();
        vm.prank(AIRLINE);
        vault.start(ticketClass, INSTANCES, 2);
    }

    function test_a_node_earns_its_part_of_the_rent() public {
        close(0);
        vm.expectEmit();
        emit IRentVault.RentEarned(ticketClass, node, 0, payoutOf(node), RENT / 3 / 2);
        vault.earn(node, 0, one(uptime(node, 0, INSTANCES, 5_000)));
        vm.assertEq(vault.earnedBy(payoutOf(node)), RENT / 6, "half of a third");
        vm.expectEmit();
        emit IRentVault.RentWithdrawn(payoutOf(node), STRANGER, RENT / 6);
        vm.prank(payoutOf(node));
        vault.withdrawRent(STRANGER, RENT / 6);
        vm.assertEq(service.balanceOf(STRANGER), RENT / 6, "paid");
        vm.expectPartialRevert(IRentVault.RentVault_AmountInvalid.selector);
        vm.prank(payoutOf(node));
        vault.withdrawRent(STRANGER, 1);
    }

    function test_a_nodes_rent_is_credited_once() public {
        close(0);
        IRentVault.UptimeRow[] memory rows = one(uptime(node, 0, INSTANCES, 10_000));
        vault.earn(node, 0, rows);
        vm.assertTrue(vault.hasEarned(ticketClass, 0, node), "remembered");
        expectSkipped(rows, IRentVault.RentSkip.AlreadyEarned);
        vm.assertEq(vault.earnedBy(payoutOf(node)), RENT / 3, "once");
    }

    function test_a_bad_row_does_not_keep_the_others_from_earning() public {
        close(0);
        IRentVault.UptimeRow[] memory rows = new IRentVault.UptimeRow[](3);
        rows[0] = uptime(node, 0, INSTANCES, 9_000);
        rows[0].availability = 10_000; // signed for less
        rows[1] = uptime(node, 0, INSTANCES, 10_000);
        rows[2] = uptime(node, 0, INSTANCES, 9_000);
        vm.expectEmit();
        emit IRentVault.RentSkipped(ticketClass, node, 0, IRentVault.RentSkip.AnchorInvalid);
        vm.expectEmit();
        emit IRentVault.RentEarned(ticketClass, node, 0, payoutOf(node), RENT / 3);
        vm.expectEmit();
        emit IRentVault.RentSkipped(ticketClass, node, 0, IRentVault.RentSkip.AlreadyEarned);
        vm.assertEq(vault.earn(node, 0, rows), RENT / 3, "the good row");
    }

    function test_what_is_left_of_the_rent_bounds_the_last_to_earn() public {
        address[4] memory keys = [node, otherAnchor, registerNode(0xD1, 1, SERVICE_STAKE), address(0)];
        keys[3] = registerNode(0xD2, 1, SERVICE_STAKE);
        close(0);
        for (uint256 i; i < 3; ++i) {
            vault.earn(keys[i], 0, one(uptime(keys[i], 0, INSTANCES, 10_000)));
        }
        (uint128 rent, uint128 spent) = vault.rentAt(ticketClass, 0);
        vm.assertEq(spent, rent, "all of it");
        vm.expectEmit();
        emit IRentVault.RentSkipped(ticketClass, keys[3], 0, IRentVault.RentSkip.NothingDue);
        vault.earn(keys[3], 0, one(uptime(keys[3], 0, INSTANCES, 10_000)));
        vm.assertEq(vault.instancesAt(ticketClass, 0), INSTANCES, "what was paid for");
    }

    function test_a_key_earns_for_the_periods_in_which_it_is_the_nodes_own() public {
        bytes memory proof = keyProof(0xB7, OPERATOR);
        vm.prank(OPERATOR);
        registry.rotateKey(node, vm.addr(0xB7), proof);
        close(0);
        IRentVault.UptimeRow[] memory rows = one(uptime(vm.addr(0xB7), 0, INSTANCES, 10_000));
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_UnknownNode.selector, vm.addr(0xB7)));
        vault.earn(vm.addr(0xB7), 0, rows);
        vault.earn(node, 0, one(uptime(node, 0, INSTANCES, 10_000)));
    }

    function test_rent_is_earned_between_close_and_the_end_of_direct_claims() public {
        IRentVault.UptimeRow[] memory rows = one(uptime(node, 0, INSTANCES, 10_000));
        vm.expectPartialRevert(IRentVault.RentVault_OutsideWindow.selector);
        vault.earn(node, 0, rows);
        vm.warp(parameters.windowsOf(0).directUntil);
        vm.expectPartialRevert(IRentVault.RentVault_OutsideWindow.selector);
        vault.earn(node, 0, rows);
    }

    function test_uptime_names_sensible_numbers_and_a_node() public {
        close(0);
        expectUptimeInvalid(0, 10_000);
        expectUptimeInvalid(INSTANCES + 1, 10_000);
        expectUptimeInvalid(INSTANCES, 0);
        expectUptimeInvalid(INSTANCES, 10_001);
        IRentVault.UptimeRow[] memory rows = one(uptime(STRANGER, 0, INSTANCES, 1));
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_UnknownNode.selector, STRANGER));
        vault.earn(STRANGER, 0, rows);
    }

    function test_uptime_is_signed_by_active_anchors_of_the_period() public {
        close(0);
        IRentVault.UptimeRow memory row = uptime(node, 0, INSTANCES, 10_000);
        (row.r, row.vs) = sign(NODE_SECRET, node, 0, row);
        expectSkipped(one(row), IRentVault.RentSkip.AnchorInvalid);
        row.r = new bytes32[](0);
        expectSkipped(one(row), IRentVault.RentSkip.TooFewAnchors);
        (row.r, row.vs) = (row.vs, row.r);
        expectSkipped(one(row), IRentVault.RentSkip.TooFewAnchors);
    }

    function test_uptime_is_signed_by_enough_of_them_once_each() public {
        registerNode(0xA3, 2, ANCHOR_STAKE); // three anchors: two must sign
        close(0);
        IRentVault.UptimeRow memory row = uptime(node, 0, INSTANCES, 10_000);
        expectSkipped(one(row), IRentVault.RentSkip.TooFewAnchors);
        (row.r, row.vs) = twice(row.r[0], row.vs[0]);
        expectSkipped(one(row), IRentVault.RentSkip.AnchorInvalid);
    }

    function test_an_anchor_that_registers_after_the_period_acknowledges_nothing_of_it() public {
        vm.warp(parameters.windowsOf(1).opensAt);
        registerNode(0xA3, 2, ANCHOR_STAKE);
        vm.assertEq(election.activeAnchors(0).length, 2, "those of then");
        IRentVault.UptimeRow memory row = uptime(node, 0, INSTANCES, 10_000);
        (row.r, row.vs) = sign(0xA3, node, 0, row);
        expectSkipped(one(row), IRentVault.RentSkip.AnchorInvalid);
    }

    function test_a_node_that_registers_after_the_period_earns_nothing_of_it() public {
        vm.warp(parameters.windowsOf(1).opensAt);
        address late = registerNode(0xD1, 1, SERVICE_STAKE);
        IRentVault.UptimeRow[] memory rows = one(uptime(late, 0, INSTANCES, 10_000));
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_UnknownNode.selector, late));
        vault.earn(late, 0, rows);
    }

    function test_an_anchor_does_not_acknowledge_itself() public {
        close(0);
        vm.expectEmit();
        emit IRentVault.RentSkipped(ticketClass, anchor, 0, IRentVault.RentSkip.AnchorInvalid);
        vault.earn(anchor, 0, one(uptime(anchor, 0, INSTANCES, 10_000)));
    }

    function test_rent_that_nobody_earned_returns_and_pays_on() public {
        lengthenGrace();
        vm.warp(parameters.windowsOf(1).opensAt);
        vm.expectPartialRevert(IRentVault.RentVault_OutsideWindow.selector);
        vault.returnUnearned(ticketClass, 0);
        vault.earn(node, 0, one(uptime(node, 0, INSTANCES, 10_000)));
        vm.warp(parameters.windowsOf(0).directUntil);
        uint128 left = RENT - RENT / 3;
        vm.expectEmit();
        emit IRentVault.RentReturned(ticketClass, 0, left, left);
        vault.returnUnearned(ticketClass, 0);
        vm.expectPartialRevert(IRentVault.RentVault_AmountInvalid.selector);
        vault.returnUnearned(ticketClass, 0);
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_AmountInvalid.selector, RENT, left));
        vault.extend(ticketClass, 1);
        vm.warp(parameters.windowsOf(1).directUntil - 1);
        vm.prank(AIRLINE);
        vault.topUp(ticketClass, 1);
        vm.warp(parameters.windowsOf(1).directUntil);
        vault.returnUnearned(ticketClass, 1);
        vault.extend(ticketClass, 1);
        vm.assertEq(vault.rentOf(ticketClass).balance, left, "one period's rent was used");
        vm.assertEq(vault.rentOf(ticketClass).paidUntil, 4, "one more");
    }

    function test_arrears_can_still_be_earned() public {
        lengthenGrace();
        close(2);
        vault.earn(node, 2, one(uptime(node, 2, INSTANCES, 10_000)));
        vm.assertEq(vault.earnedBy(payoutOf(node)), 0, "nothing was paid yet");
        vm.prank(AIRLINE);
        vault.topUp(ticketClass, 2);
        vault.earn(node, 2, one(uptime(node, 2, INSTANCES, 10_000)));
        vm.assertEq(vault.earnedBy(payoutOf(node)), RENT / 3, "now it is");
    }

    function test_in_grace_the_issuers_revenue_goes_to_the_purse() public {
        toPeriod(2);
        vault.updateGarnish(ticketClass);
        address purse = vault.purseAt(ticketClass, 2);
        vm.assertTrue(purse != address(0), "garnished");
        (address payout,) = issuers.revenueAt(ticketClass, 2);
        vm.assertEq(payout, purse, "revenue");
        (payout,) = issuers.revenueAt(ticketClass, 1);
        vm.assertEq(payout, ISSUER_PAYOUT, "closed periods never change");
        vm.prank(AIRLINE);
        vault.topUp(ticketClass, 1);
        vm.assertEq(vault.purseAt(ticketClass, 2), purse, "the period that began stays");
        vm.assertEq(vault.purseAt(ticketClass, 3), address(0), "the next is the issuer's");
    }

    function test_a_garnish_pays_what_is_owed_and_gives_the_issuer_the_rest() public {
        toPeriod(2);
        vault.updateGarnish(ticketClass);
        fillPurse(RENT + 5);
        vm.expectEmit();
        emit IRentVault.RevenueGarnished(ticketClass, RENT, 5);
        vault.garnish(ticketClass);
        vm.assertEq(uint256(vault.stateOf(ticketClass)), uint256(IRentVault.State.Active), "active");
        vm.assertEq(service.balanceOf(ISSUER_PAYOUT), 5, "the rest");
    }

    function test_a_garnish_that_does_not_suffice_is_kept_for_the_next() public {
        toPeriod(2);
        vault.updateGarnish(ticketClass);
        fillPurse(RENT - 1);
        vault.garnish(ticketClass);
        vm.assertEq(uint256(vault.stateOf(ticketClass)), uint256(IRentVault.State.Grace), "still");
        vm.assertEq(vault.rentOf(ticketClass).balance, RENT - 1, "kept");
        fillPurse(1);
        vault.garnish(ticketClass);
        vm.assertEq(uint256(vault.stateOf(ticketClass)), uint256(IRentVault.State.Active), "active");
        vm.assertEq(vault.rentOf(ticketClass).balance, 0, "used");
    }

    function test_an_empty_purse_is_not_garnished() public {
        vm.expectPartialRevert(IRentVault.RentVault_AmountInvalid.selector);
        vault.garnish(ticketClass);
    }

    function test_only_the_vault_empties_a_purse() public {
        toPeriod(2);
        vault.updateGarnish(ticketClass);
        fillPurse(1);
        vault.garnish(ticketClass);
        RentPurse purse = RentPurse(vault.purseAt(ticketClass, 2));
        vm.expectRevert(abi.encodeWithSelector(RentPurse.RentPurse_NotVault.selector, STRANGER));
        vm.prank(STRANGER);
        purse.empty(hub);
    }

    function test_a_garnish_ends_when_rent_is_suspended_or_paid() public {
        toPeriod(2);
        vault.updateGarnish(ticketClass);
        vault.updateGarnish(ticketClass);
        vm.warp(vault.rentOf(ticketClass).suspendedAt);
        vm.expectEmit();
        emit IRentVault.GarnishEnded(ticketClass, parameters.currentPeriod() + 1);
        vault.updateGarnish(ticketClass);
        vm.prank(AIRLINE);
        vault.start(ticketClass, INSTANCES, 1);
    }

    function test_15_the_brake_stops_new_rent_and_nothing_else() public {
        close(0);
        IRentVault.UptimeRow[] memory rows = one(uptime(node, 0, INSTANCES, 10_000));
        vm.prank(GUARDIAN);
        brake.pull("leak");
        bytes memory paused =
            abi.encodeWithSelector(IRentVault.RentVault_Paused.selector, brake.pausedUntil());
        vm.expectRevert(paused);
        vault.topUp(ticketClass, 1);
        vm.expectRevert(paused);
        vault.start(ticketClass, 1, 1);
        vault.earn(node, 0, rows);
        vm.prank(payoutOf(node));
        vault.withdrawRent(STRANGER, 1);
        vault.roll(1);
    }

    function lengthenGrace() private {
        IParameters.Terms memory changed = terms();
        changed.rentGrace = 100 days;
        vm.prank(OWNER);
        parameters.schedule(changed);
    }

    function close(uint32 period) private {
        vm.warp(parameters.windowsOf(period).closesAt);
    }

    /// @dev Two anchors are registered, so one signature is a third and one more.
    function uptime(address key, uint32 period, uint64 instances, uint16 availability)
        private
        view
        returns (IRentVault.UptimeRow memory row)
    {
        (row.tokenClass, row.instances, row.availability) = (ticketClass, instances, availability);
        (row.r, row.vs) = sign(ANCHOR_SECRET, key, period, row);
    }

    function sign(uint256 secret, address key, uint32 period, IRentVault.UptimeRow memory row)
        private
        view
        returns (bytes32[] memory r, bytes32[] memory vs)
    {
        ISmartLayerMessages.UptimeAcknowledgement memory message =
            ISmartLayerMessages.UptimeAcknowledgement(
                key, period, row.tokenClass, row.instances, row.availability
            );
        (r, vs) = (new bytes32[](1), new bytes32[](1));
        (r[0], vs[0]) = vm.signCompact(secret, lens.hashUptimeAcknowledgement(address(hub), message));
    }

    function twice(bytes32 r, bytes32 vs) private pure returns (bytes32[] memory rs, bytes32[] memory vss) {
        (rs, vss) = (new bytes32[](2), new bytes32[](2));
        (rs[0], rs[1], vss[0], vss[1]) = (r, r, vs, vs);
    }

    function one(IRentVault.UptimeRow memory row) private pure returns (IRentVault.UptimeRow[] memory rows) {
        rows = new IRentVault.UptimeRow[](1);
        rows[0] = row;
    }

    function expectUptimeInvalid(uint64 instances, uint16 availability) private {
        expectSkipped(one(uptime(node, 0, instances, availability)), IRentVault.RentSkip.UptimeInvalid);
    }

    function expectSkipped(IRentVault.UptimeRow[] memory rows, IRentVault.RentSkip reason) private {
        vm.expectEmit();
        emit IRentVault.RentSkipped(ticketClass, node, 0, reason);
        vm.assertEq(vault.earn(node, 0, rows), 0, "nothing");
    }

    /// @dev Credit in the hub for the purse, as a distribution leaves it.
    function fillPurse(uint128 amount) private {
        address purse = vault.purseAt(ticketClass, parameters.currentPeriod());
        vm.mockCall(address(hub), abi.encodeCall(IChannelHub.creditOf, (purse)), abi.encode(amount));
        vm.mockCall(address(hub), abi.encodeCall(IChannelHub.withdrawCredit, (address(vault), amount)), "");
        vm.prank(PAYER);
        service.transfer(address(vault), amount);
    }
}
