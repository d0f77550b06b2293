// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {DisputeManager} from "../../../contracts/disputes/DisputeManager.sol";
import {SmartTicket} from "../../../contracts/examples/SmartTicket.sol";
import {EmergencyBrake} from "../../../contracts/governance/EmergencyBrake.sol";
import {Parameters} from "../../../contracts/governance/Parameters.sol";
import {VotingPower} from "../../../contracts/governance/VotingPower.sol";
import {ChannelHub} from "../../../contracts/hub/ChannelHub.sol";
import {HubClaims} from "../../../contracts/hub/HubClaims.sol";
import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";
import {IParameters} from "../../../contracts/interfaces/IParameters.sol";
import {ISmartLayerMessages} from "../../../contracts/interfaces/ISmartLayerMessages.sol";
import {MessageHashesLens} from "../../../contracts/libraries/MessageHashesLens.sol";
import {AnchorElection} from "../../../contracts/registry/AnchorElection.sol";
import {IssuerRegistry} from "../../../contracts/registry/IssuerRegistry.sol";
import {NodeRegistry} from "../../../contracts/registry/NodeRegistry.sol";
import {RentVault} from "../../../contracts/rent/RentVault.sol";
import {RewardPool} from "../../../contracts/tokens/RewardPool.sol";
import {ServiceToken} from "../../../contracts/tokens/ServiceToken.sol";
import {StakeToken} from "../../../contracts/tokens/StakeToken.sol";
import {ClaimBook} from "./ClaimBook.sol";

/// @dev A whole deployment with the design's own windows, and what the actors do in it.
abstract contract Fixture is ClaimBook {
    uint32 internal constant PERIOD = 30 days;
    uint64 internal constant GENESIS = 1_700_000_000;
    uint128 internal constant SERVICE_STAKE = 1_000e18;
    uint128 internal constant ANCHOR_STAKE = 10_000e18;
    uint128 internal constant RENT_PRICE = 1e15;

    address internal constant OWNER = address(0xA11CE);
    address internal constant GUARDIAN = address(0x6A4D);
    address internal constant DISPUTES = address(0xD15);
    address internal constant TREASURY = address(0x7EA5);
    address internal constant OPERATOR = address(0x0BE4A704);
    address internal constant PAYER = address(0xBA1);
    address internal constant AIRLINE = address(0xA14);
    address internal constant ISSUER_PAYOUT = address(0x155);
    address internal constant STRANGER = address(0x57);

    uint256 internal constant ANCHOR_SECRET = 0xA1;
    uint256 internal constant OTHER_ANCHOR_SECRET = 0xA2;
    uint256 internal constant NODE_SECRET = 0xB1;
    uint256 internal constant SESSION_SECRET = 0xC1;

    StakeToken internal stake;
    ServiceToken internal service;
    Parameters internal parameters;
    EmergencyBrake internal brake;
    VotingPower internal votes;
    RewardPool internal rewards;
    NodeRegistry internal registry;
    AnchorElection internal election;
    IssuerRegistry internal issuers;
    RentVault internal vault;
    DisputeManager internal disputes;
    ChannelHub internal hub;
    MessageHashesLens internal lens;
    SmartTicket internal ticket;
    bytes32 internal ticketClass;

    address internal anchor;
    address internal otherAnchor;
    address internal node;
    address internal session;

    function terms() internal pure returns (IParameters.Terms memory) {
        return IParameters.Terms({
            acknowledgementGrace: 24 hours,
            settleDeadline: 72 hours,
            challengeWindow: 72 hours,
            directClaimWindow: 7 days,
            withdrawalDelay: 14 days,
            thawTime: 28 days,
            rentGrace: 10 days,
            protocolShare: 250,
            anchorShare: 500,
            maximumIssuerShare: 3_000,
            burnShare: 4_000,
            bondRatio: 1_000,
            treasury: TREASURY,
            minimumServiceStake: SERVICE_STAKE,
            minimumAnchorStake: ANCHOR_STAKE,
            rentPrice: RENT_PRICE
        });
    }

    function rates() internal pure returns (IParameters.ExecutionRates memory) {
        return IParameters.ExecutionRates({readGas: 1e15, updateGas: 2e15, outputByte: 1e11, page: 1e12});
    }

    function theHub() internal view override returns (ChannelHub) {
        return hub;
    }

    function deploy() internal {
        vm.warp(GENESIS + 1);
        stake = new StakeToken(OWNER, 1e26);
        service = new ServiceToken(OWNER, OWNER, 1e27, 300);
        parameters = new Parameters(OWNER, GENESIS, PERIOD, terms(), rates());
        brake = new EmergencyBrake(OWNER, GUARDIAN, 3 days, 27 days);
        votes = new VotingPower(OWNER, stake);
        rewards = new RewardPool(OWNER, service, TREASURY, 5_000);
        registry = new NodeRegistry(OWNER, stake, parameters, brake, votes, rewards);
        election = new AnchorElection(parameters, registry, votes, 21);
        issuers = new IssuerRegistry(OWNER, parameters);
        vault = new RentVault(service, parameters, issuers, registry, election);
        disputes = new DisputeManager(OWNER, registry, parameters, election);
        HubClaims claims = new HubClaims(service, parameters, registry, issuers, disputes, vault);
        hub = new ChannelHub(service, parameters, registry, issuers, disputes, vault, claims);
        lens = new MessageHashesLens();
        vm.startPrank(OWNER);
        registry.setHub(address(hub));
        votes.setRegistry(address(registry));
        rewards.setSources(address(registry), address(hub));
        issuers.setVenues(address(hub), address(vault));
        vm.stopPrank();
        fund(OPERATOR);
        fund(PAYER);
        fund(AIRLINE);
        anchor = vm.addr(ANCHOR_SECRET);
        otherAnchor = vm.addr(OTHER_ANCHOR_SECRET);
        node = vm.addr(NODE_SECRET);
        session = vm.addr(SESSION_SECRET);
    }

    /// @dev Two anchors, one service node, one ticket class with a share of 10 %.
    function populate() internal {
        registerNode(ANCHOR_SECRET, 2, ANCHOR_STAKE);
        registerNode(OTHER_ANCHOR_SECRET, 3, ANCHOR_STAKE);
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        ticket = new SmartTicket(AIRLINE);
        vm.prank(AIRLINE);
        ticketClass =
            issuers.registerClass(address(ticket), ISSUER_PAYOUT, 1_000, "ipfs://ticket", bytes32("script"));
    }

    /// @dev From here on verdicts are executed.
    function nameDisputes() internal {
        vm.prank(OWNER);
        registry.setDisputes(address(disputes));
    }

    /// @dev What an anchor owes a node in a lane, by its own signature.
    function owedLane(
        uint256 anchorSecret,
        address signer,
        uint32 period,
        address node_,
        bytes32 tokenClass,
        uint128 acknowledged,
        uint128 leaseCap
    ) internal view returns (IChannelHubTypes.OwedLane memory lane) {
        (lane.signer, lane.tokenClass, lane.acknowledged, lane.leaseCap) =
        (signer, tokenClass, acknowledged, leaseCap);
        bytes32 digest = lens.hashAcknowledgement(
            address(hub),
            ISmartLayerMessages.Acknowledgement(signer, period, node_, tokenClass, acknowledged, leaseCap)
        );
        (lane.r, lane.vs) = vm.signCompact(anchorSecret, digest);
    }

    function lanesOf(IChannelHubTypes.OwedLane memory lane)
        internal
        pure
        returns (IChannelHubTypes.OwedLane[] memory lanes)
    {
        lanes = new IChannelHubTypes.OwedLane[](1);
        lanes[0] = lane;
    }

    function signature(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    function fund(address account) internal {
        vm.startPrank(OWNER);
        stake.transfer(account, 1e24);
        service.transfer(account, 1e24);
        vm.stopPrank();
        vm.startPrank(account);
        stake.approve(address(registry), type(uint256).max);
        service.approve(address(hub), type(uint256).max);
        service.approve(address(vault), type(uint256).max);
        vm.stopPrank();
    }

    function payoutOf(address key) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("payout", key)))));
    }

    function keyProof(uint256 secret, address operator) internal view returns (bytes memory) {
        bytes32 digest =
            lens.hashKeyProof(address(hub), ISmartLayerMessages.KeyProof(operator, vm.addr(secret)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    function registerNode(uint256 secret, uint8 roles, uint128 amount) internal returns (address key) {
        key = vm.addr(secret);
        bytes memory proof = keyProof(secret, OPERATOR);
        vm.prank(OPERATOR);
        registry.register(key, payoutOf(key), roles, "http://api", "ws://link", amount, proof);
    }

    function openChannel(uint256 secret, address anchor_, uint96 amount) internal returns (address signer) {
        signer = vm.addr(secret);
        vm.prank(PAYER);
        hub.open(signer, PAYER, anchor_, amount);
    }

    function statement(uint256 secret, address anchor_, uint32 period, uint128 amount)
        internal
        view
        returns (IChannelHubTypes.StatementRow memory)
    {
        return statement(secret, anchor_, period, amount, keccak256(abi.encode(secret, period)));
    }

    function statement(uint256 secret, address anchor_, uint32 period, uint128 amount, bytes32 root)
        internal
        view
        returns (IChannelHubTypes.StatementRow memory)
    {
        bytes32 digest = lens.hashStatement(
            address(hub), ISmartLayerMessages.Statement(anchor_, period, amount, root)
        );
        (bytes32 r, bytes32 vs) = vm.signCompact(secret, digest);
        return IChannelHubTypes.StatementRow(amount, root, r, vs);
    }

    function rowsOf(IChannelHubTypes.StatementRow memory row)
        internal
        pure
        returns (IChannelHubTypes.StatementRow[] memory rows)
    {
        rows = new IChannelHubTypes.StatementRow[](1);
        rows[0] = row;
    }

    function directClaim(
        uint256 payerSecret,
        uint256 anchorSecret,
        address node_,
        uint32 period,
        bytes32 tokenClass,
        uint128 cumulative,
        uint128 leaseCap
    ) internal view returns (IChannelHubTypes.DirectClaimRow memory row) {
        row.signer = vm.addr(payerSecret);
        (row.tokenClass, row.cumulative, row.acknowledged, row.leaseCap) =
        (tokenClass, cumulative, leaseCap / 2, leaseCap);
        bytes32 digest = lens.hashVoucher(
            address(hub), ISmartLayerMessages.Voucher(row.signer, period, node_, tokenClass, cumulative)
        );
        (row.voucherR, row.voucherVs) = vm.signCompact(payerSecret, digest);
        digest = lens.hashAcknowledgement(
            address(hub),
            ISmartLayerMessages.Acknowledgement(row.signer, period, node_, tokenClass, leaseCap / 2, leaseCap)
        );
        (row.acknowledgementR, row.acknowledgementVs) = vm.signCompact(anchorSecret, digest);
    }

    function claimsOf(IChannelHubTypes.DirectClaimRow memory row)
        internal
        pure
        returns (IChannelHubTypes.DirectClaimRow[] memory rows)
    {
        rows = new IChannelHubTypes.DirectClaimRow[](1);
        rows[0] = row;
    }

    function toPeriod(uint32 period) internal {
        vm.warp(parameters.windowsOf(period).opensAt);
    }

    function toSettle(uint32 period) internal {
        vm.warp(parameters.windowsOf(period).settleFrom);
    }

    function toDirect(uint32 period) internal {
        vm.warp(parameters.windowsOf(period).settleUntil);
    }
}
