// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IParameters} from "../interfaces/IParameters.sol";
import {IPlacementSeeds} from "../interfaces/IPlacementSeeds.sol";
import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

/// @title Placement seeds
/// @notice See {IPlacementSeeds}. It holds nothing else.
contract PlacementSeeds is IPlacementSeeds {
    /// @dev Far enough ahead that nobody who fixes knows the value, near enough to be soon there.
    uint64 private constant BLOCKS_AHEAD = 4;

    IParameters public immutable parameters;

    /// @inheritdoc IPlacementSeeds
    mapping(uint32 period => uint64 blockNumber) public blockOf;
    /// @inheritdoc IPlacementSeeds
    mapping(uint32 period => bytes32 seed) public seedOf;

    constructor(IParameters parameters_) {
        parameters = parameters_;
    }

    /// @inheritdoc IPlacementSeeds
    function fix() external returns (uint32 period, uint64 blockNumber) {
        period = parameters.currentPeriod();
        uint64 before = blockOf[period];
        bool lost =
            before != 0 && seedOf[period] == 0 && before < block.number && Blockhash.blockHash(before) == 0;
        if (before != 0 && !lost) revert PlacementSeeds_AlreadyFixed(period, before);
        blockNumber = uint64(block.number) + BLOCKS_AHEAD;

        blockOf[period] = blockNumber;

        emit SeedFixed(period, blockNumber);
    }

    /// @inheritdoc IPlacementSeeds
    function draw(uint32 period, bytes calldata header) external returns (bytes32 seed) {
        uint64 blockNumber = blockOf[period];
        if (blockNumber == 0) revert PlacementSeeds_NotFixed(period);
        if (block.number <= blockNumber) revert PlacementSeeds_TooEarly(period, blockNumber);
        bytes32 hash = Blockhash.blockHash(blockNumber);
        if (hash == 0 || keccak256(header) != hash) {
            revert PlacementSeeds_HeaderInvalid(period, blockNumber);
        }
        seed = keccak256(abi.encodePacked(BlockHeader.getPrevRandao(header), blockNumber));

        seedOf[period] = seed;

        emit SeedDrawn(period, blockNumber, seed);
    }
}
