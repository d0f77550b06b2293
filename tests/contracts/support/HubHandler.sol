// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";
import {INodeRegistry} from "../../../contracts/interfaces/INodeRegistry.sol";
import {IParameters} from "../../../contracts/interfaces/IParameters.sol";
import {ISmartLayerMessages} from "../../../contracts/interfaces/ISmartLayerMessages.sol";
import {Fixture} from "./Fixture.sol";
import {PayoutTree} from "./PayoutTree.sol";
import {Vm} from "./Vm.sol";

/// @dev Everybody who uses the hub: six payers' channels, two anchors, two payees, strangers. Each
/// action checks what the contract requires and does nothing where that does not hold, so that a
/// revert anywhere is a finding. Ghosts count what went in, came out and was signed.
contract HubHandler is Fixture {
    uint256 public constant CHANNELS = 6;
    uint256 private constant LEAVES = 7;
    uint256 private constant ROWS = 4;
    bytes32 private constant ACCEPTED =
        keccak256("StatementsAccepted(address,uint32,uint32,bytes32,(address,uint128,bytes32)[])");

    struct Chunk {
        uint256 anchorIndex;
        uint32 period;
        uint32 number;
        bytes rows;
        bool restored;
    }

    struct Commit {
        uint256 anchorIndex;
        uint32 period;
    }

    uint256[2] private _anchorSecrets = [ANCHOR_SECRET, OTHER_ANCHOR_SECRET];
    address[2] private _payees;
    address[] private _accounts;
    Chunk[] private _chunks;
    Commit[] private _commits;
    mapping(uint256 anchorIndex => mapping(uint32 period => IChannelHubTypes.Payout[] payouts)) private
        _payouts;
    mapping(address signer => mapping(uint32 period => uint128 largest)) private _statementSigned;
    mapping(address signer => mapping(uint32 period => mapping(bytes32 lane => uint128 largest))) private
        _voucherSigned;
    mapping(address signer => mapping(uint32 period => uint256 sum)) private _vouchersSigned;

    uint256 public deposited;
    uint256 public donated;
    uint256 public withdrawnByPayers;
    uint256 public withdrawnByPayees;
    uint256 public burnt;
    uint256 public slashed;
    mapping(address signer => uint256 amount) public depositedBy;
    mapping(address signer => uint256 amount) public withdrawnBy;
    mapping(address signer => mapping(uint32 period => bool yes)) public settledIn;
    mapping(address signer => mapping(uint32 period => bool yes)) public directIn;
    mapping(uint256 anchorIndex => mapping(uint32 period => uint256 sum)) public acceptedIn;
    mapping(string action => uint256 count) public done;

    constructor() {
        deploy();
        nameDisputes();
        populate();
        _payees = [node, otherAnchor];
        for (uint256 i; i < CHANNELS; ++i) {
            _deposited(
                openChannel(secretOf(i), i % 3 == 0 ? otherAnchor : anchor, uint96((i + 1) * 10e18)),
                (i + 1) * 10e18
            );
        }
        _accounts = [
            address(0),
            TREASURY,
            ISSUER_PAYOUT,
            payoutOf(node),
            payoutOf(anchor),
            payoutOf(otherAnchor),
            STRANGER
        ];
    }

    /// @dev One action in six comes after the clock went on to the next window's edge.
    modifier passing(uint256 seed) {
        if (seed % 6 == 0) _toNextEdge();
        _;
    }

    function topUp(uint256 seed, uint96 amount) external passing(seed) {
        address signer = _pick(seed);
        amount = uint96(bound(amount, 1, 20e18));
        vm.prank(PAYER);
        hub.topUp(signer, amount);
        _deposited(signer, amount);
        ++done["topUp"];
    }

    function donate(uint256 seed) external passing(seed) {
        vm.prank(PAYER);
        service.transfer(address(hub), 1);
        ++donated;
    }

    function setAnchor(uint256 seed) external passing(seed) {
        address signer = _pick(seed);
        uint32 current = parameters.currentPeriod();
        // only the contract knows when the last change became free; it is asked, and believed
        vm.prank(PAYER);
        try hub.setAnchor(signer, seed % 2 == 0 ? anchor : otherAnchor) {
            vm.assertEq(hub.anchorAt(signer, current + 1), seed % 2 == 0 ? anchor : otherAnchor, "next");
            ++done["setAnchor"];
        } catch {}
    }

    function requestWithdrawal(uint256 seed, uint128 amount) external passing(seed) {
        address signer = _pick(seed);
        amount = uint128(bound(amount, 0, hub.channelOf(signer).balance));
        vm.prank(PAYER);
        hub.requestWithdrawal(signer, amount);
    }

    /// @dev Half of the time without a cap; keys never end, as then nothing more would happen.
    function limit(uint256 seed, uint96 cap) external passing(seed) {
        address signer = _pick(seed);
        cap = seed % 2 == 0 ? 0 : uint96(bound(cap, 1, 12e18));
        (uint96 before,) = hub.limitOf(signer, parameters.currentPeriod());
        // whether the last change is still needed, only the contract knows
        vm.prank(PAYER);
        try hub.limitSigner(signer, cap, 0) {
            (uint96 now_,) = hub.limitOf(signer, parameters.currentPeriod());
            bool wider = cap == 0 || before != 0 && cap >= before;
            vm.assertEq(now_, wider ? cap : before, "wider at once, narrower later");
            ++done["limit"];
        } catch {}
    }

    function withdraw(uint256 seed) external passing(seed) {
        address signer = _pick(seed);
        IChannelHubTypes.Channel memory channel = hub.channelOf(signer);
        if (channel.withdrawalAmount == 0 || block.timestamp < channel.withdrawableAt || channel.balance == 0)
        {
            return;
        }
        uint96 amount = hub.withdraw(signer);
        withdrawnByPayers += amount;
        withdrawnBy[signer] += amount;
        ++done["withdraw"];
    }

    function settle(uint256 seed) external passing(seed) {
        _settle(seed);
    }

    /// @dev Half of the commits come right after a chunk, in a settle window that was waited for.
    function commit(uint256 seed) external passing(seed) {
        if (seed % 2 == 0) {
            for (uint256 i; i < 4 && !_settling(_lastPeriod()); ++i) {
                _toNextEdge();
            }
            _settle(seed);
        }
        (uint256 anchorIndex, address anchor_) = _anchor(seed);
        uint32 period = _lastPeriod();
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
        if (!_settling(period) || pot.status != IChannelHubTypes.PotStatus.Open || pot.sum == 0) return;
        IChannelHubTypes.Payout[] memory payouts = _partition(seed, pot.sum);
        for (uint256 i; i < payouts.length; ++i) {
            _payouts[anchorIndex][period].push(payouts[i]);
        }
        bytes32 root = PayoutTree.root(payouts).hash;
        vm.prank(anchor_);
        hub.commitPeriod(period, root, pot.sum, uint32(payouts.length));
        _commits.push(Commit(anchorIndex, period));
        ++done["commit"];
    }

    function distribute(uint256 seed) external passing(seed) {
        (uint256 anchorIndex, address anchor_, uint32 period) = _committed(seed);
        IChannelHubTypes.Payout[] memory payouts = _payouts[anchorIndex][period];
        if (payouts.length == 0) return;
        uint256 first = (seed >> 16) % payouts.length;
        uint256 count = 1 + (seed >> 32) % (payouts.length - first);
        IChannelHubTypes.Payout[] memory part = PayoutTree.slice(payouts, first, count);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, first, count);
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
        bool isFinal = pot.status == IChannelHubTypes.PotStatus.Committed && block.timestamp >= pot.finalAt;
        try hub.distribute(anchor_, period, uint32(first), part, siblings) {
            vm.assertTrue(isFinal, "a root that is not final never pays");
            ++done["distribute"];
        } catch {
            vm.assertFalse(isFinal, "a final root always pays");
        }
    }

    function claim(uint256 seed) external passing(seed) {
        (uint256 anchorIndex, address anchor_, uint32 period) = _committed(seed);
        IChannelHubTypes.Payout[] memory payouts = _payouts[anchorIndex][period];
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
        if (payouts.length == 0 || block.timestamp < pot.finalAt) return;
        if (pot.status != IChannelHubTypes.PotStatus.Committed) return;
        uint256 index = (seed >> 16) % payouts.length;
        bool paid = hub.isPaid(anchor_, period, uint32(index));
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, index, 1);
        try hub.claim(anchor_, period, uint32(index), payouts[index], siblings) {
            vm.assertFalse(paid, "a leaf pays at most once");
            ++done["claim"];
        } catch {
            vm.assertTrue(paid, "a leaf that was not paid can be claimed");
        }
    }

    function claimDirect(uint256 seed, uint128 amount) external passing(seed) {
        uint32 period = _lastPeriod();
        IParameters.Windows memory windows = parameters.windowsOf(period);
        if (block.timestamp < windows.settleUntil || block.timestamp >= windows.directUntil) return;
        address payee = _payees[(seed >> 16) % 2];
        IChannelHubTypes.DirectClaimRow memory row =
            _lane(seed, payee, period, uint128(bound(amount, 1, 15e18)));
        uint128 before = directClaimed(row.signer, period, payee, row.tokenClass);
        claimDirectly(payee, period, claimsOf(row));
        uint128 afterwards = directClaimed(row.signer, period, payee, row.tokenClass);
        vm.assertGe(afterwards, before, "never decreases");
        vm.assertLe(afterwards, row.leaseCap, "at most the lease");
        if (afterwards > before) {
            directIn[row.signer][period] = true;
            ++done["claimDirect"];
        }
    }

    function restore(uint256 seed) external passing(seed) {
        if (_chunks.length == 0) return;
        Chunk storage chunk = _chunks[seed % _chunks.length];
        address anchor_ = vm.addr(_anchorSecrets[chunk.anchorIndex]);
        IChannelHubTypes.AcceptedRow[] memory rows = abi.decode(chunk.rows, (IChannelHubTypes.AcceptedRow[]));
        IChannelHubTypes.PotStatus status = hub.potOf(anchor_, chunk.period).status;
        bool allowed = !chunk.restored
            && (status == IChannelHubTypes.PotStatus.Void
                || status == IChannelHubTypes.PotStatus.Open
                && block.timestamp >= parameters.windowsOf(chunk.period).settleUntil);
        uint256 before = hub.channelOf(rows[0].signer).balance;
        try hub.restoreChunk(anchor_, chunk.period, chunk.number, rows) {
            vm.assertTrue(allowed, "restored once, and only what was not committed in time");
            vm.assertEq(hub.channelOf(rows[0].signer).balance, before + rows[0].amount, "exactly the debit");
            chunk.restored = true;
            for (uint256 i; i < rows.length; ++i) {
                settledIn[rows[i].signer][chunk.period] = false;
                acceptedIn[chunk.anchorIndex][chunk.period] -= rows[i].amount;
            }
            ++done["restore"];
        } catch {
            vm.assertFalse(allowed, "what was not committed in time can be restored");
        }
    }

    /// @dev The handler's trees are not in order, so any of them can be disproved until it is final.
    function challengeOrder(uint256 seed) external passing(seed) {
        if (_commits.length == 0) return;
        Commit storage found = _commits[_commits.length - 1];
        address anchor_ = vm.addr(_anchorSecrets[found.anchorIndex]);
        IChannelHubTypes.Payout[] memory payouts = _payouts[found.anchorIndex][found.period];
        uint256 first = (seed >> 16) % (LEAVES - 1);
        IChannelHubTypes.PayoutProof memory proof = IChannelHubTypes.PayoutProof(
            uint32(first), PayoutTree.slice(payouts, first, 2), PayoutTree.proof(payouts, first, 2)
        );
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, found.period);
        bool allowed = pot.status == IChannelHubTypes.PotStatus.Committed && block.timestamp < pot.finalAt
            && payouts[first].account >= payouts[first + 1].account;
        try hub.challengeOrder(anchor_, found.period, proof) {
            vm.assertTrue(allowed, "only what is out of order, and not final");
            ++done["challengeOrder"];
        } catch {
            vm.assertFalse(allowed, "what is out of order is void");
        }
    }

    function forfeitBond(uint256 seed) external passing(seed) {
        if (_commits.length == 0) return;
        Commit storage found = _commits[_commits.length - 1];
        address anchor_ = vm.addr(_anchorSecrets[found.anchorIndex]);
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, found.period);
        if (pot.status != IChannelHubTypes.PotStatus.Void || pot.bond == 0) return;
        uint128 before = registry.slashable(anchor_);
        hub.forfeitBond(anchor_, found.period, address(this), address(0));
        uint128 left = registry.slashable(anchor_);
        vm.assertLe(before - left, pot.bond, "no more than the bond");
        slashed += before - left;
        ++done["forfeitBond"];
    }

    function close(uint256 seed, uint128 kept) external passing(seed) {
        address signer = _pick(seed);
        uint256 secret = secretOf((seed >> 8) % CHANNELS);
        uint96 balance = hub.channelOf(signer).balance;
        if (balance == 0 || seed % 3 != 0) return;
        uint32 period = parameters.currentPeriod();
        ISmartLayerMessages.Close memory agreement = ISmartLayerMessages.Close(
            signer, period, uint128(bound(kept, balance / 2, balance - 1)), type(uint64).max
        );
        uint256 anchorSecret = hub.anchorAt(signer, period) == anchor ? ANCHOR_SECRET : OTHER_ANCHOR_SECRET;
        bytes32 digest = lens.hashClose(address(hub), agreement);
        // as with a change of anchor, only the contract knows when an earlier one is done
        try hub.close(agreement, signature(secret, digest), signature(anchorSecret, digest)) {
            uint96 refund = balance - hub.channelOf(signer).balance;
            vm.assertEq(balance - refund, agreement.finalAmount, "what is owed stays");
            withdrawnByPayers += refund;
            withdrawnBy[signer] += refund;
            ++done["close"];
        } catch {}
    }

    function post(uint256 seed, uint128 amount) external passing(seed) {
        uint32 period = _lastPeriod();
        IParameters.Windows memory windows = parameters.windowsOf(period);
        if (block.timestamp >= windows.settleFrom) return;
        address payee = _payees[(seed >> 16) % 2];
        IChannelHubTypes.DirectClaimRow memory row =
            _lane(seed, payee, period, uint128(bound(amount, 1, 15e18)));
        uint128 before = hub.postedAmount(row.signer, period, payee, row.tokenClass);
        try hub.postVoucher(payee, period, row) {
            ++done["post"];
        } catch {}
        uint128 afterwards = hub.postedAmount(row.signer, period, payee, row.tokenClass);
        vm.assertGe(afterwards, before, "posted amounts never decrease");
        vm.assertLe(afterwards, row.leaseCap, "nor pass the lease");
    }

    function releaseBond(uint256 seed) external passing(seed) {
        (, address anchor_, uint32 period) = _committed(seed);
        IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
        if (
            pot.status != IChannelHubTypes.PotStatus.Committed || block.timestamp < pot.finalAt
                || pot.bond == 0
        ) {
            return;
        }
        hub.releaseBond(anchor_, period);
        ++done["releaseBond"];
    }

    function withdrawCredit(uint256 seed, uint128 amount) external passing(seed) {
        address account = _accounts[1 + (seed >> 8) % (_accounts.length - 1)];
        uint128 credit = hub.creditOf(account);
        if (credit == 0) return;
        amount = uint128(bound(amount, 1, credit));
        vm.prank(account);
        hub.withdrawCredit(STRANGER, amount);
        withdrawnByPayees += amount;
        ++done["withdrawCredit"];
    }

    function burnCredit(uint256 seed) external passing(seed) {
        if (hub.creditOf(address(0)) == 0) return;
        burnt += hub.burnCredit();
        ++done["burnCredit"];
    }

    function secretOf(uint256 i) public pure returns (uint256) {
        return 0xF00 + i;
    }

    function hubBalance() external view returns (uint256) {
        return service.balanceOf(address(hub));
    }

    /// @dev Channel balances, credits and undistributed pots, one by one.
    function accountedFor() external view returns (uint256 channels, uint256 credits, uint256 pots) {
        for (uint256 i; i < CHANNELS; ++i) {
            channels += hub.channelOf(vm.addr(secretOf(i))).balance;
        }
        for (uint256 i; i < _accounts.length; ++i) {
            credits += hub.creditOf(_accounts[i]);
        }
        for (uint32 period; period < parameters.currentPeriod(); ++period) {
            for (uint256 a; a < 2; ++a) {
                IChannelHubTypes.Pot memory pot = hub.potOf(vm.addr(_anchorSecrets[a]), period);
                pots += pot.sum - pot.distributed;
            }
        }
    }

    function checkPots() external view {
        for (uint32 period; period < parameters.currentPeriod(); ++period) {
            for (uint256 a; a < 2; ++a) {
                address anchor_ = vm.addr(_anchorSecrets[a]);
                IChannelHubTypes.Pot memory pot = hub.potOf(anchor_, period);
                vm.assertEq(pot.sum, acceptedIn[a][period], "the pot is what was accepted");
                vm.assertLe(pot.distributed, pot.sum, "leaves paid are at most the sum");
                IChannelHubTypes.Payout[] memory payouts = _payouts[a][period];
                uint256 paid;
                for (uint256 i; i < payouts.length; ++i) {
                    if (hub.isPaid(anchor_, period, uint32(i))) paid += payouts[i].amount;
                }
                vm.assertEq(pot.distributed, paid, "each leaf was paid once");
            }
        }
    }

    function checkChannels() external view {
        uint32 current = parameters.currentPeriod();
        for (uint256 i; i < CHANNELS; ++i) {
            address signer = vm.addr(secretOf(i));
            uint256 signed;
            for (uint32 period; period < current; ++period) {
                if (current - period < 30) {
                    vm.assertTrue(
                        hub.isSettled(signer, period) == settledIn[signer][period], "settled stays settled"
                    );
                }
                vm.assertFalse(
                    settledIn[signer][period] && directIn[signer][period], "settled or claimed directly"
                );
                uint256 byVouchers = _vouchersSigned[signer][period];
                uint256 byStatement = _statementSigned[signer][period];
                signed += byVouchers > byStatement ? byVouchers : byStatement;
            }
            uint256 lost = depositedBy[signer] - withdrawnBy[signer] - hub.channelOf(signer).balance;
            vm.assertLe(lost, signed, "a payer never loses more than it signed");
        }
    }

    function checkBonds() external view {
        for (uint256 a; a < 2; ++a) {
            address anchor_ = vm.addr(_anchorSecrets[a]);
            uint256 bonds;
            for (uint32 period; period < parameters.currentPeriod(); ++period) {
                bonds += hub.potOf(anchor_, period).bond;
            }
            INodeRegistry.Node memory found = registry.nodeOf(anchor_);
            vm.assertEq(found.locked, bonds, "locked is the sum of the bonds");
            vm.assertLe(found.locked, uint256(found.stake) + found.thawing, "bonds are covered");
        }
    }

    /// @dev What the anchors lost is what was slashed, to the unit.
    function checkStake() external view {
        uint256 left = uint256(registry.slashable(anchor)) + registry.slashable(otherAnchor);
        vm.assertEq(left + slashed, 2 * uint256(ANCHOR_STAKE), "stake and what was slashed");
    }

    function _deposited(address signer, uint256 amount) private {
        deposited += amount;
        depositedBy[signer] += amount;
    }

    function _pick(uint256 seed) private pure returns (address) {
        return vm.addr(secretOf((seed >> 8) % CHANNELS));
    }

    function _anchor(uint256 seed) private view returns (uint256 index, address key) {
        index = (seed >> 4) % 2;
        key = vm.addr(_anchorSecrets[index]);
    }

    /// @dev A period that was committed, half of the time once it is final; none before the first.
    function _committed(uint256 seed) private returns (uint256 index, address key, uint32 period) {
        if (_commits.length == 0) return (0, anchor, 0);
        Commit storage found = _commits[(seed >> 64) % _commits.length];
        (index, key, period) = (found.anchorIndex, vm.addr(_anchorSecrets[found.anchorIndex]), found.period);
        uint64 finalAt = hub.potOf(key, period).finalAt;
        if (seed % 2 == 0 && finalAt > block.timestamp) vm.warp(finalAt);
    }

    function _settle(uint256 seed) private {
        (uint256 anchorIndex, address anchor_) = _anchor(seed);
        uint32 period = _lastPeriod();
        if (!_settling(period) || hub.potOf(anchor_, period).status != IChannelHubTypes.PotStatus.Open) {
            return;
        }
        IChannelHubTypes.StatementRow[] memory rows = _rows(seed, anchor_, period);
        vm.recordLogs();
        vm.prank(anchor_);
        hub.settleChunk(period, rows);
        _remember(anchorIndex, period);
    }

    function _lastPeriod() private view returns (uint32) {
        uint32 current = parameters.currentPeriod();
        return current == 0 ? 0 : current - 1;
    }

    function _settling(uint32 period) private view returns (bool) {
        IParameters.Windows memory windows = parameters.windowsOf(period);
        return block.timestamp >= windows.settleFrom && block.timestamp < windows.settleUntil;
    }

    function _toNextEdge() private {
        uint32 current = parameters.currentPeriod();
        IParameters.Windows memory last = parameters.windowsOf(current == 0 ? 0 : current - 1);
        uint64[4] memory edges =
            [last.settleFrom, last.settleUntil, last.directUntil, parameters.windowsOf(current).closesAt];
        for (uint256 i; i < 4; ++i) {
            if (edges[i] > block.timestamp && (current > 0 || i == 3)) {
                vm.warp(edges[i]);
                return;
            }
        }
    }

    /// @dev Good rows, rows above the balance, rows of a stranger, rows for the other anchor.
    function _rows(uint256 seed, address anchor_, uint32 period)
        private
        returns (IChannelHubTypes.StatementRow[] memory rows)
    {
        rows = new IChannelHubTypes.StatementRow[](ROWS);
        for (uint256 i; i < ROWS; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            uint256 secret = roll % 9 == 0 ? 0xDEAD : secretOf((roll >> 8) % CHANNELS);
            address signer = vm.addr(secret);
            uint128 amount = uint128(1 + (roll >> 16) % 15e18);
            rows[i] = statement(secret, anchor_, period, amount);
            if (amount > _statementSigned[signer][period]) _statementSigned[signer][period] = amount;
        }
    }

    function _lane(uint256 seed, address payee, uint32 period, uint128 amount)
        private
        returns (IChannelHubTypes.DirectClaimRow memory)
    {
        uint256 secret = secretOf((seed >> 8) % CHANNELS);
        address signer = vm.addr(secret);
        bytes32 tokenClass = (seed >> 24) % 2 == 0 ? ticketClass : bytes32("other");
        uint256 anchorSecret = hub.anchorAt(signer, period) == anchor ? ANCHOR_SECRET : OTHER_ANCHOR_SECRET;
        _signVoucher(signer, period, keccak256(abi.encode(payee, tokenClass)), amount);
        return directClaim(secret, anchorSecret, payee, period, tokenClass, amount, 12e18);
    }

    function _signVoucher(address signer, uint32 period, bytes32 lane, uint128 amount) private {
        uint128 known = _voucherSigned[signer][period][lane];
        if (amount <= known) return;
        _voucherSigned[signer][period][lane] = amount;
        _vouchersSigned[signer][period] += amount - known;
    }

    function _remember(uint256 anchorIndex, uint32 period) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ACCEPTED) continue;
            (uint32 number,, IChannelHubTypes.AcceptedRow[] memory rows) =
                abi.decode(logs[i].data, (uint32, bytes32, IChannelHubTypes.AcceptedRow[]));
            _chunks.push(Chunk(anchorIndex, period, number, abi.encode(rows), false));
            for (uint256 r; r < rows.length; ++r) {
                vm.assertFalse(settledIn[rows[r].signer][period], "settled once");
                settledIn[rows[r].signer][period] = true;
                acceptedIn[anchorIndex][period] += rows[r].amount;
            }
            ++done["settle"];
        }
    }

    function _partition(uint256 seed, uint128 sum)
        private
        view
        returns (IChannelHubTypes.Payout[] memory payouts)
    {
        payouts = new IChannelHubTypes.Payout[](LEAVES);
        uint128 left = sum;
        for (uint256 i; i < LEAVES; ++i) {
            uint128 part =
                i == LEAVES - 1 ? left : uint128(uint256(keccak256(abi.encode(seed, i))) % (left + 1));
            payouts[i] = IChannelHubTypes.Payout(_accounts[i], part);
            left -= part;
        }
    }
}
