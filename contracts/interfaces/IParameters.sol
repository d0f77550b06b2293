// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title The clock and the terms of settlement
/// @notice Every window, share, price and minimum in one place, each with a hard bound that no
/// owner can pass. Terms are pinned by period: a change takes effect two periods later and never
/// touches a period that has begun. Shares are in basis points (10,000 is the whole), windows in
/// seconds, amounts in base units (18 decimals).
///
/// Windows of a period that closes at T, all half open. The settle deadline counts from the close,
/// as the grace does; the direct claims follow it:
///   [T, T + grace)                     anchors still acknowledge
///   [T + grace, D), D = T + settle     the anchor settles and commits
///   [commit, commit + challenge)       the committed root can be challenged
///   [D, D + challenge + directClaim)   nodes claim directly what the anchor did not settle; a root
///                                      voided at the last moment leaves them all of directClaim
///   T + withdrawalDelay                a withdrawal requested in the period is released
interface IParameters {
    /// @notice The terms that hold for one period.
    struct Terms {
        uint32 acknowledgementGrace;
        uint32 settleDeadline;
        uint32 challengeWindow;
        uint32 directClaimWindow;
        uint32 withdrawalDelay;
        uint32 thawTime;
        uint32 rentGrace;
        uint16 protocolShare;
        uint16 anchorShare;
        uint16 maximumIssuerShare;
        uint16 burnShare;
        uint16 bondRatio;
        address treasury;
        uint128 minimumServiceStake;
        uint128 minimumAnchorStake;
        uint128 rentPrice;
    }

    /// @notice What running a token's script costs, in base units of the Service Token: a million gas
    /// of a read, a million gas of an update, a byte put out, a page of memory (64 KiB). The same at
    /// every node, so that all come to the same bill.
    struct ExecutionRates {
        uint96 readGas;
        uint96 updateGas;
        uint96 outputByte;
        uint96 page;
    }

    /// @notice The moments (unix seconds) at which one period's windows open and end.
    struct Windows {
        uint64 opensAt;
        uint64 closesAt;
        uint64 settleFrom;
        uint64 settleUntil;
        uint64 directUntil;
    }

    /// @notice New terms were scheduled; they hold from `fromPeriod` on.
    event TermsScheduled(uint32 indexed fromPeriod, Terms terms);
    /// @notice New rates were scheduled; they hold from `fromPeriod` on.
    event RatesScheduled(uint32 indexed fromPeriod, ExecutionRates rates);

    /// @notice `value` of `parameter` lies outside its hard bounds.
    error Parameters_OutOfBounds(bytes32 parameter, uint256 value, uint256 minimum, uint256 maximum);
    /// @notice The withdrawal delay is shorter than all windows of a period together.
    error Parameters_DelayShorterThanWindows(uint256 delay, uint256 windows);
    /// @notice The first period cannot begin in the future.
    error Parameters_GenesisInFuture(uint64 genesis, uint256 now_);
    /// @notice The treasury cannot be the zero account.
    error Parameters_ZeroTreasury();
    /// @notice `timestamp` lies before the first period.
    error Parameters_BeforeGenesis(uint256 timestamp);

    /// @notice When period 0 opened, unix seconds.
    function genesis() external view returns (uint64);

    /// @notice Seconds per period; fixed for good, as every period number depends on it.
    function periodLength() external view returns (uint32);

    /// @notice The period that `timestamp` lies in: (timestamp - genesis) / periodLength.
    /// @dev Requirements: `timestamp` is not before genesis.
    function periodAt(uint256 timestamp) external view returns (uint32);

    /// @notice The period of the current block.
    function currentPeriod() external view returns (uint32);

    /// @notice The terms that hold for `period`.
    function termsAt(uint32 period) external view returns (Terms memory);

    /// @notice The rates that hold for `period`.
    function ratesAt(uint32 period) external view returns (ExecutionRates memory);

    /// @notice The moments at which the windows of `period` open and end.
    function windowsOf(uint32 period) external view returns (Windows memory);

    /// @notice Schedule new terms; they hold from the period after the next one.
    /// @dev Emits: {TermsScheduled}. Terms scheduled earlier for the same period are replaced.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - every value lies within its hard bounds;
    /// - the settle deadline comes after the acknowledgement grace;
    /// - the withdrawal delay is at least as long as all windows together;
    /// - stake thaws at least as long as the withdrawal delay, as cases against nodes wait so long;
    /// - the treasury is not the zero account.
    function schedule(Terms calldata terms) external returns (uint32 fromPeriod);

    /// @notice Schedule new rates; they hold from the period after the next one.
    /// @dev Emits: {RatesScheduled}. Rates scheduled earlier for the same period are replaced.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - every rate lies within its hard bounds.
    function scheduleRates(ExecutionRates calldata rates) external returns (uint32 fromPeriod);
}
