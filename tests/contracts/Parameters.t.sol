// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Parameters} from "../../contracts/governance/Parameters.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {Fixture} from "./support/Fixture.sol";

contract ParametersTest is Fixture {
    function setUp() public {
        deploy();
    }

    function test_periods_count_from_genesis() public {
        vm.assertEq(parameters.periodAt(GENESIS), 0, "first second");
        vm.assertEq(parameters.periodAt(GENESIS + PERIOD - 1), 0, "last second");
        vm.assertEq(parameters.periodAt(GENESIS + PERIOD), 1, "next");
        vm.warp(GENESIS + 5 * uint256(PERIOD));
        vm.assertEq(parameters.currentPeriod(), 5, "now");
    }

    function test_there_is_no_period_before_genesis() public {
        vm.expectRevert(abi.encodeWithSelector(IParameters.Parameters_BeforeGenesis.selector, GENESIS - 1));
        parameters.periodAt(GENESIS - 1);
    }

    function test_the_windows_follow_each_other() public view {
        IParameters.Windows memory windows = parameters.windowsOf(2);
        vm.assertEq(windows.opensAt, GENESIS + 60 days, "opens");
        vm.assertEq(windows.closesAt, GENESIS + 90 days, "closes");
        vm.assertEq(windows.settleFrom, GENESIS + 91 days, "settles from");
        vm.assertEq(windows.settleUntil, GENESIS + 93 days, "settles until");
        vm.assertEq(windows.directUntil, GENESIS + 103 days, "direct until");
    }

    function test_new_terms_hold_two_periods_later() public {
        IParameters.Terms memory changed = terms();
        changed.protocolShare = 100;
        vm.expectEmit();
        emit IParameters.TermsScheduled(2, changed);
        vm.prank(OWNER);
        parameters.schedule(changed);
        vm.assertEq(parameters.termsAt(1).protocolShare, 250, "before");
        vm.assertEq(parameters.termsAt(2).protocolShare, 100, "from then on");
        vm.assertEq(parameters.termsAt(9).protocolShare, 100, "later");
    }

    function test_a_second_change_in_a_period_replaces_the_first() public {
        IParameters.Terms memory changed = terms();
        vm.startPrank(OWNER);
        changed.protocolShare = 100;
        parameters.schedule(changed);
        changed.protocolShare = 200;
        parameters.schedule(changed);
        vm.assertEq(parameters.termsAt(2).protocolShare, 200, "the second");
        toPeriod(1);
        changed.protocolShare = 300;
        parameters.schedule(changed);
        vm.assertEq(parameters.termsAt(2).protocolShare, 200, "pinned");
        vm.assertEq(parameters.termsAt(3).protocolShare, 300, "next");
    }

    function test_only_the_owner_schedules() public {
        vm.expectRevert();
        vm.prank(STRANGER);
        parameters.schedule(terms());
    }

    function test_the_delay_covers_all_windows() public {
        IParameters.Terms memory changed = terms();
        changed.withdrawalDelay = 13 days - 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IParameters.Parameters_DelayShorterThanWindows.selector, 13 days - 1, 13 days
            )
        );
        schedule(changed);
    }

    function test_the_treasury_is_an_account() public {
        IParameters.Terms memory changed = terms();
        changed.treasury = address(0);
        vm.expectRevert(IParameters.Parameters_ZeroTreasury.selector);
        schedule(changed);
    }

    function test_genesis_is_not_in_the_future() public {
        vm.expectPartialRevert(IParameters.Parameters_GenesisInFuture.selector);
        new Parameters(OWNER, uint64(block.timestamp + 1), PERIOD, terms(), rates());
    }

    function test_the_period_has_bounds() public {
        vm.expectRevert(outOfBounds("periodLength", 29, 30, 366 days));
        new Parameters(OWNER, GENESIS, 29, terms(), rates());
        vm.expectRevert(outOfBounds("periodLength", 366 days + 1, 30, 366 days));
        new Parameters(OWNER, GENESIS, 366 days + 1, terms(), rates());
    }

    function test_a_month_in_a_minute_has_terms() public {
        IParameters.Terms memory quick = terms();
        (quick.acknowledgementGrace, quick.settleDeadline) = (2, 10);
        (quick.challengeWindow, quick.directClaimWindow, quick.withdrawalDelay) = (3, 10, 25);
        new Parameters(OWNER, GENESIS, 30, quick, rates());
    }

    function test_all_windows_fit_into_what_the_hub_remembers() public {
        IParameters.Terms memory long = terms();
        (long.acknowledgementGrace, long.settleDeadline) = (900, 1200);
        (long.challengeWindow, long.directClaimWindow, long.withdrawalDelay) = (400, 261, 1861);
        vm.expectRevert(outOfBounds("windows", 1861, 0, 60 * 31));
        new Parameters(OWNER, GENESIS, 60, long, rates());
    }

    function test_the_settle_deadline_comes_after_the_grace() public {
        IParameters.Terms memory changed = terms();
        changed.settleDeadline = changed.acknowledgementGrace + 6 hours;
        refuse(changed, "settleDeadline", 30 hours, 30 hours + 1, 90 days);
    }

    function test_stake_thaws_at_least_as_long_as_a_case_waits() public {
        IParameters.Terms memory changed = terms();
        changed.thawTime = 14 days - 1;
        refuse(changed, "thawTime", 14 days - 1, 14 days, 365 days);
        changed.thawTime = 14 days;
        schedule(changed);
    }

    function test_every_term_has_bounds() public {
        IParameters.Terms memory t = terms();
        t.acknowledgementGrace = 6 hours;
        refuse(t, "acknowledgementGrace", 6 hours, 6 hours + 1, 90 days);
        t = terms();
        t.settleDeadline = 91 days;
        refuse(t, "settleDeadline", 91 days, 30 hours + 1, 90 days);
        t = terms();
        t.challengeWindow = 0;
        refuse(t, "challengeWindow", 0, 6 hours + 1, 90 days);
        t = terms();
        t.directClaimWindow = 0;
        refuse(t, "directClaimWindow", 0, 6 hours + 1, 90 days);
        t = terms();
        t.withdrawalDelay = 39 days + 1;
        refuse(t, "withdrawalDelay", 39 days + 1, 13 days, 39 days);
        t = terms();
        t.thawTime = 366 days;
        refuse(t, "thawTime", 366 days, 14 days, 365 days);
        t = terms();
        t.rentGrace = 366 days;
        refuse(t, "rentGrace", 366 days, 0, 365 days);
        t = terms();
        t.protocolShare = 501;
        refuse(t, "protocolShare", 501, 0, 500);
        t = terms();
        t.anchorShare = 1_001;
        refuse(t, "anchorShare", 1_001, 0, 1_000);
        t = terms();
        t.maximumIssuerShare = 3_001;
        refuse(t, "maximumIssuerShare", 3_001, 0, 3_000);
        t = terms();
        t.burnShare = 10_001;
        refuse(t, "burnShare", 10_001, 0, 10_000);
        t = terms();
        t.bondRatio = 10_001;
        refuse(t, "bondRatio", 10_001, 0, 10_000);
        t = terms();
        t.minimumServiceStake = 0;
        refuse(t, "minimumServiceStake", 0, 1, 1e27);
        t = terms();
        t.minimumAnchorStake = 1e27 + 1;
        refuse(t, "minimumAnchorStake", 1e27 + 1, 1, 1e27);
        t = terms();
        t.rentPrice = 0;
        refuse(t, "rentPrice", 0, 1, 1e21);
    }

    function test_new_rates_hold_two_periods_later() public {
        IParameters.ExecutionRates memory changed = rates();
        changed.readGas = 7;
        vm.expectEmit();
        emit IParameters.RatesScheduled(2, changed);
        scheduleRates(changed);
        vm.assertEq(parameters.ratesAt(0).updateGas, 2e15, "from the founding");
        vm.assertEq(parameters.ratesAt(1).readGas, 1e15, "before");
        vm.assertEq(parameters.ratesAt(2).readGas, 7, "from then on");
        vm.assertEq(parameters.ratesAt(9).readGas, 7, "later");
    }

    function test_a_second_change_of_rates_in_a_period_replaces_the_first() public {
        IParameters.ExecutionRates memory changed = rates();
        changed.page = 8;
        scheduleRates(changed);
        changed.page = 9;
        scheduleRates(changed);
        toPeriod(1);
        changed.page = 10;
        scheduleRates(changed);
        vm.assertEq(parameters.ratesAt(2).page, 9, "the second");
        vm.assertEq(parameters.ratesAt(3).page, 10, "next");
    }

    function test_only_the_owner_schedules_rates() public {
        vm.expectRevert();
        vm.prank(STRANGER);
        parameters.scheduleRates(rates());
    }

    function test_every_rate_has_bounds() public {
        IParameters.ExecutionRates memory r = rates();
        r.readGas = 0;
        refuseRates(r, "readGas", 0, 1, 1e18);
        r = rates();
        r.updateGas = 1e18 + 1;
        refuseRates(r, "updateGas", 1e18 + 1, 1, 1e18);
        r = rates();
        r.outputByte = 1e15 + 1;
        refuseRates(r, "outputByte", 1e15 + 1, 0, 1e15);
        r = rates();
        r.page = 1e15 + 1;
        refuseRates(r, "page", 1e15 + 1, 0, 1e15);
    }

    function test_no_network_is_founded_on_rates_out_of_bounds() public {
        IParameters.ExecutionRates memory none = rates();
        none.updateGas = 0;
        vm.expectRevert(outOfBounds("updateGas", 0, 1, 1e18));
        new Parameters(OWNER, GENESIS, PERIOD, terms(), none);
    }

    function refuseRates(
        IParameters.ExecutionRates memory changed,
        bytes32 name,
        uint256 value,
        uint256 low,
        uint256 high
    ) private {
        vm.expectRevert(outOfBounds(name, value, low, high));
        scheduleRates(changed);
    }

    function scheduleRates(IParameters.ExecutionRates memory changed) private {
        vm.prank(OWNER);
        parameters.scheduleRates(changed);
    }

    function refuse(IParameters.Terms memory changed, bytes32 name, uint256 value, uint256 low, uint256 high)
        private
    {
        vm.expectRevert(outOfBounds(name, value, low, high));
        schedule(changed);
    }

    function schedule(IParameters.Terms memory changed) private {
        vm.prank(OWNER);
        parameters.schedule(changed);
    }

    function outOfBounds(bytes32 name, uint256 value, uint256 low, uint256 high)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IParameters.Parameters_OutOfBounds.selector, name, value, low, high);
    }
}
