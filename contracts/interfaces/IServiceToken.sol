// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title The Service Token beyond ERC-20
/// @notice All payments are made in it. New tokens are minted by one minter, within a rate per year
/// that is fixed at construction; anyone may burn their own.
interface IServiceToken is IERC20 {
    /// @notice The account that may mint changed; zero means nobody.
    event MinterChanged(address indexed minter);
    /// @notice `amount` was minted in year `year` of the token; `mintedInYear` is that year's sum.
    event Minted(address indexed to, uint256 amount, uint256 indexed year, uint256 mintedInYear);

    /// @notice Only the minter may mint.
    error ServiceToken_NotMinter(address caller);
    /// @notice The year's allowance does not cover the amount.
    error ServiceToken_RateExceeded(uint256 amount, uint256 available);
    /// @notice The supply would pass 2^96 - 1, the width of balances in the hub.
    error ServiceToken_SupplyTooLarge(uint256 supply, uint256 maximum);
    /// @notice The yearly rate is above the hard bound.
    error ServiceToken_RateTooHigh(uint16 rate, uint16 maximum);

    /// @notice Mint new tokens.
    /// @dev Emits: {Minted}, Transfer.
    ///
    /// Requirements:
    /// - the caller is the minter;
    /// - the year's allowance, `yearlyRate` of the supply at the year's first mint, covers `amount`;
    /// - the supply stays below 2^96.
    function mint(address to, uint256 amount) external;

    /// @notice Name the account that may mint.
    /// @dev Emits: {MinterChanged}. Requirements: the caller is the owner.
    function setMinter(address minter_) external;

    /// @notice Burn the caller's own tokens.
    /// @dev Emits: Transfer. Requirements: the caller has them.
    function burn(uint256 amount) external;

    /// @notice The account that may mint, zero where nobody may.
    function minter() external view returns (address);

    /// @notice The part of the supply that may be minted in a year, in basis points.
    function yearlyRate() external view returns (uint16);

    /// @notice What may still be minted this year.
    function mintable() external view returns (uint256);
}
