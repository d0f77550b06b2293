// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title The randomness that placement starts from, one seed per period
/// @notice Which nodes count in a period is what the registry shows when the period opens; after
/// that, and not before, somebody fixes the block whose RANDAO value becomes the period's seed: a
/// few blocks ahead, where nobody knows it. The seed is keccak256(prevRandao | block number as 8
/// bytes), which a node computes from the block header alone; {draw} brings it on chain too, with
/// that header as proof.
/// @dev Safety needs: a chain with RANDAO. Its proposer can discard one block, and so choose between
/// two values, at the price of a block. Liveness needs: somebody calls; a fixed block that was
/// forgotten for 8,191 blocks can be fixed anew only while no seed was drawn.
interface IPlacementSeeds {
    /// @notice The seed of `period` comes from block `blockNumber`.
    event SeedFixed(uint32 indexed period, uint64 blockNumber);
    /// @notice The seed of `period` is known on chain.
    event SeedDrawn(uint32 indexed period, uint64 blockNumber, bytes32 seed);

    /// @notice The period's seed is fixed already, to block `blockNumber`.
    error PlacementSeeds_AlreadyFixed(uint32 period, uint64 blockNumber);
    /// @notice No block was fixed for this period.
    error PlacementSeeds_NotFixed(uint32 period);
    /// @notice The fixed block is not mined yet.
    error PlacementSeeds_TooEarly(uint32 period, uint64 blockNumber);
    /// @notice The header is not that of the fixed block.
    error PlacementSeeds_HeaderInvalid(uint32 period, uint64 blockNumber);

    /// @notice Fix the block that the current period's seed comes from; anyone may.
    /// @dev Emits: {SeedFixed}.
    ///
    /// Requirements:
    /// - it is not fixed, or its block's hash was forgotten before a seed was drawn.
    function fix() external returns (uint32 period, uint64 blockNumber);

    /// @notice Show the seed of a period on chain, by the fixed block's header in RLP; anyone may.
    /// @dev Emits: {SeedDrawn}.
    ///
    /// Requirements:
    /// - a block is fixed for `period`, and mined;
    /// - `header` is its header.
    function draw(uint32 period, bytes calldata header) external returns (bytes32 seed);

    /// @notice The block that the seed of `period` comes from, 0 where none is fixed.
    function blockOf(uint32 period) external view returns (uint64);

    /// @notice The seed of `period`, zero where it was not drawn.
    function seedOf(uint32 period) external view returns (bytes32);
}
