// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../../contracts/interfaces/IDisputeManager.sol";
import {Splits} from "../../../contracts/libraries/Splits.sol";
import {Fixture} from "./Fixture.sol";
import {PayoutTree} from "./PayoutTree.sol";

/// @dev One channel of 100 with one lane, and the honest and dishonest payouts of its month.
abstract contract DisputeFixture is Fixture {
    function stage() internal {
        deploy();
        nameDisputes();
        populate();
        openChannel(SESSION_SECRET, anchor, 100e18);
    }

    function ack(uint128 acknowledged) internal view returns (IChannelHubTypes.OwedLane memory) {
        return owedLane(ANCHOR_SECRET, session, 0, node, ticketClass, acknowledged, 20e18);
    }

    function lease(address node_, uint128 leaseCap) internal view returns (IDisputeManager.Lease memory) {
        IChannelHubTypes.OwedLane memory lane =
            owedLane(ANCHOR_SECRET, session, 0, node_, ticketClass, 0, leaseCap);
        return IDisputeManager.Lease(node_, ticketClass, 0, leaseCap, lane.r, lane.vs);
    }

    function settleHonestly(uint128 amount) internal {
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, amount));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
    }

    function acceptedOf(uint128 amount) internal view returns (IChannelHubTypes.AcceptedRow[] memory rows) {
        rows = new IChannelHubTypes.AcceptedRow[](1);
        rows[0] =
            IChannelHubTypes.AcceptedRow(session, amount, keccak256(abi.encode(SESSION_SECRET, uint32(0))));
    }

    function commitPayouts(IChannelHubTypes.Payout[] memory payouts) internal {
        IChannelHubTypes.ProofNode memory root = PayoutTree.root(payouts);
        vm.prank(anchor);
        hub.commitPeriod(0, root.hash, root.sum, uint32(payouts.length));
    }

    function rootOf(IChannelHubTypes.Payout[] memory payouts) internal pure returns (bytes32) {
        return PayoutTree.root(payouts).hash;
    }

    /// @dev What one lane of `gross` pays, by account.
    function honest(uint128 gross) internal view returns (IChannelHubTypes.Payout[] memory payouts) {
        Splits.Split memory parts = Splits.split(gross, 250, 4_000, 500, 1_000);
        payouts = new IChannelHubTypes.Payout[](5);
        payouts[0] = IChannelHubTypes.Payout(address(0), parts.burnt);
        payouts[1] = IChannelHubTypes.Payout(TREASURY, parts.treasury);
        payouts[2] = IChannelHubTypes.Payout(ISSUER_PAYOUT, parts.issuer);
        payouts[3] = IChannelHubTypes.Payout(payoutOf(anchor), parts.anchor);
        payouts[4] = IChannelHubTypes.Payout(payoutOf(node), parts.node);
        sort(payouts);
    }

    function sort(IChannelHubTypes.Payout[] memory payouts) internal pure {
        for (uint256 i = 1; i < payouts.length; ++i) {
            for (uint256 j = i; j > 0 && payouts[j].account < payouts[j - 1].account; --j) {
                (payouts[j], payouts[j - 1]) = (payouts[j - 1], payouts[j]);
            }
        }
    }

    function indexOf(IChannelHubTypes.Payout[] memory payouts, address account)
        internal
        pure
        returns (uint256 index)
    {
        while (index < payouts.length && payouts[index].account < account) ++index;
    }

    function add(IChannelHubTypes.Payout[] memory payouts, address account, uint128 amount) internal pure {
        payouts[indexOf(payouts, account)].amount += amount;
    }

    function shift(IChannelHubTypes.Payout[] memory payouts, address from, address to, uint128 amount)
        internal
        pure
    {
        payouts[indexOf(payouts, from)].amount -= amount;
        add(payouts, to, amount);
    }

    /// @dev The same payouts, the account's part added to the last other one's.
    function without(IChannelHubTypes.Payout[] memory payouts, address account)
        internal
        pure
        returns (IChannelHubTypes.Payout[] memory rest)
    {
        uint256 index = indexOf(payouts, account);
        rest = new IChannelHubTypes.Payout[](payouts.length - 1);
        for (uint256 i; i < rest.length; ++i) {
            rest[i] = payouts[i < index ? i : i + 1];
        }
        rest[rest.length - 1].amount += payouts[index].amount;
    }

    function proofOf(IChannelHubTypes.Payout[] memory payouts, uint256 first, uint256 count)
        internal
        pure
        returns (IChannelHubTypes.PayoutProof memory)
    {
        return IChannelHubTypes.PayoutProof(
            uint32(first), PayoutTree.slice(payouts, first, count), PayoutTree.proof(payouts, first, count)
        );
    }

    /// @dev The account's leaf, or its absence.
    function proofFor(IChannelHubTypes.Payout[] memory payouts, address account)
        internal
        pure
        returns (IChannelHubTypes.PayoutProof memory)
    {
        uint256 index = indexOf(payouts, account);
        if (index < payouts.length && payouts[index].account == account) return proofOf(payouts, index, 1);
        if (index == 0) return proofOf(payouts, 0, 1);
        if (index == payouts.length) return proofOf(payouts, index - 1, 1);
        return proofOf(payouts, index - 1, 2);
    }
}
