// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IVotingPower} from "../interfaces/IVotingPower.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {IERC5805} from "@openzeppelin/contracts/interfaces/IERC5805.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Voting power
/// @notice See {IVotingPower}. This is what the governor and the election of anchors count.
/// @dev Staked votes can be delegated here as the token's can be there ({delegate},
/// {delegateBySig}); who never did votes itself.
contract VotingPower is IVotingPower, Votes {
    IERC5805 public immutable stakeToken;
    address private immutable _founder;

    address public registry;
    /// @inheritdoc IVotingPower
    mapping(address account => uint256 amount) public stakedBy;

    constructor(address owner_, IERC5805 stakeToken_) EIP712("Smart Layer Votes", "1") {
        _founder = owner_;
        stakeToken = stakeToken_;
    }

    /// @inheritdoc IVotingPower
    function move(address from, address to, uint256 amount) external {
        if (msg.sender != registry) revert VotingPower_NotRegistry(msg.sender);
        if (from != address(0)) stakedBy[from] -= amount;
        if (to != address(0)) stakedBy[to] += amount;
        _transferVotingUnits(from, to, amount);
    }

    /// @inheritdoc IVotingPower
    function setRegistry(address registry_) external {
        if (msg.sender != _founder || registry != address(0)) revert VotingPower_NotFounder(msg.sender);
        registry = registry_;
        emit RegistrySet(registry_);
    }

    /// @inheritdoc Votes
    function getVotes(address account) public view override returns (uint256) {
        return super.getVotes(account) + stakeToken.getVotes(account);
    }

    /// @inheritdoc Votes
    function getPastVotes(address account, uint256 timepoint) public view override returns (uint256) {
        return super.getPastVotes(account, timepoint) + stakeToken.getPastVotes(account, timepoint);
    }

    /// @inheritdoc Votes
    /// @dev Staked tokens are part of the token's supply already.
    function getPastTotalSupply(uint256 timepoint) public view override returns (uint256) {
        return stakeToken.getPastTotalSupply(timepoint);
    }

    /// @inheritdoc Votes
    function delegates(address account) public view override returns (address) {
        address chosen = super.delegates(account);
        return chosen == address(0) ? account : chosen;
    }

    /// @inheritdoc Votes
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @inheritdoc Votes
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @dev Delegating to nobody means to oneself: a vote never gets lost.
    function _delegate(address account, address delegatee) internal override {
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return stakedBy[account];
    }
}
