// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBrake} from "../interfaces/IBrake.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title Emergency brake
/// @notice See {IBrake}. Duration and cooldown are fixed for good.
contract EmergencyBrake is IBrake, Ownable2Step {
    uint32 private constant LONGEST_STOP = 7 days;
    uint32 private constant LONGEST_COOLDOWN = 366 days;
    uint32 private constant SHORTEST_COOLDOWN_FACTOR = 3;

    /// @inheritdoc IBrake
    uint32 public immutable duration;
    /// @inheritdoc IBrake
    uint32 public immutable cooldown;

    /// @inheritdoc IBrake
    address public guardian;
    /// @inheritdoc IBrake
    uint64 public pausedUntil;
    /// @inheritdoc IBrake
    uint64 public readyAt;

    constructor(address owner_, address guardian_, uint32 brakeDuration, uint32 brakeCooldown)
        Ownable(owner_)
    {
        bool stopFits = brakeDuration != 0 && brakeDuration <= LONGEST_STOP;
        bool cooldownFits = stopFits && brakeCooldown >= SHORTEST_COOLDOWN_FACTOR * brakeDuration
            && brakeCooldown <= LONGEST_COOLDOWN;
        if (!cooldownFits) revert EmergencyBrake_OutOfBounds(brakeDuration, brakeCooldown);
        duration = brakeDuration;
        cooldown = brakeCooldown;
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    /// @inheritdoc IBrake
    function pull(bytes32 reason) external {
        if (msg.sender != guardian) revert EmergencyBrake_NotGuardian(msg.sender);
        if (block.timestamp < readyAt) revert EmergencyBrake_CoolingDown(readyAt);
        uint64 until = uint64(block.timestamp) + duration;
        uint64 ready = until + cooldown;

        pausedUntil = until;
        readyAt = ready;

        emit BrakePulled(msg.sender, until, ready, reason);
    }

    /// @inheritdoc IBrake
    function release() external {
        if (msg.sender != guardian && msg.sender != owner()) revert EmergencyBrake_NotGuardian(msg.sender);
        if (!isPaused()) revert EmergencyBrake_NotPaused();

        pausedUntil = uint64(block.timestamp);

        emit BrakeReleased(msg.sender);
    }

    /// @inheritdoc IBrake
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    /// @inheritdoc IBrake
    function isPaused() public view returns (bool) {
        return block.timestamp < pausedUntil;
    }
}
