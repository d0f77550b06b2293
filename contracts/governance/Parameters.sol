// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IParameters} from "../interfaces/IParameters.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title Parameters
/// @notice See {IParameters}. Terms are kept as a list of changes, newest last; reading the terms of
/// a recent period looks at one or two of them.
/// @dev Lower bounds of windows follow the period's length, so that the same code serves months and,
/// on a test chain, minutes: a window is never shorter than a 120th of the period (6 hours a month).
contract Parameters is IParameters, Ownable2Step {
    /// @dev How long a change is known before it holds: it begins with the period after the next.
    uint32 private constant NOTICE_PERIODS = 2;
    /// @dev The hub remembers 32 periods per channel; all windows must fit into them.
    uint256 private constant LONGEST_WINDOWS_IN_PERIODS = 31;
    uint256 private constant LONGEST_WINDOWS = 90 days;
    uint256 private constant SHORTEST_WINDOW_DIVISOR = 120;
    uint256 private constant LONGEST_DELAY_FACTOR = 3;
    uint256 private constant LONGEST_THAW = 365 days;
    uint256 private constant LONGEST_RENT_GRACE = 365 days;
    uint256 private constant SHORTEST_PERIOD = 30 seconds;
    uint256 private constant LONGEST_PERIOD = 366 days;
    uint256 private constant WHOLE = 10_000;
    uint256 private constant MAXIMUM_PROTOCOL_SHARE = 500;
    uint256 private constant MAXIMUM_ANCHOR_SHARE = 1_000;
    uint256 private constant MAXIMUM_ISSUER_SHARE = 3_000;
    uint256 private constant MAXIMUM_STAKE = 1e27;
    uint256 private constant MAXIMUM_RENT_PRICE = 1e21;
    uint256 private constant MAXIMUM_GAS_RATE = 1e18;
    uint256 private constant MAXIMUM_SPACE_RATE = 1e15;

    struct Change {
        uint32 fromPeriod;
        Terms terms;
    }

    struct RateChange {
        uint32 fromPeriod;
        ExecutionRates rates;
    }

    /// @inheritdoc IParameters
    uint64 public immutable genesis;
    /// @inheritdoc IParameters
    uint32 public immutable periodLength;

    Change[] private _changes;
    RateChange[] private _rateChanges;

    /// @notice Period 0 opens at `genesis_`; `terms` and `rates` hold from it on.
    constructor(
        address owner_,
        uint64 genesis_,
        uint32 periodLength_,
        Terms memory terms,
        ExecutionRates memory rates
    ) Ownable(owner_) {
        if (genesis_ > block.timestamp) {
            revert Parameters_GenesisInFuture(genesis_, block.timestamp);
        }
        _bound("periodLength", periodLength_, SHORTEST_PERIOD, LONGEST_PERIOD);
        _check(terms, periodLength_);
        _checkRates(rates);
        genesis = genesis_;
        periodLength = periodLength_;
        _changes.push(Change(0, terms));
        _rateChanges.push(RateChange(0, rates));
        emit TermsScheduled(0, terms);
        emit RatesScheduled(0, rates);
    }

    /// @inheritdoc IParameters
    function schedule(Terms calldata terms) external onlyOwner returns (uint32 fromPeriod) {
        _check(terms, periodLength);
        fromPeriod = currentPeriod() + NOTICE_PERIODS;

        Change storage last = _changes[_changes.length - 1];
        if (last.fromPeriod == fromPeriod) last.terms = terms;
        else _changes.push(Change(fromPeriod, terms));

        emit TermsScheduled(fromPeriod, terms);
    }

    /// @inheritdoc IParameters
    function scheduleRates(ExecutionRates calldata rates) external onlyOwner returns (uint32 fromPeriod) {
        _checkRates(rates);
        fromPeriod = currentPeriod() + NOTICE_PERIODS;

        RateChange storage last = _rateChanges[_rateChanges.length - 1];
        if (last.fromPeriod == fromPeriod) last.rates = rates;
        else _rateChanges.push(RateChange(fromPeriod, rates));

        emit RatesScheduled(fromPeriod, rates);
    }

    /// @inheritdoc IParameters
    function termsAt(uint32 period) external view returns (Terms memory) {
        return _termsAt(period);
    }

    /// @inheritdoc IParameters
    function ratesAt(uint32 period) external view returns (ExecutionRates memory) {
        uint256 i = _rateChanges.length - 1;
        while (_rateChanges[i].fromPeriod > period) --i;
        return _rateChanges[i].rates;
    }

    /// @inheritdoc IParameters
    function windowsOf(uint32 period) external view returns (Windows memory windows) {
        Terms storage terms = _termsAt(period);
        windows.opensAt = genesis + uint64(period) * periodLength;
        windows.closesAt = windows.opensAt + periodLength;
        windows.settleFrom = windows.closesAt + terms.acknowledgementGrace;
        windows.settleUntil = windows.closesAt + terms.settleDeadline;
        windows.directUntil = windows.settleUntil + terms.challengeWindow + terms.directClaimWindow;
    }

    /// @inheritdoc IParameters
    function currentPeriod() public view returns (uint32) {
        return periodAt(block.timestamp);
    }

    /// @inheritdoc IParameters
    function periodAt(uint256 timestamp) public view returns (uint32) {
        if (timestamp < genesis) revert Parameters_BeforeGenesis(timestamp);
        return uint32((timestamp - genesis) / periodLength);
    }

    function _termsAt(uint32 period) private view returns (Terms storage) {
        uint256 i = _changes.length - 1;
        while (_changes[i].fromPeriod > period) --i;
        return _changes[i].terms;
    }

    function _check(Terms memory terms, uint256 length) private pure {
        if (terms.treasury == address(0)) revert Parameters_ZeroTreasury();
        _checkWindows(terms, length);
        _bound("protocolShare", terms.protocolShare, 0, MAXIMUM_PROTOCOL_SHARE);
        _bound("anchorShare", terms.anchorShare, 0, MAXIMUM_ANCHOR_SHARE);
        _bound("maximumIssuerShare", terms.maximumIssuerShare, 0, MAXIMUM_ISSUER_SHARE);
        _bound("burnShare", terms.burnShare, 0, WHOLE);
        _bound("bondRatio", terms.bondRatio, 0, WHOLE);
        _bound("minimumServiceStake", terms.minimumServiceStake, 1, MAXIMUM_STAKE);
        _bound("minimumAnchorStake", terms.minimumAnchorStake, 1, MAXIMUM_STAKE);
        _bound("rentPrice", terms.rentPrice, 1, MAXIMUM_RENT_PRICE);
    }

    function _checkRates(ExecutionRates memory rates) private pure {
        _bound("readGas", rates.readGas, 1, MAXIMUM_GAS_RATE);
        _bound("updateGas", rates.updateGas, 1, MAXIMUM_GAS_RATE);
        _bound("outputByte", rates.outputByte, 0, MAXIMUM_SPACE_RATE);
        _bound("page", rates.page, 0, MAXIMUM_SPACE_RATE);
    }

    function _checkWindows(Terms memory terms, uint256 length) private pure {
        uint256 shortest = length / SHORTEST_WINDOW_DIVISOR + 1;
        uint256 longest = _least(LONGEST_WINDOWS_IN_PERIODS * length, LONGEST_WINDOWS);
        _bound("acknowledgementGrace", terms.acknowledgementGrace, shortest, longest);
        _bound("settleDeadline", terms.settleDeadline, terms.acknowledgementGrace + shortest, longest);
        _bound("challengeWindow", terms.challengeWindow, shortest, longest);
        _bound("directClaimWindow", terms.directClaimWindow, shortest, longest);
        uint256 windows = uint256(terms.settleDeadline) + terms.challengeWindow + terms.directClaimWindow;
        _bound("windows", windows, 0, longest);
        if (terms.withdrawalDelay < windows) {
            revert Parameters_DelayShorterThanWindows(terms.withdrawalDelay, windows);
        }
        _bound("withdrawalDelay", terms.withdrawalDelay, windows, LONGEST_DELAY_FACTOR * windows);
        // A case against a node waits as long as a withdrawal; its stake must not be gone by then.
        _bound("thawTime", terms.thawTime, terms.withdrawalDelay, LONGEST_THAW);
        _bound("rentGrace", terms.rentGrace, 0, LONGEST_RENT_GRACE);
    }

    function _bound(bytes32 parameter, uint256 value, uint256 minimum, uint256 maximum) private pure {
        if (value < minimum || value > maximum) {
            revert Parameters_OutOfBounds(parameter, value, minimum, maximum);
        }
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
