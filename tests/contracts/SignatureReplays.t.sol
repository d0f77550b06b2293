// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ChannelHub} from "../../contracts/hub/ChannelHub.sol";
import {HubClaims} from "../../contracts/hub/HubClaims.sol";
import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {IRentVault} from "../../contracts/interfaces/IRentVault.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev Signatures played back at the functions that take them: on another chain, at another hub, for
/// another anchor, node, class, period or amount, in another form, and once more. Each test ends with
/// the signature used as it was meant, so that a refusal before it means something.
contract SignatureReplaysTest is Fixture {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant HERE = 31_337;
    bytes32 private constant PARITY = bytes32(uint256(1) << 255);

    ChannelHub private otherHub;

    function setUp() public {
        deploy();
        populate();
        HubClaims claims = new HubClaims(service, parameters, registry, issuers, disputes, vault);
        otherHub = new ChannelHub(service, parameters, registry, issuers, disputes, vault, claims);
        openChannel(SESSION_SECRET, anchor, 100e18);
        openChannel(0xC2, anchor, 100e18);
        vm.startPrank(PAYER);
        service.approve(address(otherHub), type(uint256).max);
        otherHub.open(session, PAYER, anchor, 100e18);
        vm.stopPrank();
    }

    // Statements

    function test_a_statement_pays_one_anchor_once_in_its_period_here() public {
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        toSettle(0);
        refuseStatement(otherHub, anchor, 0, row);
        refuseStatement(hub, otherAnchor, 0, row);
        vm.chainId(HERE + 1);
        refuseStatement(hub, anchor, 0, row);
        vm.chainId(HERE);
        refuseStatement(hub, anchor, 0, changed(row, 1, 0, 0, 0));
        refuseStatement(hub, anchor, 0, changed(row, 0, bytes32(uint256(1)), 0, 0));
        refuseStatement(hub, anchor, 0, changed(row, 0, 0, bytes32(uint256(1)), 0));
        refuseStatement(hub, anchor, 0, changed(row, 0, 0, 0, bytes32(uint256(1))));
        refuseStatement(hub, anchor, 0, changed(row, 0, 0, 0, PARITY));
        refuseStatement(
            hub, anchor, 0, IChannelHubTypes.StatementRow(1e18, row.vouchersRoot, row.r, twin(row.vs))
        );
        refuseStatement(hub, anchor, 0, IChannelHubTypes.StatementRow(1e18, row.vouchersRoot, 0, 0));

        vm.assertEq(settled(hub, anchor, 0, row), 1e18, "as it was meant");
        vm.assertEq(settled(hub, anchor, 0, row), 1e18, "once");
        (row.r, row.vs) = vm.signCompact(
            SESSION_SECRET,
            lens.hashStatement(
                address(otherHub), ISmartLayerMessages.Statement(anchor, 0, row.amount, row.vouchersRoot)
            )
        );
        vm.assertEq(settled(otherHub, anchor, 0, row), 1e18, "the other hub takes what was signed for it");
        toSettle(1);
        refuseStatement(hub, anchor, 1, row);
    }

    function refuseStatement(
        ChannelHub hub_,
        address anchor_,
        uint32 period,
        IChannelHubTypes.StatementRow memory row
    ) private {
        vm.assertEq(settled(hub_, anchor_, period, row), 0, "a replayed statement pays nothing");
    }

    function settled(
        ChannelHub hub_,
        address anchor_,
        uint32 period,
        IChannelHubTypes.StatementRow memory row
    ) private returns (uint256) {
        vm.prank(anchor_);
        (bool done,) = address(hub_).call(abi.encodeCall(hub.settleChunk, (period, rowsOf(row))));
        done; // a bad row is skipped, or nothing is left to settle: both pay nothing
        return hub_.potOf(anchor_, period).sum;
    }

    function changed(
        IChannelHubTypes.StatementRow memory row,
        uint128 amount,
        bytes32 root,
        bytes32 r,
        bytes32 vs
    ) private pure returns (IChannelHubTypes.StatementRow memory) {
        return IChannelHubTypes.StatementRow(
            row.amount ^ amount, row.vouchersRoot ^ root, row.r ^ r, row.vs ^ vs
        );
    }

    // Vouchers and acknowledgements

    function test_a_voucher_pays_one_lane_once_here() public {
        IChannelHubTypes.DirectClaimRow memory row =
            directClaim(SESSION_SECRET, ANCHOR_SECRET, node, 0, ticketClass, 1e18, 2e18);
        bytes memory meant = abi.encode(row);
        toDirect(0);
        refuseClaim(otherHub, node, 0, row);
        refuseClaim(hub, otherAnchor, 0, row);
        vm.chainId(HERE + 1);
        refuseClaim(hub, node, 0, row);
        vm.chainId(HERE);
        // one bit of any of its nine words
        for (uint256 word; word < 9; ++word) {
            bytes memory other = bytes.concat(meant);
            other[word * 32 + 31] ^= 0x01;
            refuseClaim(hub, node, 0, abi.decode(other, (IChannelHubTypes.DirectClaimRow)));
        }
        row.signer = vm.addr(0xC2);
        refuseClaim(hub, node, 0, row);
        row.signer = session;
        (row.voucherR, row.acknowledgementR) = (row.acknowledgementR, row.voucherR);
        (row.voucherVs, row.acknowledgementVs) = (row.acknowledgementVs, row.voucherVs);
        refuseClaim(hub, node, 0, row);
        row = abi.decode(meant, (IChannelHubTypes.DirectClaimRow));
        row.voucherVs = twin(row.voucherVs);
        refuseClaim(hub, node, 0, row);
        row = abi.decode(meant, (IChannelHubTypes.DirectClaimRow));
        row.acknowledgementVs = twin(row.acknowledgementVs);
        refuseClaim(hub, node, 0, row);

        row = abi.decode(meant, (IChannelHubTypes.DirectClaimRow));
        uint256 paid = claimed(hub, node, 0, row);
        vm.assertGe(paid, 1, "as it was meant");
        vm.assertEq(claimed(hub, node, 0, row), paid, "once");
        toDirect(1);
        vm.assertEq(claimed(hub, node, 1, row), paid, "in its period");
    }

    function refuseClaim(
        ChannelHub hub_,
        address node_,
        uint32 period,
        IChannelHubTypes.DirectClaimRow memory row
    ) private {
        vm.assertEq(claimed(hub_, node_, period, row), 0, "a replayed voucher pays nothing");
    }

    function claimed(
        ChannelHub hub_,
        address node_,
        uint32 period,
        IChannelHubTypes.DirectClaimRow memory row
    ) private returns (uint256) {
        try this.claim(hub_, node_, period, row) {} catch {} // skipped or reverted: both pay nothing
        return hub_.creditOf(payoutOf(node_));
    }

    function claim(
        ChannelHub hub_,
        address node_,
        uint32 period,
        IChannelHubTypes.DirectClaimRow calldata row
    ) external {
        if (address(hub_) == address(hub)) {
            claimDirectly(node_, period, claimsOf(row));
        } else {
            hub_.claimDirect(node_, period, 0, new IChannelHubTypes.PaidLane[](0), claimsOf(row));
        }
    }

    // Closes

    function test_a_close_is_for_one_channel_amount_period_and_chain() public {
        toPeriod(1);
        ISmartLayerMessages.Close memory meant =
            ISmartLayerMessages.Close(session, 1, 30e18, uint64(block.timestamp + 1 hours));
        bytes32 digest = lens.hashClose(address(hub), meant);
        bytes memory payer = signature(SESSION_SECRET, digest);
        bytes memory byAnchor = signature(ANCHOR_SECRET, digest);

        refuseClose(otherHub, meant, payer, byAnchor);
        vm.chainId(HERE + 1);
        refuseClose(hub, meant, payer, byAnchor);
        vm.chainId(HERE);
        refuseClose(hub, meant, byAnchor, payer);
        refuseClose(hub, meant, payer, payer);
        bytes memory encoded = abi.encode(meant);
        for (uint256 word; word < 4; ++word) {
            bytes memory other = bytes.concat(encoded);
            other[word * 32 + 31] ^= 0x01;
            refuseClose(hub, abi.decode(other, (ISmartLayerMessages.Close)), payer, byAnchor);
        }
        refuseClose(hub, ISmartLayerMessages.Close(vm.addr(0xC2), 1, 30e18, meant.deadline), payer, byAnchor);
        for (uint256 form; form < 7; ++form) {
            refuseClose(hub, meant, malformed(payer, form), byAnchor);
            refuseClose(hub, meant, payer, malformed(byAnchor, form));
        }

        hub.close(meant, payer, byAnchor);
        vm.assertEq(hub.channelOf(session).balance, 30e18, "as it was meant");
        refuseClose(hub, meant, payer, byAnchor);
    }

    function refuseClose(
        ChannelHub hub_,
        ISmartLayerMessages.Close memory agreement,
        bytes memory payer,
        bytes memory byAnchor
    ) private {
        bytes memory data = abi.encodeWithSelector(hub.close.selector, agreement, payer, byAnchor);
        (bool done,) = address(hub_).call(data);
        vm.assertFalse(done, "a replayed close is refused");
    }

    // Node keys

    function test_a_keys_consent_is_for_one_operator_hub_and_chain() public {
        uint256 secret = 0xB9;
        bytes memory proof = keyProof(secret, OPERATOR);
        fund(STRANGER);
        refuseKey(STRANGER, vm.addr(secret), proof);
        refuseKey(OPERATOR, vm.addr(0xBA), proof);
        vm.chainId(HERE + 1);
        refuseKey(OPERATOR, vm.addr(secret), proof);
        vm.chainId(HERE);
        bytes32 elsewhere =
            lens.hashKeyProof(address(otherHub), ISmartLayerMessages.KeyProof(OPERATOR, vm.addr(secret)));
        refuseKey(OPERATOR, vm.addr(secret), signature(secret, elsewhere));
        for (uint256 form; form < 7; ++form) {
            refuseKey(OPERATOR, vm.addr(secret), malformed(proof, form));
        }
        refuseKey(OPERATOR, address(0), proof);

        registerNode(secret, 1, SERVICE_STAKE);
        refuseKey(OPERATOR, vm.addr(secret), proof);
    }

    function refuseKey(address operator, address key, bytes memory proof) private {
        vm.prank(operator);
        (bool done,) = address(registry)
            .call(
                abi.encodeCall(
                    INodeRegistry.register,
                    (key, payoutOf(node), 1, "http://api", "ws://link", SERVICE_STAKE, proof)
                )
            );
        vm.assertFalse(done, "a replayed consent is refused");
    }

    // Uptimes

    function test_an_uptime_is_for_one_node_class_period_and_chain() public {
        vm.prank(AIRLINE);
        vault.start(ticketClass, 300, 3);
        IRentVault.UptimeRow memory row = uptime(node, 0, 300, 10_000);
        bytes memory meant = abi.encode(row);
        vm.warp(parameters.windowsOf(0).closesAt);
        refuseUptime(otherAnchor, 0, row);
        vm.chainId(HERE + 1);
        refuseUptime(node, 0, row);
        vm.chainId(HERE);
        row.instances = 299;
        refuseUptime(node, 0, row);
        (row.instances, row.availability) = (300, 9_999);
        refuseUptime(node, 0, row);
        (row.availability, row.tokenClass) = (10_000, keccak256("another class"));
        refuseUptime(node, 0, row);
        row = abi.decode(meant, (IRentVault.UptimeRow));
        row.vs[0] = twin(row.vs[0]);
        refuseUptime(node, 0, row);
        (row.r[0], row.vs[0]) = (0, 0);
        refuseUptime(node, 0, row);

        row = abi.decode(meant, (IRentVault.UptimeRow));
        uint256 paid = earned(node, 0, row);
        vm.assertGe(paid, 1, "as it was meant");
        vm.assertEq(earned(node, 0, row), paid, "once");
        vm.warp(parameters.windowsOf(1).closesAt);
        vm.assertEq(earned(node, 1, row), paid, "in its period");
    }

    function refuseUptime(address key, uint32 period, IRentVault.UptimeRow memory row) private {
        vm.assertEq(earned(key, period, row), 0, "a replayed uptime earns nothing");
    }

    function earned(address key, uint32 period, IRentVault.UptimeRow memory row) private returns (uint256) {
        IRentVault.UptimeRow[] memory rows = new IRentVault.UptimeRow[](1);
        rows[0] = row;
        (bool done,) = address(vault).call(abi.encodeCall(vault.earn, (key, period, rows)));
        done; // skipped or reverted: both earn nothing
        return vault.earnedBy(payoutOf(key));
    }

    function uptime(address key, uint32 period, uint64 instances, uint16 availability)
        private
        view
        returns (IRentVault.UptimeRow memory row)
    {
        bytes32 digest = lens.hashUptimeAcknowledgement(
            address(hub),
            ISmartLayerMessages.UptimeAcknowledgement(key, period, ticketClass, instances, availability)
        );
        (row.tokenClass, row.instances, row.availability) = (ticketClass, instances, availability);
        (row.r, row.vs) = (new bytes32[](1), new bytes32[](1));
        (row.r[0], row.vs[0]) = vm.signCompact(ANCHOR_SECRET, digest);
    }

    // Forms

    /// @dev The same key's other s, in the compact form as far as it fits there.
    function twin(bytes32 vs) private pure returns (bytes32) {
        uint256 s = uint256(vs & ~PARITY);
        return bytes32(ORDER - s) ^ (vs & PARITY) ^ PARITY;
    }

    function malformed(bytes memory given, uint256 form) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = abi.decode(given, (bytes32, bytes32));
        uint8 v = uint8(given[64]);
        if (form == 0) return abi.encodePacked(r, ORDER - uint256(s), uint8(55 - v));
        if (form == 1) return abi.encodePacked(r, s, uint8(v - 27));
        if (form == 2) return abi.encodePacked(r, s, uint8(v + 2));
        if (form == 3) return abi.encodePacked(r, s | bytes32(uint256(v - 27) << 255));
        if (form == 4) return abi.encodePacked(given, uint8(0));
        if (form == 5) return new bytes(65);
        return "";
    }
}
