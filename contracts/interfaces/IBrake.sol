// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title The emergency brake
/// @notice A guardian, named by governance, may stop new money from coming in: opening and topping
/// up channels, starting and topping up rent, registering, staking and delegating. The stop ends by
/// itself, and cannot be repeated before a cooldown has passed. It never stops what lets people out
/// or what keeps others honest: withdrawals, thawing, challenges, direct claims, distribution.
/// @dev Safety needs: contracts ask {isPaused} only where money comes in. Liveness needs nothing: a
/// guardian that never lets go still lets go after `duration`.
interface IBrake {
    /// @notice New money is stopped until `pausedUntil`; `readyAt` is when the brake works again.
    event BrakePulled(address indexed guardian, uint64 pausedUntil, uint64 readyAt, bytes32 reason);
    /// @notice The stop ended early.
    event BrakeReleased(address indexed by);
    /// @notice The account that may pull the brake changed; zero means nobody.
    event GuardianChanged(address indexed guardian);

    /// @notice Only the guardian may pull the brake; it and the owner may release it.
    error EmergencyBrake_NotGuardian(address caller);
    /// @notice The brake was pulled lately; it can be pulled again at `readyAt`.
    error EmergencyBrake_CoolingDown(uint64 readyAt);
    /// @notice Nothing is stopped now.
    error EmergencyBrake_NotPaused();
    /// @notice A stop lasts 1 second to 7 days; the cooldown is at least three times as long, and at
    /// most 366 days.
    error EmergencyBrake_OutOfBounds(uint32 duration, uint32 cooldown);

    /// @notice Stop new money for `duration` seconds, and say why in up to 32 bytes.
    /// @dev Emits: {BrakePulled}.
    ///
    /// Requirements:
    /// - the caller is the guardian;
    /// - the cooldown after the last stop has passed.
    function pull(bytes32 reason) external;

    /// @notice End the stop early. The cooldown goes on as if it had not been ended.
    /// @dev Emits: {BrakeReleased}.
    ///
    /// Requirements:
    /// - the caller is the guardian or the owner;
    /// - new money is stopped now.
    function release() external;

    /// @notice Name the guardian; zero takes the power away.
    /// @dev Emits: {GuardianChanged}. Requirements: the caller is the owner.
    function setGuardian(address guardian_) external;

    /// @notice Whether new money is stopped now.
    function isPaused() external view returns (bool);

    /// @notice When the last stop ends or ended, unix seconds; 0 where there never was one.
    function pausedUntil() external view returns (uint64);

    /// @notice When the brake can be pulled again, unix seconds.
    function readyAt() external view returns (uint64);

    /// @notice Who may pull the brake.
    function guardian() external view returns (address);

    /// @notice How long a stop lasts, seconds.
    function duration() external view returns (uint32);

    /// @notice How long after a stop's end the next one may begin, seconds.
    function cooldown() external view returns (uint32);
}
