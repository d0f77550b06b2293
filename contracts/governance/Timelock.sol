// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Timelock
/// @notice Owns what governance may change; what was voted takes effect after its delay. The founder
/// may use it without delay only until it hands over: then the governor alone proposes and cancels,
/// anyone executes, and the founder has no role.
contract Timelock is TimelockController {
    constructor(address owner_) TimelockController(0, _only(owner_), _only(owner_), owner_) {}

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
