// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {Fixture} from "./support/Fixture.sol";
import {PayoutTree} from "./support/PayoutTree.sol";

/// @dev A backlog drains in transactions that each fit 5 M gas, and whoever stops anywhere goes on
/// from there. Isolated, every call is a transaction of its own.
/// forge-config: default.isolate = true
contract SettlementBacklogTest is Fixture {
    uint256 private constant CHUNK = 300;
    uint256 private constant PAYEES = 200;
    /// @dev As many as the settler sends at once.
    uint256 private constant DISTRIBUTED = 190;
    uint256 private constant LARGEST = 5_000_000;

    function setUp() public {
        deploy();
        populate();
    }

    function test_a_backlog_of_600_channels_drains_in_bounded_transactions() public {
        drain(600);
    }

    /// @dev The whole backlog of 18 days.
    function test_a_backlog_of_5000_channels_drains_in_bounded_transactions() public {
        drain(5_000);
    }

    /// @dev Each chunk comes twice, as from a process that was killed before it saw the receipt, and
    /// the second changes nothing.
    function drain(uint256 channels) private {
        IParameters.Windows memory windows = parameters.windowsOf(0);
        for (uint256 i; i < channels; ++i) {
            openChannel(0x100000 + i, anchor, 10e18);
        }
        // the outage ends with the settle window nearly over
        vm.warp(windows.settleUntil - 6 hours);
        uint256 debited;
        for (uint256 first; first < channels; first += CHUNK) {
            uint256 count = channels - first < CHUNK ? channels - first : CHUNK;
            IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](count);
            for (uint256 i; i < count; ++i) {
                rows[i] = statement(0x100000 + first + i, anchor, 0, uint128(1e18 + first + i));
                debited += 1e18 + first + i;
            }
            send(anchor, abi.encodeCall(hub.settleChunk, (0, rows)));
            vm.assertEq(hub.potOf(anchor, 0).sum, debited, "all rows so far");
            if (first % (4 * CHUNK) == 0) {
                send(anchor, abi.encodeCall(hub.settleChunk, (0, rows)));
                vm.assertEq(hub.potOf(anchor, 0).sum, debited, "a chunk that is sent again debits nobody");
            }
        }
        pay(debited);
    }

    function pay(uint256 debited) private {
        IChannelHubTypes.Payout[] memory payouts = new IChannelHubTypes.Payout[](PAYEES);
        uint256 left = debited;
        for (uint256 i; i < PAYEES; ++i) {
            uint256 part = i == PAYEES - 1 ? left : debited / PAYEES;
            payouts[i] = IChannelHubTypes.Payout(address(uint160(0x1000 + i)), uint128(part));
            left -= part;
        }
        bytes32 root = PayoutTree.root(payouts).hash;
        send(anchor, abi.encodeCall(hub.commitPeriod, (0, root, uint128(debited), uint32(PAYEES))));
        vm.warp(hub.potOf(anchor, 0).finalAt);
        for (uint256 round; round < 2; ++round) {
            for (uint256 first; first < PAYEES; first += DISTRIBUTED) {
                uint256 count = PAYEES - first < DISTRIBUTED ? PAYEES - first : DISTRIBUTED;
                IChannelHubTypes.Payout[] memory part = PayoutTree.slice(payouts, first, count);
                IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, first, count);
                send(STRANGER, abi.encodeCall(hub.distribute, (anchor, 0, uint32(first), part, siblings)));
            }
            vm.assertEq(hub.potOf(anchor, 0).distributed, debited, "everything, once");
        }
    }

    function send(address sender, bytes memory call) private {
        vm.prank(sender);
        (bool succeeded,) = address(hub).call(call);
        vm.assertTrue(succeeded, "the call succeeds");
        vm.assertLe(vm.lastCallGas().gasTotalUsed, LARGEST, "gas of one transaction");
    }
}
