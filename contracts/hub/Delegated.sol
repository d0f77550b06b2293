// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {HubState} from "./HubState.sol";

/// @title Code that runs in the hub's storage only
abstract contract Delegated is HubState {
    address private immutable _extension = address(this);

    /// @dev Called by itself the extension would keep the tokens.
    modifier delegated() {
        if (address(this) == _extension) revert ChannelHub_NotDelegated();
        _;
    }
}
