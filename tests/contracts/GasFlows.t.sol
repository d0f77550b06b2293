// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";
import {PayoutTree} from "./support/PayoutTree.sol";

/// @dev What the flows that everybody goes through cost, kept in tests/contracts/snapshots/flows.json.
/// `./dev check` compares, `./dev snapshot` writes anew. Isolated, every call is a transaction of its
/// own, with its 21,000, its calldata and cold storage.
/// forge-config: default.isolate = true
contract GasFlowsTest is DisputeFixture {
    uint256 private constant ROWS = 50;
    uint256 private constant LANES = 20;

    function setUp() public {
        deploy();
        populate();
    }

    function test_joining_with_stake() public {
        uint256 secret = 0x40001;
        bytes memory proof = keyProof(secret, OPERATOR);
        address key = vm.addr(secret);
        bytes memory call = abi.encodeCall(
            registry.register, (key, payoutOf(key), 1, "http://api", "ws://link", SERVICE_STAKE, proof)
        );
        flow("register a node", OPERATOR, address(registry), call, 1);
        flow("add stake", OPERATOR, address(registry), abi.encodeCall(registry.addStake, (key, 1e18)), 1);
        flow("delegate stake", OPERATOR, address(registry), abi.encodeCall(registry.delegate, (key, 1e18)), 1);
        bytes memory thaw = abi.encodeCall(registry.requestThaw, (key, 1e18));
        flow("thaw stake", OPERATOR, address(registry), thaw, 1);
    }

    function test_paying_rent() public {
        bytes memory start = abi.encodeCall(vault.start, (ticketClass, 10, 3));
        flow("start rent", AIRLINE, address(vault), start, 1);
        flow("top rent up", AIRLINE, address(vault), abi.encodeCall(vault.topUp, (ticketClass, 1)), 1);
    }

    function test_depositing() public {
        bytes memory open = abi.encodeCall(hub.open, (session, PAYER, anchor, 1e18));
        flow("open a channel", PAYER, address(hub), open, 1);
        flow("top a channel up", PAYER, address(hub), abi.encodeCall(hub.topUp, (session, 1e18)), 1);
        bytes memory ask = abi.encodeCall(hub.requestWithdrawal, (session, 1e18));
        flow("ask for a withdrawal", PAYER, address(hub), ask, 1);
    }

    function test_settling_and_distributing() public {
        IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](ROWS);
        for (uint256 i; i < ROWS; ++i) {
            openChannel(0x10000 + i, anchor, 10e18);
            rows[i] = statement(0x10000 + i, anchor, 0, 1e18);
        }
        IChannelHubTypes.Payout[] memory payouts = payees(1e18);
        toSettle(0);
        flow(
            "settle, per statement of 50",
            anchor,
            address(hub),
            abi.encodeCall(hub.settleChunk, (0, rows)),
            ROWS
        );
        IChannelHubTypes.ProofNode memory root = PayoutTree.root(payouts);
        bytes memory commit = abi.encodeCall(hub.commitPeriod, (0, root.hash, root.sum, uint32(ROWS)));
        flow("commit a period", anchor, address(hub), commit, 1);
        vm.warp(hub.potOf(anchor, 0).finalAt);
        bytes memory claim =
            abi.encodeCall(hub.claim, (anchor, 0, 0, payouts[0], proofOf(payouts, 0, 1).siblings));
        flow("claim one payout", STRANGER, address(hub), claim, 1);
        bytes memory rest =
            abi.encodeCall(hub.distribute, (anchor, 0, 0, payouts, new IChannelHubTypes.ProofNode[](0)));
        flow("distribute, per new payee of 50", STRANGER, address(hub), rest, ROWS);
        flow("release a bond", STRANGER, address(hub), abi.encodeCall(hub.releaseBond, (anchor, 0)), 1);
        address payee = payouts[0].account;
        flow("withdraw credit", payee, address(hub), abi.encodeCall(hub.withdrawCredit, (payee, 1e17)), 1);
    }

    function test_claiming_directly() public {
        IChannelHubTypes.DirectClaimRow[] memory rows = new IChannelHubTypes.DirectClaimRow[](LANES);
        for (uint256 i; i < LANES; ++i) {
            openChannel(0x20000 + i, anchor, 10e18);
            rows[i] = directClaim(0x20000 + i, ANCHOR_SECRET, node, 0, ticketClass, 1e18, 2e18);
        }
        toDirect(0);
        order(rows, node, 0);
        bytes memory call = abi.encodeCall(hub.claimDirect, (node, 0, 0, paidLanes(node, 0), rows));
        flow("claim directly, per lane of 20", STRANGER, address(hub), call, LANES);
    }

    function test_challenging() public {
        openChannel(SESSION_SECRET, anchor, 1_000e18);
        IChannelHubTypes.Payout[] memory payouts = payees(1e17);
        payouts[7].account = payoutOf(node);
        sort(payouts);
        settleHonestly(PayoutTree.root(payouts).sum);
        commitPayouts(payouts);
        IChannelHubTypes.OwedLane[] memory lanes = lanesOf(ack(10e18));
        bytes memory call =
            abi.encodeCall(hub.challenge, (anchor, 0, node, lanes, proofFor(payouts, payoutOf(node))));
        flow("challenge a statement", STRANGER, address(hub), call, 1);
    }

    /// @dev Fifty payouts that fifty statements of `each` pay, in ascending order of accounts.
    function payees(uint128 each) private pure returns (IChannelHubTypes.Payout[] memory payouts) {
        payouts = new IChannelHubTypes.Payout[](ROWS);
        for (uint256 i; i < ROWS; ++i) {
            payouts[i] =
                IChannelHubTypes.Payout(address(uint160(uint256(keccak256(abi.encode("payee", i))))), each);
        }
        sort(payouts);
    }

    function flow(string memory what, address sender, address target, bytes memory call, uint256 units)
        private
    {
        vm.prank(sender);
        (bool succeeded,) = target.call(call);
        vm.assertTrue(succeeded, what);
        vm.snapshotValue("flows", what, uint256(vm.lastCallGas().gasTotalUsed) / units);
    }
}
