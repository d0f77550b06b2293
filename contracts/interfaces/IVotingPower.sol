// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Votes of those who hold Stake Tokens and of those who stake them
/// @notice An account's votes are its Stake Tokens (or those that were delegated to it in the token)
/// plus the active stake of the nodes that it operates, stake delegated to them included: who works
/// with stake does not lose its voice, and nobody's tokens count twice. What thaws has no votes
/// until it is withdrawn. Time is counted in seconds.
/// @dev Safety needs: the registry reports every change of active stake.
interface IVotingPower {
    /// @notice The registry was named, once and for good.
    event RegistrySet(address indexed registry);

    /// @notice Only the registry may do this.
    error VotingPower_NotRegistry(address caller);
    /// @notice Only the founder may name the registry, and once only.
    error VotingPower_NotFounder(address caller);

    /// @notice `amount` of active stake is now `to`'s instead of `from`'s; zero stands for nobody.
    /// @dev Emits: DelegateVotesChanged. Requirements: the caller is the registry.
    function move(address from, address to, uint256 amount) external;

    /// @notice Name the registry.
    /// @dev Emits: {RegistrySet}. Requirements: the caller is the founder; no registry is named yet.
    function setRegistry(address registry_) external;

    /// @notice The active stake that votes with `account` now, before any delegation of votes.
    function stakedBy(address account) external view returns (uint256);
}
