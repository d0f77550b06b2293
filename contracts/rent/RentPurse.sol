// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";

/// @title Rent purse
/// @notice An account in the hub for one class whose revenue is garnished. Only the rent vault empties
/// it, and only into itself. Every class's purse is a minimal copy of one contract, at an address
/// that follows from the class; it is created when it is first emptied.
contract RentPurse {
    /// @notice Only the rent vault may do this.
    error RentPurse_NotVault(address caller);

    address private immutable _vault;

    constructor() {
        _vault = msg.sender;
    }

    /// @notice Send all of this account's credit in the hub to the vault. Requirements: the caller
    /// is the vault.
    function empty(IChannelHub hub) external returns (uint128 amount) {
        if (msg.sender != _vault) revert RentPurse_NotVault(msg.sender);
        amount = hub.creditOf(address(this));
        if (amount != 0) hub.withdrawCredit(_vault, amount);
    }
}
