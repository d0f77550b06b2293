// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Which anchors serve: elected by the votes of stake
/// @notice A ballot approves up to eight anchors and stands until it is replaced. In every period
/// anyone may count ballots: each adds its voter's votes, as they were when the period opened, to
/// every anchor that it approves. The most approved take the seats of the next period, provided that
/// at least 4 % of all votes took part; where fewer did, the last elected set stays. Seats that no
/// vote fills go to the anchors that registered first, so that a few votes never make a set of a few.
/// @dev Nothing loops over voters. The set is kept in order while ballots are counted, so a period's
/// boundary needs no transaction. Safety needs: past votes never change; honest holders have
/// ballots, which anybody may count. Liveness needs: somebody counts, which those who would be elected
/// do.
interface IAnchorElection {
    /// @notice A voter approves exactly these anchors now.
    event BallotCast(address indexed voter, address[] anchors);
    /// @notice A ballot was counted in `period`; each of its anchors got `votes` more.
    event BallotCounted(address indexed voter, uint32 indexed period, uint256 votes);

    /// @notice A ballot approves at most `maximum` anchors.
    error AnchorElection_TooManyAnchors(uint256 count, uint256 maximum);
    /// @notice A ballot names an anchor twice, or not in ascending order.
    error AnchorElection_NotAscending(address anchor);
    /// @notice The key is not that of an active anchor.
    error AnchorElection_NotAnchor(address anchor);
    /// @notice The voter's ballot was counted in this period already.
    error AnchorElection_AlreadyCounted(address voter, uint32 period);
    /// @notice The voter has no ballot, or had no votes when the period opened.
    error AnchorElection_NothingToCount(address voter, uint32 period);
    /// @notice A set has 1 to 64 seats.
    error AnchorElection_SeatsOutOfBounds(uint256 seats);

    /// @notice Approve these anchors, and no others; an empty list withdraws the ballot.
    /// @dev Emits: {BallotCast}. A ballot that was counted in this period stays counted.
    ///
    /// Requirements:
    /// - at most 8 anchors;
    /// - their keys are in strictly ascending order;
    /// - each is the key of an active anchor.
    function approve(address[] calldata anchors) external;

    /// @notice Count a voter's ballot in the current period; anyone may.
    /// @dev Emits: {BallotCounted}.
    ///
    /// Requirements:
    /// - the voter has a ballot, and had votes when the period opened;
    /// - it was not counted in this period.
    function count(address voter) external;

    /// @notice The keys of the anchors that serve in `period`, the most approved first. For a period
    /// after the next one it is what would hold if nobody counted any more. Who registers after a
    /// period has no seat in it.
    function activeAnchors(uint32 period) external view returns (address[] memory);

    /// @notice Whether `anchor` serves in `period`.
    function isElected(address anchor, uint32 period) external view returns (bool);

    /// @notice The anchors that a voter approves.
    function ballotOf(address voter) external view returns (address[] memory);

    /// @notice The votes that the node with this number has got in the count of `period`.
    function tallyOf(uint32 number, uint32 period) external view returns (uint256);

    /// @notice The votes that took part in the count of `period`.
    function turnoutOf(uint32 period) external view returns (uint256);

    /// @notice The part of all votes that must take part, in basis points.
    function leastTurnout() external view returns (uint16);

    /// @notice How many anchors a set has at most.
    function seats() external view returns (uint32);
}
