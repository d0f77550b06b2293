// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @title Stake Token
/// @notice A share in the network: node stake and governance weight. The supply is fixed.
contract StakeToken is ERC20, ERC20Permit, ERC20Votes {
    /// @notice Mint the whole supply to `holder`; nothing can mint again.
    constructor(address holder, uint256 supply)
        ERC20("Smart Layer Stake", "STK")
        ERC20Permit("Smart Layer Stake")
    {
        _mint(holder, supply);
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @dev Balances and votes move together.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
