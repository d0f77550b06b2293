// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {IRentVault} from "../../contracts/interfaces/IRentVault.sol";
import {Fixture} from "./support/Fixture.sol";

contract RentVaultTest is Fixture {
    function setUp() public {
        deploy();
        populate();
    }

    function test_rent_runs_from_the_current_period_to_a_known_date() public {
        uint64 expiry = GENESIS + 3 * uint64(PERIOD);
        vm.expectEmit();
        emit IRentVault.RentStarted(ticketClass, AIRLINE, 10, 0, 3, expiry, 30 * RENT_PRICE);
        start(10, 3);
        vm.assertEq(vault.expiryOf(ticketClass), expiry, "expiry");
        vm.assertEq(service.balanceOf(address(vault)), 30 * RENT_PRICE, "held");
        assertState(IRentVault.State.Active);
    }

    function test_the_quote_is_the_price() public {
        (uint128 amount, uint64 expiry) = vault.quote(ticketClass, 10, 3);
        vm.prank(AIRLINE);
        vm.assertEq(vault.start(ticketClass, 10, 3), amount, "start");
        vm.assertEq(vault.expiryOf(ticketClass), expiry, "expiry");
        (amount, expiry) = vault.quote(ticketClass, 10, 2);
        vm.prank(PAYER);
        vm.assertEq(vault.topUp(ticketClass, 2), amount, "top-up");
        vm.assertEq(vault.expiryOf(ticketClass), expiry, "new expiry");
    }

    function test_anyone_tops_up() public {
        start(10, 3);
        vm.expectEmit();
        emit IRentVault.RentToppedUp(ticketClass, PAYER, 5, GENESIS + 5 * uint64(PERIOD), 20 * RENT_PRICE);
        topUp(2);
    }

    function test_a_new_price_does_not_touch_what_is_paid() public {
        start(10, 4);
        IParameters.Terms memory changed = terms();
        changed.rentPrice = 7 * RENT_PRICE;
        vm.prank(OWNER);
        parameters.schedule(changed);
        toPeriod(2);
        vm.assertEq(vault.expiryOf(ticketClass), GENESIS + 4 * uint64(PERIOD), "expiry");
        vm.prank(PAYER);
        vm.assertEq(vault.topUp(ticketClass, 1), 70 * RENT_PRICE, "the new price");
    }

    function test_rent_goes_from_active_to_grace_to_suspended_and_back() public {
        assertState(IRentVault.State.None);
        start(10, 1);
        toPeriod(1);
        vm.warp(block.timestamp - 1);
        assertState(IRentVault.State.Active);
        toPeriod(1);
        assertState(IRentVault.State.Grace);
        vm.warp(block.timestamp + 10 days - 1);
        assertState(IRentVault.State.Grace);
        vm.warp(block.timestamp + 1);
        assertState(IRentVault.State.Suspended);
        vm.assertEq(vault.rentOf(ticketClass).suspendedAt, block.timestamp, "as announced");
        start(20, 2);
        assertState(IRentVault.State.Active);
        vm.assertEq(vault.rentOf(ticketClass).instances, 20, "instances");
    }

    function test_a_top_up_in_grace_continues_where_the_rent_ended() public {
        start(10, 1);
        toPeriod(1);
        topUp(2);
        vm.assertEq(vault.rentOf(ticketClass).paidUntil, 3, "paid until");
        assertState(IRentVault.State.Active);
    }

    function test_a_top_up_in_a_long_grace_pays_what_passed() public {
        IParameters.Terms memory changed = terms();
        changed.rentGrace = 100 days;
        vm.prank(OWNER);
        parameters.schedule(changed);
        start(10, 3);
        toPeriod(5);
        vault.roll(99);
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_TooFewPeriods.selector, 2, 3));
        topUp(2);
        topUp(4);
        toPeriod(9);
        vault.roll(99);
        // periods 3 and 4 fall due in 5, together with 5 itself; 6 is the last
        vm.assertEq(vault.rentDue(5), 30 * RENT_PRICE, "what passed");
        vm.assertEq(vault.rentDue(6), 10 * RENT_PRICE, "the last");
        vm.assertEq(vault.rentDue(7), 0, "over");
        assertEverythingFallsDue(9);
    }

    function test_rent_starts_once() public {
        start(10, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRentVault.RentVault_AlreadyStarted.selector, ticketClass, GENESIS + uint64(PERIOD)
            )
        );
        start(10, 1);
        toPeriod(1);
        vm.expectPartialRevert(IRentVault.RentVault_AlreadyStarted.selector);
        start(10, 1);
    }

    function test_only_a_registered_class_pays_rent() public {
        vm.expectRevert(
            abi.encodeWithSelector(IRentVault.RentVault_UnknownClass.selector, bytes32("unknown"))
        );
        vault.start(bytes32("unknown"), 1, 1);
    }

    function test_quantities_have_bounds() public {
        expectQuantityInvalid(0, 1);
        start(0, 1);
        expectQuantityInvalid((1 << 40) + 1, 1);
        start((1 << 40) + 1, 1);
        expectQuantityInvalid(1, 0);
        start(1, 0);
        expectQuantityInvalid(1, 1_201);
        start(1, 1_201);
        start(1, 1);
        expectQuantityInvalid(1, 0);
        topUp(0);
    }

    function test_only_running_rent_is_topped_up() public {
        vm.expectRevert(abi.encodeWithSelector(IRentVault.RentVault_NotStarted.selector, ticketClass));
        topUp(1);
        start(10, 1);
        vm.warp(vault.rentOf(ticketClass).suspendedAt);
        vm.expectRevert(
            abi.encodeWithSelector(IRentVault.RentVault_Suspended.selector, ticketClass, block.timestamp)
        );
        topUp(1);
    }

    function test_a_period_falls_due_when_it_is_over() public {
        start(10, 2);
        vm.assertEq(vault.roll(99), 0, "nothing is over");
        toPeriod(3);
        vm.expectEmit();
        emit IRentVault.PeriodRolled(0, 10 * RENT_PRICE);
        vm.assertEq(vault.roll(1), 1, "one at a time");
        vm.assertEq(vault.roll(99), 2, "the rest");
        vm.assertEq(vault.nextPeriodToRoll(), 3, "next");
        vm.assertEq(vault.rentDue(1), 10 * RENT_PRICE, "1");
        vm.assertEq(vault.rentDue(2), 0, "2");
        assertEverythingFallsDue(3);
    }

    function test_what_never_began_reads_as_nothing() public view {
        vm.assertEq(vault.expiryOf(ticketClass), 0, "expiry");
        vm.assertEq(vault.rentOf(ticketClass).instances, 0, "rent");
    }

    function start(uint64 instances, uint32 periods) private {
        vm.prank(AIRLINE);
        vault.start(ticketClass, instances, periods);
    }

    function topUp(uint32 periods) private {
        vm.prank(PAYER);
        vault.topUp(ticketClass, periods);
    }

    function assertState(IRentVault.State expected) private view {
        vm.assertEq(uint256(vault.stateOf(ticketClass)), uint256(expected), "state");
    }

    function assertEverythingFallsDue(uint32 until) private view {
        uint256 due;
        for (uint32 i; i < until; ++i) {
            due += vault.rentDue(i);
        }
        vm.assertEq(due, service.balanceOf(address(vault)), "due = bought");
    }

    function expectQuantityInvalid(uint64 instances, uint32 periods) private {
        vm.expectRevert(
            abi.encodeWithSelector(IRentVault.RentVault_QuantityInvalid.selector, instances, periods)
        );
    }
}
