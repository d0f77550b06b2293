// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";
import {PayoutTree} from "./support/PayoutTree.sol";

/// @dev The design's figures. Isolated, every call is a transaction of its own, with its 21,000, its
/// calldata and cold storage.
/// forge-config: default.isolate = true
contract GasTest is DisputeFixture {
    uint256 private constant ROWS = 300;

    event Measured(string what, uint256 gasPerUnit);

    function setUp() public {
        deploy();
        populate();
    }

    function test_settling_300_channels_costs_at_most_12500_each() public {
        IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](ROWS);
        for (uint256 i; i < ROWS; ++i) {
            openChannel(0x10000 + i, anchor, 10e18);
            rows[i] = statement(0x10000 + i, anchor, 0, uint128(1e18 + i * 1e12 + 123456789));
        }
        toSettle(0);
        uint256 used = measure(anchor, abi.encodeCall(hub.settleChunk, (0, rows)));
        vm.assertEq(hub.potOf(anchor, 0).chunks, 1, "all of them in one chunk");
        report("settle, per integration at 300 rows", used / ROWS, 12_500);
    }

    function test_distributing_to_300_known_payees_costs_at_most_8500_each() public {
        openChannel(SESSION_SECRET, anchor, 1_000_000e18);
        IChannelHubTypes.Payout[] memory payouts = new IChannelHubTypes.Payout[](ROWS);
        for (uint256 i; i < ROWS; ++i) {
            address account = address(uint160(uint256(keccak256(abi.encode("payee", i)))));
            payouts[i] = IChannelHubTypes.Payout(account, uint128(1e17 + i * 1e12 + 123456789));
        }
        // the first month opens every payee's slot, at 22,100 each; the second is the usual one
        uint256 first = month(0, payouts);
        emit Measured("distribute, per new payee at 300", first / ROWS);
        report("distribute, per payee at 300", month(1, payouts) / ROWS, 8_500);
    }

    function test_claiming_lanes_of_many_integrations_directly() public {
        uint256 lanes = 50;
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](lanes);
        for (uint256 i; i < lanes; ++i) {
            openChannel(0x20000 + i, anchor, 10e18);
            rows[i] =
                directClaim(0x20000 + i, ANCHOR_SECRET, node, 0, ticketClass, 1e18 + uint128(i * 1e12), 2e18);
        }
        // credits exist, as after any month
        toDirect(0);
        openCredits();
        order(rows, node, 0);
        bytes memory call = abi.encodeCall(hub.claimDirect, (node, 0, 0, paidLanes(node, 0), rows));
        uint256 used = measure(STRANGER, call);
        report("direct claim, per lane, 50 integrations, one class", used / lanes, 46_500);
    }

    function test_claiming_lanes_of_one_integration_directly() public {
        uint256 lanes = 50;
        openChannel(SESSION_SECRET, anchor, 1_000e18);
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](lanes);
        for (uint256 i; i < lanes; ++i) {
            bytes32 tokenClass = keccak256(abi.encode(i));
            rows[i] = directClaim(
                SESSION_SECRET, ANCHOR_SECRET, node, 0, tokenClass, 1e18 + uint128(i * 1e12), 2e18
            );
        }
        toDirect(0);
        openCredits();
        order(rows, node, 0);
        bytes memory call = abi.encodeCall(hub.claimDirect, (node, 0, 0, paidLanes(node, 0), rows));
        uint256 used = measure(STRANGER, call);
        report("direct claim, per lane, one integration, 50 classes", used / lanes, 45_000);
    }

    /// @dev One lane of one Statement in a tree of 200 payouts, as a month has them.
    function test_challenging_one_statement() public {
        openChannel(SESSION_SECRET, anchor, 1_000e18);
        IChannelHubTypes.Payout[] memory payouts = new IChannelHubTypes.Payout[](200);
        for (uint256 i; i < payouts.length; ++i) {
            address account = address(uint160(uint256(keccak256(abi.encode("payee", i)))));
            payouts[i] = IChannelHubTypes.Payout(account, uint128(1e17 + i * 1e12 + 123456789));
        }
        payouts[7].account = payoutOf(node);
        sort(payouts);
        settleHonestly(PayoutTree.root(payouts).sum);
        commitPayouts(payouts);
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18 + 123456789));
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        uint256 used = measure(STRANGER, abi.encodeCall(hub.challenge, (anchor, 0, node, lanes, proof)));
        report("challenge, one statement, 200 payees", used, 100_000);
    }

    function openCredits() private {
        openChannel(0x30000, anchor, 10e18);
        IChannelHubTypes.DirectClaimRow[] memory rows =
            claimsOf(directClaim(0x30000, ANCHOR_SECRET, node, 0, ticketClass, 1e18, 2e18));
        claimDirectly(node, 0, rows);
    }

    function test_opening_and_topping_up_stay_cheap() public {
        bytes memory call = abi.encodeCall(hub.open, (session, PAYER, anchor, 1e18));
        report("open", measure(PAYER, call), 155_000);
        report("top up", measure(PAYER, abi.encodeCall(hub.topUp, (session, 1e18))), 60_000);
    }

    function month(uint32 period, IChannelHubTypes.Payout[] memory payouts) private returns (uint256) {
        IChannelHubTypes.ProofNode memory root = PayoutTree.root(payouts);
        toSettle(period);
        IChannelHubTypes.StatementRow[] memory rows =
            rowsOf(statement(SESSION_SECRET, anchor, period, root.sum));
        vm.startPrank(anchor);
        hub.settleChunk(period, rows);
        hub.commitPeriod(period, root.hash, root.sum, uint32(payouts.length));
        vm.stopPrank();
        vm.warp(hub.potOf(anchor, period).finalAt);
        return measure(
            STRANGER,
            abi.encodeCall(hub.distribute, (anchor, period, 0, payouts, new IChannelHubTypes.ProofNode[](0)))
        );
    }

    function measure(address sender, bytes memory call) private returns (uint256) {
        vm.prank(sender);
        (bool succeeded,) = address(hub).call(call);
        vm.assertTrue(succeeded, "the call succeeds");
        return vm.lastCallGas().gasTotalUsed;
    }

    function report(string memory what, uint256 used, uint256 limit) private {
        emit Measured(what, used);
        vm.assertLe(used, limit, what);
    }
}
