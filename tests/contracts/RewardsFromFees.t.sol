// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {Splits} from "../../contracts/libraries/Splits.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";
import {PayoutTree} from "./support/PayoutTree.sol";

/// @dev The protocol's fee of a settled month, from its leaf in the hub to those who stake.
contract RewardsFromFeesTest is DisputeFixture {
    uint32 private constant MONTH = 2;

    function setUp() public {
        stage();
        IParameters.Terms memory pooled = terms();
        pooled.treasury = address(rewards);
        vm.prank(OWNER);
        parameters.schedule(pooled);
        toPeriod(MONTH);
    }

    function test_the_fee_of_a_month_reaches_stakers_and_treasury_to_the_last_unit() public {
        uint128 fee = settleMonth(10e18);
        vm.assertEq(hub.creditOf(address(rewards)), fee, "the treasury's leaf is the pool's");
        vm.prank(STRANGER);
        rewards.collect();
        vm.assertEq(hub.creditOf(address(rewards)), 0, "collected");
        vm.assertEq(service.balanceOf(TREASURY), fee - fee / 2, "the treasury's half");
        uint128 claimed;
        for (uint32 number = 1; number <= registry.nodeCount(); ++number) {
            claimed += rewards.claimNode(number);
        }
        vm.assertLe(claimed, fee / 2, "never more than was funded");
        vm.assertGe(claimed + 3, fee / 2, "less than a unit is lost for each node");
        uint256 weight = registry.weightOf(node);
        vm.assertLe(service.balanceOf(payoutOf(node)), fee / 2 * weight / rewards.totalStake(), "by stake");
    }

    function test_fees_of_direct_claims_reach_the_pool_too() public {
        toDirect(MONTH);
        claimDirectly(
            node,
            MONTH,
            claimsOf(directClaim(SESSION_SECRET, ANCHOR_SECRET, node, MONTH, ticketClass, 10e18, 20e18))
        );
        uint128 fee = Splits.split(10e18, 250, 4_000, 0, 1_000).treasury;
        vm.assertEq(rewards.collect(), fee, "all of it");
    }

    function settleMonth(uint128 gross) private returns (uint128 fee) {
        toSettle(MONTH);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, MONTH, gross));
        vm.prank(anchor);
        hub.settleChunk(MONTH, rows);
        fee = Splits.split(gross, 250, 4_000, 500, 1_000).treasury;
        IChannelHubTypes.Payout[] memory payouts = honest(gross);
        for (uint256 i; i < payouts.length; ++i) {
            if (payouts[i].account == TREASURY) payouts[i].account = address(rewards);
        }
        sort(payouts);
        IChannelHubTypes.ProofNode memory root = PayoutTree.root(payouts);
        vm.prank(anchor);
        hub.commitPeriod(MONTH, root.hash, root.sum, uint32(payouts.length));
        vm.warp(hub.potOf(anchor, MONTH).finalAt);
        hub.distribute(anchor, MONTH, 0, payouts, new IChannelHubTypes.ProofNode[](0));
    }
}
