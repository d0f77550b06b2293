// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {SmartTicket} from "../../contracts/examples/SmartTicket.sol";
import {IChannelHub} from "../../contracts/interfaces/IChannelHub.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {IRentVault} from "../../contracts/interfaces/IRentVault.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {Fixture} from "./support/Fixture.sol";
import {Test} from "./support/Vm.sol";

/// @dev Three classes that buy rent, prices that change, books that are closed now and then.
contract RentHandler is Fixture {
    uint256 public constant CLASSES = 3;

    bytes32[CLASSES] public classes;
    uint256 public bought;
    uint256 public topUps;
    uint256 public starts;
    uint256 public earned;
    uint256 public returned;
    uint256 public extended;
    uint256 public withdrawn;
    uint256 public garnished;
    uint256 public garnishes;

    constructor() {
        deploy();
        populate();
        for (uint256 i; i < CLASSES; ++i) {
            address token = address(new SmartTicket(AIRLINE));
            vm.prank(AIRLINE);
            classes[i] = issuers.registerClass(token, ISSUER_PAYOUT, 0, "ipfs://a", bytes32("a"));
        }
    }

    function start(uint256 seed, uint64 instances, uint32 periods) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        IRentVault.State state = vault.stateOf(tokenClass);
        if (brake.isPaused()) return;
        if (state == IRentVault.State.Active || state == IRentVault.State.Grace) return;
        instances = uint64(bound(instances, 1, 1_000));
        periods = uint32(bound(periods, 1, 6));
        (uint128 quoted,) = vault.quote(tokenClass, instances, periods);
        vm.prank(AIRLINE);
        uint128 amount = vault.start(tokenClass, instances, periods);
        vm.assertEq(amount, quoted, "as quoted");
        bought += amount;
        ++starts;
    }

    function topUp(uint256 seed, uint32 periods) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        IRentVault.Rent memory rent = vault.rentOf(tokenClass);
        periods = uint32(bound(periods, 1, 6));
        bool runs = rent.state == IRentVault.State.Active || rent.state == IRentVault.State.Grace;
        if (!runs || brake.isPaused() || rent.paidUntil + periods <= parameters.currentPeriod()) return;
        (uint128 quoted, uint64 expiry) = vault.quote(tokenClass, rent.instances, periods);
        vm.prank(PAYER);
        uint128 amount = vault.topUp(tokenClass, periods);
        vm.assertEq(amount, quoted, "as quoted");
        vm.assertEq(vault.expiryOf(tokenClass), expiry, "until the quoted day");
        vm.assertEq(uint256(vault.stateOf(tokenClass)), uint256(IRentVault.State.Active), "active");
        bought += amount;
        ++topUps;
    }

    function extend(uint256 seed, uint32 periods) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        IRentVault.Rent memory rent = vault.rentOf(tokenClass);
        periods = uint32(bound(periods, 1, 3));
        bool runs = rent.state == IRentVault.State.Active || rent.state == IRentVault.State.Grace;
        if (!runs || rent.paidUntil + periods <= parameters.currentPeriod()) return;
        (uint128 quoted,) = vault.quote(tokenClass, rent.instances, periods);
        if (quoted > rent.balance) return;
        extended += vault.extend(tokenClass, periods);
    }

    /// @dev A node shows an uptime that the first anchor acknowledged.
    function earn(uint256 seed, uint64 instances, uint16 availability) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        uint32 current = parameters.currentPeriod();
        uint64 most = vault.rentOf(tokenClass).instances;
        if (current == 0 || most == 0) return;
        uint32 period = current - 1;
        address key = seed % 2 == 0 ? node : otherAnchor;
        IRentVault.UptimeRow[] memory rows = new IRentVault.UptimeRow[](1);
        rows[0].tokenClass = tokenClass;
        rows[0].instances = uint64(bound(instances, 1, most));
        rows[0].availability = uint16(bound(availability, 1, 10_000));
        (rows[0].r, rows[0].vs) = (new bytes32[](1), new bytes32[](1));
        (rows[0].r[0], rows[0].vs[0]) = vm.signCompact(
            ANCHOR_SECRET,
            lens.hashUptimeAcknowledgement(
                address(hub),
                ISmartLayerMessages.UptimeAcknowledgement(
                    key, period, tokenClass, rows[0].instances, rows[0].availability
                )
            )
        );
        if (block.timestamp >= parameters.windowsOf(period).directUntil) return;
        earned += vault.earn(key, period, rows);
    }

    function returnUnearned(uint256 seed) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        uint32 current = parameters.currentPeriod();
        uint32 period = uint32(bound(seed >> 16, current > 4 ? current - 4 : 0, current));
        (uint128 rent, uint128 spent) = vault.rentAt(tokenClass, period);
        if (block.timestamp < parameters.windowsOf(period).directUntil || rent == spent) return;
        returned += vault.returnUnearned(tokenClass, period);
    }

    function pull() external {
        if (block.timestamp < brake.readyAt()) return;
        vm.prank(GUARDIAN);
        brake.pull("test");
    }

    /// @dev What the vault owes: rent that can be earned or returned, balances, and what was earned.
    function owed() external view returns (uint256 sum) {
        uint32 last = parameters.currentPeriod() + 1_300;
        for (uint256 i; i < CLASSES; ++i) {
            IRentVault.Rent memory found = vault.rentOf(classes[i]);
            sum += found.balance;
            for (uint32 period; period < last && period < found.paidUntil; ++period) {
                (uint128 rent, uint128 spent) = vault.rentAt(classes[i], period);
                sum += rent - spent;
            }
        }
        sum += vault.earnedBy(payoutOf(node)) + vault.earnedBy(payoutOf(otherAnchor));
    }

    function withdraw(uint256 seed) external {
        address account = payoutOf(seed % 2 == 0 ? node : otherAnchor);
        uint128 available = vault.earnedBy(account);
        if (available == 0) return;
        uint128 amount = uint128(bound(seed >> 8, 1, available));
        vm.prank(account);
        vault.withdrawRent(STRANGER, amount);
        withdrawn += amount;
    }

    function updateGarnish(uint256 seed) external {
        vault.updateGarnish(classes[(seed >> 8) % CLASSES]);
    }

    /// @dev Revenue reached the purse, as a distribution leaves it in the hub; it pays what is owed.
    function garnish(uint256 seed, uint128 revenue) external {
        bytes32 tokenClass = classes[(seed >> 8) % CLASSES];
        address purse = vault.purseAt(tokenClass, parameters.currentPeriod());
        if (purse == address(0)) return;
        revenue = uint128(bound(revenue, 1, 1e21));
        vm.mockCall(address(hub), abi.encodeCall(IChannelHub.creditOf, (purse)), abi.encode(revenue));
        vm.mockCall(address(hub), abi.encodeCall(IChannelHub.withdrawCredit, (address(vault), revenue)), "");
        vm.prank(PAYER);
        service.transfer(address(vault), revenue);
        uint256 issuerBefore = service.balanceOf(ISSUER_PAYOUT);
        uint128 balanceBefore = vault.rentOf(tokenClass).balance;
        uint32 paidBefore = vault.rentOf(tokenClass).paidUntil;
        (uint128 price,) = vault.quote(tokenClass, vault.rentOf(tokenClass).instances, 1);
        vault.garnish(tokenClass);
        uint256 toIssuer = service.balanceOf(ISSUER_PAYOUT) - issuerBefore;
        uint32 more = vault.rentOf(tokenClass).paidUntil - paidBefore;
        uint256 used = uint256(price) * more;
        vm.assertEq(
            uint256(balanceBefore) + revenue,
            uint256(vault.rentOf(tokenClass).balance) + used + toIssuer,
            "revenue pays rent, waits, or is the issuer's"
        );
        garnished += revenue - toIssuer;
        extended += used;
        ++garnishes;
    }

    function roll(uint32 limit) external {
        vault.roll(uint32(bound(limit, 0, 3)));
    }

    function pass(uint256 seed) external {
        vm.warp(block.timestamp + bound(seed, 1 days, 45 days));
    }

    function changePrice(uint128 price) external {
        IParameters.Terms memory changed = terms();
        changed.rentPrice = uint128(bound(price, 1, 1e18));
        changed.rentGrace = 100 days;
        vm.prank(OWNER);
        parameters.schedule(changed);
    }

    /// @dev All rent that ever falls due, once every class has run out.
    function dueInTheEnd() external returns (uint256 due) {
        uint256 state = vm.snapshotState();
        uint32 last = parameters.currentPeriod();
        for (uint256 i; i < CLASSES; ++i) {
            uint32 paidUntil = vault.rentOf(classes[i]).paidUntil;
            if (paidUntil > last) last = paidUntil;
        }
        toPeriod(last + 1);
        vault.roll(type(uint32).max);
        for (uint32 period; period < vault.nextPeriodToRoll(); ++period) {
            due += vault.rentDue(period);
        }
        vm.revertToState(state);
    }

    function held() external view returns (uint256) {
        return service.balanceOf(address(vault));
    }
}

contract RentInvariants is Test {
    RentHandler private handler;

    function setUp() public {
        handler = new RentHandler();
        targetContract(address(handler));
    }

    function invariant_14_rent_due_in_the_end_is_rent_bought() public {
        vm.assertEq(handler.dueInTheEnd(), handler.bought() + handler.extended(), "due");
        vm.assertEq(handler.held(), handler.bought() + handler.garnished() - handler.withdrawn(), "held");
    }

    function invariant_14_rent_is_earned_returned_or_still_there() public view {
        vm.assertEq(handler.owed(), handler.held(), "to the unit");
    }

    function test_the_handler_starts_and_tops_up() public {
        uint256 seed = 5;
        for (uint256 i; i < 400; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 action = (seed >> 128) % 12;
            if (action == 0) handler.start(seed, uint64(seed), uint32(seed >> 64));
            else if (action == 1) handler.topUp(seed, uint32(seed >> 64));
            else if (action == 2) handler.roll(uint32(seed));
            else if (action == 3) handler.pass(seed);
            else if (action == 4) handler.changePrice(uint128(seed));
            else if (action == 5) handler.extend(seed, uint32(seed >> 64));
            else if (action == 6) handler.earn(seed, uint64(seed), uint16(seed >> 64));
            else if (action == 7) handler.returnUnearned(seed);
            else if (action == 8) handler.withdraw(seed);
            else if (action == 9) handler.updateGarnish(seed);
            else if (action == 10) handler.garnish(seed, uint128(seed));
            else handler.pull();
            invariant_14_rent_due_in_the_end_is_rent_bought();
            invariant_14_rent_is_earned_returned_or_still_there();
        }
        vm.assertGe(handler.starts(), 2, "starts");
        vm.assertGe(handler.topUps(), 2, "top-ups");
        vm.assertGe(handler.earned(), 1, "earned");
        vm.assertGe(handler.returned(), 1, "returned");
        vm.assertGe(handler.extended(), 1, "extended");
        vm.assertGe(handler.withdrawn(), 1, "withdrawn");
        vm.assertGe(handler.garnishes(), 1, "garnishes");
    }
}
