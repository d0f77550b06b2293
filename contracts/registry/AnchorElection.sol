// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchorElection} from "../interfaces/IAnchorElection.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";

/// @title Election of anchors
/// @notice See {IAnchorElection}. It holds no money.
/// @dev Anchors are kept by number, so an approval survives a change of key.
contract AnchorElection is IAnchorElection {
    uint8 private constant ROLE_ANCHOR = 2;
    uint256 private constant LARGEST_BALLOT = 8;
    uint256 private constant MOST_SEATS = 64;
    uint256 private constant WHOLE = 10_000;

    /// @inheritdoc IAnchorElection
    uint16 public constant leastTurnout = 400;

    IParameters public immutable parameters;
    INodeRegistry public immutable nodes;
    IVotes public immutable votes;
    /// @inheritdoc IAnchorElection
    uint32 public immutable seats;

    mapping(address voter => uint32[] numbers) private _ballots;
    mapping(address voter => mapping(uint32 period => bool yes)) private _counted;
    mapping(uint32 period => mapping(uint32 number => uint256 votes)) private _tallies;
    /// @dev The leaders of a count, most votes first.
    mapping(uint32 period => uint32[] numbers) private _leaders;
    /// @inheritdoc IAnchorElection
    mapping(uint32 period => uint256 votes) public turnoutOf;
    /// @dev Periods in which enough votes were counted, in order.
    uint32[] private _counts;

    constructor(IParameters parameters_, INodeRegistry nodes_, IVotes votes_, uint32 seats_) {
        if (seats_ == 0 || seats_ > MOST_SEATS) revert AnchorElection_SeatsOutOfBounds(seats_);
        parameters = parameters_;
        nodes = nodes_;
        votes = votes_;
        seats = seats_;
    }

    /// @inheritdoc IAnchorElection
    function approve(address[] calldata anchors) external {
        if (anchors.length > LARGEST_BALLOT) {
            revert AnchorElection_TooManyAnchors(anchors.length, LARGEST_BALLOT);
        }
        uint32[] memory numbers = new uint32[](anchors.length);
        for (uint256 i; i < anchors.length; ++i) {
            if (i != 0 && anchors[i] <= anchors[i - 1]) revert AnchorElection_NotAscending(anchors[i]);
            if (!nodes.isActive(anchors[i], ROLE_ANCHOR)) revert AnchorElection_NotAnchor(anchors[i]);
            numbers[i] = nodes.numberOf(anchors[i]);
        }

        _ballots[msg.sender] = numbers;

        emit BallotCast(msg.sender, anchors);
    }

    /// @inheritdoc IAnchorElection
    function count(address voter) external {
        uint32 period = parameters.currentPeriod();
        if (_counted[voter][period]) revert AnchorElection_AlreadyCounted(voter, period);
        uint256 opensAt = parameters.windowsOf(period).opensAt;
        uint256 before = turnoutOf[period];
        uint256 weight = opensAt < block.timestamp ? votes.getPastVotes(voter, opensAt) : 0;
        uint32[] memory numbers = _ballots[voter];
        if (weight == 0 || numbers.length == 0) revert AnchorElection_NothingToCount(voter, period);

        _counted[voter][period] = true;
        turnoutOf[period] = before + weight;
        uint256 enough = votes.getPastTotalSupply(opensAt) * leastTurnout / WHOLE;
        if (before < enough && before + weight >= enough) _counts.push(period);
        for (uint256 i; i < numbers.length; ++i) {
            uint256 tally = _tallies[period][numbers[i]] + weight;
            _tallies[period][numbers[i]] = tally;
            _rank(_leaders[period], period, numbers[i], tally);
        }

        emit BallotCounted(voter, period, weight);
    }

    /// @inheritdoc IAnchorElection
    function activeAnchors(uint32 period) external view returns (address[] memory) {
        return _serving(period);
    }

    /// @inheritdoc IAnchorElection
    function isElected(address anchor, uint32 period) external view returns (bool) {
        address[] memory serving = _serving(period);
        for (uint256 i; i < serving.length; ++i) {
            if (serving[i] == anchor) return true;
        }
        return false;
    }

    /// @inheritdoc IAnchorElection
    function ballotOf(address voter) external view returns (address[] memory anchors) {
        uint32[] storage numbers = _ballots[voter];
        anchors = new address[](numbers.length);
        for (uint256 i; i < anchors.length; ++i) {
            anchors[i] = nodes.keyOf(numbers[i]);
        }
    }

    /// @inheritdoc IAnchorElection
    function tallyOf(uint32 number, uint32 period) external view returns (uint256) {
        return _tallies[period][number];
    }

    /// @dev Moves a candidate whose tally grew up to its place, or in where the last one has less.
    function _rank(uint32[] storage leaders, uint32 period, uint32 number, uint256 tally) private {
        uint256 place = leaders.length;
        for (uint256 i; i < leaders.length; ++i) {
            if (leaders[i] == number) place = i;
        }
        if (place == leaders.length) {
            if (place < seats) {
                leaders.push(number);
            } else {
                --place;
                if (_tallies[period][leaders[place]] >= tally) return;
                leaders[place] = number;
            }
        }
        while (place != 0 && _tallies[period][leaders[place - 1]] < tally) {
            leaders[place] = leaders[place - 1];
            --place;
            leaders[place] = number;
        }
    }

    /// @dev Whom the last election before `period` seated, and then who registered first; those that
    /// are no active anchors now are left out.
    function _serving(uint32 period) private view returns (address[] memory serving) {
        uint256 i = _counts.length;
        while (i != 0 && _counts[i - 1] >= period) --i;
        uint32[] memory elected = i == 0 ? new uint32[](0) : _leaders[_counts[i - 1]];
        uint32[] memory seated = new uint32[](seats);
        uint256 count_ = _seat(seated, 0, elected, period);
        if (count_ < seats) count_ = _seat(seated, count_, _registered(), period);
        serving = new address[](count_);
        for (uint256 j; j < count_; ++j) {
            serving[j] = nodes.keyAt(seated[j], period);
        }
    }

    /// @dev Seats those of `candidates` that are active and have no seat yet, while seats are free.
    /// Of a period that is over nobody can be left out any more, and who registered after it has no
    /// seat in it.
    function _seat(uint32[] memory seated, uint256 count_, uint32[] memory candidates, uint32 period)
        private
        view
        returns (uint256)
    {
        bool over = period < parameters.currentPeriod();
        for (uint256 i; i < candidates.length && count_ < seated.length; ++i) {
            uint32 number = candidates[i];
            bool serves = over
                ? nodes.numberAt(nodes.keyAt(number, period), period) != 0
                : nodes.isActive(nodes.keyOf(number), ROLE_ANCHOR);
            if (serves && !_has(seated, count_, number)) seated[count_++] = number;
        }
        return count_;
    }

    function _registered() private view returns (uint32[] memory numbers) {
        address[] memory keys = nodes.anchors(0, uint32(MOST_SEATS));
        numbers = new uint32[](keys.length);
        for (uint256 i; i < keys.length; ++i) {
            numbers[i] = nodes.numberOf(keys[i]);
        }
    }

    function _has(uint32[] memory numbers, uint256 count_, uint32 number) private pure returns (bool) {
        for (uint256 i; i < count_; ++i) {
            if (numbers[i] == number) return true;
        }
        return false;
    }
}
