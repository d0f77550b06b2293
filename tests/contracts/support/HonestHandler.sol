// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";
import {IDisputeManager} from "../../../contracts/interfaces/IDisputeManager.sol";
import {IParameters} from "../../../contracts/interfaces/IParameters.sol";
import {Splits} from "../../../contracts/libraries/Splits.sol";
import {DisputeFixture} from "./DisputeFixture.sol";
import {PayoutTree} from "./PayoutTree.sol";

/// @dev An honest anchor and an honest node among payers, a node and an anchor that do as they like.
/// Channels of even index belong to the honest anchor. Both anchors lease within deposits; what the
/// dishonest one then does to a month is up to the seed. Honest parties act at the edges of windows, as
/// their software does; everybody else whenever the run says so. Calls that must fail are tried and
/// caught; any other revert is a finding.
contract HonestHandler is DisputeFixture {
    uint256 private constant CHANNELS = 4;
    uint256 private constant OTHER_NODE_SECRET = 0xB2;
    uint128 private constant HEADROOM = 1e18;

    struct Lane {
        uint128 promised;
        uint128 acknowledged;
        uint128 leaseCap;
        uint128 posted;
    }

    /// @dev What became of an anchor's month.
    struct Month {
        bool settled;
        bool hidden;
        bytes rows;
        IChannelHubTypes.Payout[] payouts;
    }

    address public otherNode;
    uint256 public edge;
    uint256 public due;
    mapping(string what => uint256 count) public done;
    mapping(uint32 period => mapping(uint256 channel => mapping(address node => Lane lane))) private _lanes;
    mapping(uint32 period => mapping(uint256 channel => bool yes)) private _paid;
    mapping(address anchor => mapping(uint32 period => Month month)) private _months;

    constructor() {
        deploy();
        nameDisputes();
        populate();
        otherNode = registerNode(OTHER_NODE_SECRET, 1, SERVICE_STAKE);
        for (uint256 i; i < CHANNELS; ++i) {
            openChannel(secretOf(i), anchorOf(i), 100e18);
        }
    }

    // What payers and nodes do

    function serve(uint256 seed, uint128 amount) external {
        (uint256 i, address node_) = _pick(seed);
        uint32 period = parameters.currentPeriod();
        Lane storage lane = _lanes[period][i][node_];
        lane.promised += uint128(bound(amount, 1, 3e18));
        uint128 room = _room(i, period);
        uint128 wanted = lane.promised + HEADROOM - lane.leaseCap;
        lane.leaseCap += wanted < room ? wanted : room;
        lane.acknowledged = lane.promised < lane.leaseCap ? lane.promised : lane.leaseCap;
        ++done["serve"];
    }

    function post(uint256 seed) external {
        (uint256 i, address node_) = _pick(seed);
        uint32 current = parameters.currentPeriod();
        uint32 period = edge == 0 || current == 0 ? current : current - 1;
        if (block.timestamp >= parameters.windowsOf(period).settleFrom) return;
        Lane storage lane = _lanes[period][i][node_];
        uint128 amount = lane.promised < lane.leaseCap ? lane.promised : lane.leaseCap;
        if (amount <= lane.posted) return;
        hub.postVoucher(node_, period, _row(i, node_, period));
        lane.posted = amount;
        ++done["post"];
    }

    function askForWithdrawal(uint256 seed, uint128 amount) external {
        address signer = vm.addr(secretOf(seed % CHANNELS));
        amount = uint128(bound(amount, 0, hub.channelOf(signer).balance));
        vm.prank(PAYER);
        hub.requestWithdrawal(signer, amount);
    }

    function withdraw(uint256 seed) external {
        address signer = vm.addr(secretOf(seed % CHANNELS));
        IChannelHubTypes.Channel memory channel = hub.channelOf(signer);
        if (channel.withdrawalAmount == 0 || channel.withdrawableAt > block.timestamp) return;
        if (channel.balance == 0) return;
        hub.withdraw(signer);
        ++done["withdraw"];
    }

    function topUp(uint256 seed) external {
        vm.prank(PAYER);
        hub.topUp(vm.addr(secretOf(seed % CHANNELS)), uint96(1 + seed % 20e18));
    }

    /// @dev Evidence against the honest anchor, forged or bent.
    function attack(uint256 seed) external {
        uint32 current = parameters.currentPeriod();
        if (current == 0) return;
        uint32 period = current - 1;
        (uint256 i, address node_) = _pick(seed);
        i -= i % 2;
        Lane memory lane = _lanes[period][i][node_];
        uint128 more = lane.acknowledged + uint128(seed % 50e18) + 1;
        uint256 forger = [secretOf(i), NODE_SECRET, OTHER_NODE_SECRET, OTHER_ANCHOR_SECRET][(seed >> 8) % 4];
        _accuse(i, node_, period, forger, more, more);
        _accuse(i, node_, period, ANCHOR_SECRET, lane.acknowledged, lane.leaseCap);
        _accuse(i, node_, period, 0, lane.posted, 0);
        _accuseOfOverLeasing(i, period, node_, forger, type(uint128).max);
        _accuseOfOverLeasing(i, period, node_, ANCHOR_SECRET, lane.leaseCap);
        try hub.voidUnshown(anchor, period, payoutOf(node_)) {} catch {}
        try hub.forfeitBond(anchor, period, address(this), node_) {} catch {}
        ++done["attack"];
    }

    // The clock, and what the honest do at its edges

    function advance(uint256 seed) external {
        _advance(seed);
    }

    /// @dev To the same edge of the next month.
    function pass(uint256 seed) external {
        for (uint256 i; i < 6; ++i) {
            _advance(seed);
        }
    }

    function _advance(uint256 seed) private {
        uint32 current = parameters.currentPeriod();
        uint32 period = edge == 0 ? current : current - 1;
        IParameters.Windows memory windows = parameters.windowsOf(period);
        if (edge == 0) {
            vm.warp(windows.closesAt);
        } else if (edge == 1) {
            vm.warp(windows.settleFrom);
            _settle(anchor, 0, period, seed, 0);
            _settle(otherAnchor, 1, period, seed >> 16, (seed >> 8) % 7);
            _watch(period);
        } else if (edge == 2) {
            vm.warp(windows.settleUntil);
            _restore(period);
            _claim(period);
        } else if (edge == 3) {
            vm.warp(windows.settleFrom + terms().challengeWindow * 3 / 4);
            _voidHidden(period);
            _restore(period);
            _claim(period);
        } else if (edge == 4) {
            vm.warp(windows.settleFrom + terms().challengeWindow);
            _distribute(anchor, period);
            _distribute(otherAnchor, period);
        } else {
            vm.warp(windows.directUntil);
            _count(period);
        }
        edge = (edge + 1) % 6;
    }

    // What holds

    function checkNobodyWasFramed() external view {
        vm.assertEq(registry.slashable(anchor), ANCHOR_STAKE, "an honest anchor is never slashed");
        for (uint32 period; period < parameters.currentPeriod(); ++period) {
            IChannelHubTypes.PotStatus status = hub.potOf(anchor, period).status;
            vm.assertTrue(status != IChannelHubTypes.PotStatus.Void, "nor its root void");
        }
    }

    function checkWhole() external view {
        vm.assertGe(hub.creditOf(payoutOf(node)), due, "an honest node is made whole");
    }

    function secretOf(uint256 i) public pure returns (uint256) {
        return 0xE00 + i;
    }

    function anchorOf(uint256 i) public view returns (address) {
        return i % 2 == 0 ? anchor : otherAnchor;
    }

    // The anchors

    /// @dev `cheat`: 0 and 1 honest, 2 absent, 3 no commit, 4 pays the node less, 5 hides its tree, 6
    /// puts accounts out of order.
    function _settle(address anchor_, uint256 parity, uint32 period, uint256 seed, uint256 cheat) private {
        if (cheat == 2) return;
        IChannelHubTypes.Payout[] memory payouts = _accounts(anchor_);
        IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](CHANNELS / 2);
        IChannelHubTypes.AcceptedRow[] memory accepted = new IChannelHubTypes.AcceptedRow[](CHANNELS / 2);
        uint256 count;
        for (uint256 i = parity; i < CHANNELS; i += 2) {
            // an integration in five does not sign
            uint128 amount = (seed >> i) % 5 == 0 ? 0 : _pay(payouts, i, period, anchor_);
            if (amount == 0) continue;
            _paid[period][i] = true;
            bytes32 root = keccak256(abi.encode(i, period));
            accepted[count] = IChannelHubTypes.AcceptedRow(vm.addr(secretOf(i)), amount, root);
            rows[count++] = statement(secretOf(i), anchor_, period, amount, root);
        }
        if (count == 0) return;
        assembly {
            mstore(rows, count)
            mstore(accepted, count)
        }
        vm.prank(anchor_);
        hub.settleChunk(period, rows);
        Month storage month = _months[anchor_][period];
        (month.settled, month.rows) = (true, abi.encode(accepted));
        if (cheat == 3) return;
        if (cheat == 4) _underpay(payouts, anchor_);
        if (cheat == 6) (payouts[1], payouts[2]) = (payouts[2], payouts[1]);
        month.hidden = cheat == 5;
        for (uint256 i; i < payouts.length; ++i) {
            month.payouts.push(payouts[i]);
        }
        IChannelHubTypes.ProofNode memory top = PayoutTree.root(payouts);
        vm.prank(anchor_);
        hub.commitPeriod(period, cheat == 5 ? keccak256("hidden") : top.hash, top.sum, uint32(payouts.length));
        ++done[cheat < 2 ? "honest month" : "bad month"];
    }

    /// @dev What the lanes of a channel pay, into `payouts`; a Statement covers what was posted too.
    function _pay(IChannelHubTypes.Payout[] memory payouts, uint256 i, uint32 period, address anchor_)
        private
        view
        returns (uint128 amount)
    {
        address[2] memory nodes = [node, otherNode];
        for (uint256 n; n < 2; ++n) {
            Lane memory lane = _lanes[period][i][nodes[n]];
            uint128 gross = lane.acknowledged > lane.posted ? lane.acknowledged : lane.posted;
            Splits.Split memory parts = Splits.split(gross, 250, 4_000, 500, 1_000);
            add(payouts, address(0), parts.burnt);
            add(payouts, TREASURY, parts.treasury);
            add(payouts, ISSUER_PAYOUT, parts.issuer);
            add(payouts, payoutOf(anchor_), parts.anchor);
            add(payouts, payoutOf(nodes[n]), parts.node);
            amount += gross;
        }
    }

    function _accounts(address anchor_) private view returns (IChannelHubTypes.Payout[] memory payouts) {
        payouts = new IChannelHubTypes.Payout[](6);
        payouts[1].account = TREASURY;
        payouts[2].account = ISSUER_PAYOUT;
        payouts[3].account = payoutOf(anchor_);
        payouts[4].account = payoutOf(node);
        payouts[5].account = payoutOf(otherNode);
        sort(payouts);
    }

    function _underpay(IChannelHubTypes.Payout[] memory payouts, address anchor_) private view {
        uint128 half = payouts[indexOf(payouts, payoutOf(node))].amount / 2;
        shift(payouts, payoutOf(node), payoutOf(anchor_), half);
    }

    // The honest node

    /// @dev Compares the dishonest anchor's tree with what it is owed.
    function _watch(uint32 period) private {
        Month storage month = _months[otherAnchor][period];
        IChannelHubTypes.Payout[] memory payouts = month.payouts;
        if (payouts.length == 0) return;
        (IChannelHubTypes.OwedLane[] memory lanes, uint256 owed) = _owedLanes(period);
        if (owed == 0) return;
        if (month.hidden) {
            hub.demandPayout(otherAnchor, period, node, lanes);
            ++done["demand"];
            return;
        }
        for (uint256 i = 1; i < payouts.length; ++i) {
            if (payouts[i].account < payouts[i - 1].account) {
                hub.challengeOrder(otherAnchor, period, proofOf(payouts, i - 1, 2));
                _punish(period, address(0));
                return;
            }
        }
        if (payouts[indexOf(payouts, payoutOf(node))].amount >= owed) return;
        hub.challenge(otherAnchor, period, node, lanes, proofFor(payouts, payoutOf(node)));
        _punish(period, node);
    }

    function _punish(uint32 period, address node_) private {
        hub.forfeitBond(otherAnchor, period, address(this), node_);
        ++done["disproof"];
        _restore(period);
    }

    function _voidHidden(uint32 period) private {
        Month storage month = _months[otherAnchor][period];
        (, uint256 owed) = _owedLanes(period);
        if (!month.hidden || owed == 0) return;
        hub.voidUnshown(otherAnchor, period, payoutOf(node));
        ++done["unshown"];
    }

    /// @dev What is void or was never committed goes back to its channels.
    function _restore(uint32 period) private {
        Month storage month = _months[otherAnchor][period];
        IChannelHubTypes.Pot memory pot = hub.potOf(otherAnchor, period);
        bool late = pot.status == IChannelHubTypes.PotStatus.Open
            && block.timestamp >= parameters.windowsOf(period).settleUntil;
        if (!month.settled || pot.sum == 0 || !late && pot.status != IChannelHubTypes.PotStatus.Void) return;
        hub.restoreChunk(otherAnchor, period, 0, abi.decode(month.rows, (IChannelHubTypes.AcceptedRow[])));
        for (uint256 i = 1; i < CHANNELS; i += 2) {
            _paid[period][i] = false;
        }
        ++done["restore"];
    }

    /// @dev Both nodes claim whatever their anchors left.
    function _claim(uint32 period) private {
        for (uint256 i; i < CHANNELS; ++i) {
            if (_paid[period][i]) continue;
            if (_lanes[period][i][node].acknowledged != 0) {
                claimDirectly(node, period, claimsOf(_row(i, node, period)));
                ++done["direct claim"];
            }
            if (_lanes[period][i][otherNode].acknowledged != 0) {
                claimDirectly(otherNode, period, claimsOf(_row(i, otherNode, period)));
            }
        }
    }

    function _distribute(address anchor_, uint32 period) private {
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
        IChannelHubTypes.Payout[] memory payouts = _months[anchor_][period].payouts;
        if (pot.status != IChannelHubTypes.PotStatus.Committed || _months[anchor_][period].hidden) return;
        hub.distribute(anchor_, period, 0, payouts, new IChannelHubTypes.ProofNode[](0));
        if (pot.bond != 0) hub.releaseBond(anchor_, period);
        ++done["distribute"];
    }

    /// @dev The period is over: what the node's acknowledgements promised must have reached it.
    function _count(uint32 period) private {
        for (uint256 i; i < CHANNELS; ++i) {
            due += _share(_lanes[period][i][node].acknowledged);
        }
        ++done["month"];
    }

    /// @dev The node's share as a challenge counts it: what is left, less two units.
    function _share(uint256 gross) private pure returns (uint256 share) {
        share = gross - (gross * 250 + 9_999) / 10_000 - gross * 500 / 10_000 - gross * 1_000 / 10_000;
        share = share > 2 ? share - 2 : 0;
    }

    /// @dev The node's lanes of channels that the dishonest anchor settled, in order.
    function _owedLanes(uint32 period)
        private
        view
        returns (IChannelHubTypes.OwedLane[] memory lanes, uint256 owed)
    {
        lanes = new IChannelHubTypes.OwedLane[](CHANNELS);
        uint256 count;
        for (uint256 i = 1; i < CHANNELS; i += 2) {
            Lane memory lane = _lanes[period][i][node];
            if (!_paid[period][i] || lane.acknowledged == 0) continue;
            lanes[count] = owedLane(
                OTHER_ANCHOR_SECRET,
                vm.addr(secretOf(i)),
                period,
                node,
                ticketClass,
                lane.acknowledged,
                lane.leaseCap
            );
            owed += _share(lane.acknowledged);
            for (uint256 j = count++; j > 0 && lanes[j].signer < lanes[j - 1].signer; --j) {
                (lanes[j], lanes[j - 1]) = (lanes[j - 1], lanes[j]);
            }
        }
        assembly {
            mstore(lanes, count)
        }
    }

    // Signatures

    function _row(uint256 i, address node_, uint32 period)
        private
        view
        returns (IChannelHubTypes.DirectClaimRow memory row)
    {
        Lane memory lane = _lanes[period][i][node_];
        uint256 anchorSecret = i % 2 == 0 ? ANCHOR_SECRET : OTHER_ANCHOR_SECRET;
        return
            directClaim(secretOf(i), anchorSecret, node_, period, ticketClass, lane.promised, lane.leaseCap);
    }

    function _accuse(
        uint256 i,
        address node_,
        uint32 period,
        uint256 secret,
        uint128 acknowledged,
        uint128 leaseCap
    ) private {
        IChannelHubTypes.Payout[] memory payouts = _months[anchor][period].payouts;
        if (payouts.length == 0) return;
        IChannelHubTypes.OwedLane memory lane;
        if (secret == 0) {
            (lane.signer, lane.tokenClass) = (vm.addr(secretOf(i)), ticketClass);
        } else {
            lane = owedLane(secret, vm.addr(secretOf(i)), period, node_, ticketClass, acknowledged, leaseCap);
        }
        IChannelHubTypes.PayoutProof memory proof = proofFor(payouts, payoutOf(node_));
        try hub.challenge(anchor, period, node_, lanesOf(lane), proof) {} catch {}
        try hub.challengeOrder(anchor, period, proofOf(payouts, 0, 2)) {} catch {}
    }

    function _accuseOfOverLeasing(uint256 i, uint32 period, address node_, uint256 secret, uint128 leaseCap)
        private
    {
        Lane memory lane = _lanes[period][i][node_];
        IChannelHubTypes.OwedLane memory signed =
            owedLane(secret, vm.addr(secretOf(i)), period, node_, ticketClass, lane.acknowledged, leaseCap);
        IDisputeManager.Lease[] memory leases = new IDisputeManager.Lease[](1);
        leases[0] =
            IDisputeManager.Lease(node_, ticketClass, lane.acknowledged, leaseCap, signed.r, signed.vs);
        try disputes.punishOverLeasing(anchor, vm.addr(secretOf(i)), period, leases) {} catch {}
    }

    /// @dev What a channel's anchor may still lease: its balance, less what is being withdrawn and all
    /// leases of periods that are not over.
    function _room(uint256 i, uint32 period) private view returns (uint128) {
        IChannelHubTypes.Channel memory channel = hub.channelOf(vm.addr(secretOf(i)));
        uint256 taken = channel.withdrawalAmount;
        for (uint32 p = period == 0 ? 0 : period - 1; p <= period; ++p) {
            if (p != period && _paid[p][i]) continue;
            if (p != period && block.timestamp >= parameters.windowsOf(p).directUntil) continue;
            taken += uint256(_lanes[p][i][node].leaseCap) + _lanes[p][i][otherNode].leaseCap;
        }
        return channel.balance > taken ? uint128(channel.balance - taken) : 0;
    }

    function _pick(uint256 seed) private view returns (uint256 i, address node_) {
        return (seed % CHANNELS, (seed >> 128) % 2 == 0 ? node : otherNode);
    }
}
