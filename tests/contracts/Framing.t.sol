// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {Splits} from "../../contracts/libraries/Splits.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

/// @dev Payers and nodes conspire: they sign and send anything they like. The anchor is honest: it
/// acknowledges within its lease, leases within the deposit, and commits what it acknowledged.
contract FramingTest is DisputeFixture {
    uint128 private constant DEPOSIT = 100e18;

    function setUp() public {
        stage();
    }

    function test_an_honest_anchor_is_never_slashed(uint256 seed) public {
        uint128 acknowledged = uint128(1 + seed % 20e18);
        uint128 leased = uint128(acknowledged + (seed >> 64) % (DEPOSIT - acknowledged));
        IChannelHubTypes.OwedLane memory genuine =
            owedLane(ANCHOR_SECRET, session, 0, node, ticketClass, acknowledged, leased);
        uint128 stakeBefore = registry.slashable(anchor);

        // before settling, the conspirators post what the lease allows; an honest anchor reads it
        uint128 voucher = uint128(1 + (seed >> 128) % (2 * DEPOSIT));
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, voucher, leased);
        if (seed % 2 == 0) hub.postVoucher(node, 0, row);
        uint128 posted = hub.postedAmount(session, 0, node, ticketClass);
        uint128 due = posted > acknowledged ? posted : acknowledged;
        vm.assertLe(due, leased, "a posted voucher never passes the lease");

        settleHonestly(due);
        IChannelHubTypes.Payout[] memory payouts = honest(due);
        commitPayouts(payouts);
        attack(seed, payouts, genuine);

        vm.assertTrue(hub.potOf(anchor, 0).status == IChannelHubTypes.PotStatus.Committed, "not void");
        vm.assertEq(registry.slashable(anchor), stakeBefore, "nothing was slashed");
    }

    /// @dev Everything here reverts; what it says is of no matter.
    function attack(
        uint256 seed,
        IChannelHubTypes.Payout[] memory payouts,
        IChannelHubTypes.OwedLane memory genuine
    ) private {
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node));
        tried(genuine, node, proof);
        IChannelHubTypes.OwedLane memory posted;
        (posted.signer, posted.tokenClass) = (session, ticketClass);
        tried(posted, node, proof);
        for (uint256 i; i < 6; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            uint256 forger = roll % 3 == 0 ? SESSION_SECRET : roll % 3 == 1 ? NODE_SECRET : 0x999;
            tried(
                owedLane(forger, session, 0, node, ticketClass, uint128(roll), uint128(roll >> 8)),
                node,
                proof
            );
            IChannelHubTypes.OwedLane memory bent =
                abi.decode(abi.encode(genuine), (IChannelHubTypes.OwedLane));
            if (roll % 5 == 0) bent.acknowledged = uint128(roll);
            else if (roll % 5 == 1) bent.leaseCap = uint128(roll);
            else if (roll % 5 == 2) bent.tokenClass = bytes32(roll);
            else if (roll % 5 == 3) bent.signer = address(uint160(roll));
            else bent.vs = bytes32(uint256(bent.vs) ^ (roll | 1));
            tried(bent, node, proof);
            tried(genuine, roll % 2 == 0 ? otherAnchor : STRANGER, proof);
            tried(genuine, node, proofOf(payouts, roll % 4, 1 + roll % 2));
            try hub.challengeOrder(anchor, 0, proofOf(payouts, roll % 4, 2)) {} catch {}
            overLease(forger, uint128(roll));
        }
        overLease(ANCHOR_SECRET, genuine.leaseCap);
    }

    function tried(
        IChannelHubTypes.OwedLane memory lane,
        address node_,
        IChannelHubTypes.PayoutProof memory proof
    ) private {
        try hub.challenge(anchor, 0, node_, lanesOf(lane), proof) {} catch {}
        try hub.forfeitBond(anchor, 0, address(this), node_) {} catch {}
    }

    function overLease(uint256 secret, uint128 leaseCap) private {
        IChannelHubTypes.OwedLane memory lane = owedLane(secret, session, 0, node, ticketClass, 0, leaseCap);
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] = IDisputeManager.Lease(node, ticketClass, 0, leaseCap, lane.r, lane.vs);
        try disputes.punishOverLeasing(anchor, session, 0, leases) {} catch {}
    }
}
