// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {Delegated} from "./Delegated.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title What an owner lets a session key sign for
/// @dev Part of the hub's extension; see {IChannelHub}. A lower cap never touches a period that runs or
/// is still settled, in which others served under the higher one.
abstract contract Limits is Delegated {
    using SafeERC20 for IServiceToken;

    /// @notice See {IChannelHub-openLimited}.
    function openLimited(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        uint96 cap,
        uint32 until
    ) external delegated {
        _createChannel(signer, owner, anchor, amount);
        uint32 current = _checkExpiry(until);

        _limits[signer] = Limit(cap, cap, 0, until, 0);
        _channels[signer].word = _channels[signer].word.withSpecialKeys();

        emit SignerLimited(signer, cap, current, until);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice See {IChannelHub-limitSigner}.
    function limitSigner(address signer, uint96 cap, uint32 until) external {
        address name = _successions[signer].channel;
        ChannelState storage channel = _ownedChannel(name == address(0) ? signer : name);
        uint32 current = _checkExpiry(until);
        Limit memory limit = _limits[signer];
        bool passed = limit.nextFrom != 0 && limit.nextFrom <= current;
        uint32 from = current;
        if (_width(cap) >= _width(_capAt(signer, current))) {
            if (!passed) (limit.cap, limit.nextFrom) = (cap, 0);
        } else {
            if (passed) _checkSettledBefore(signer, limit.nextFrom);
            if (passed) (limit.cap, limit.since) = (limit.nextCap, limit.nextFrom);
            from = limit.nextFrom = current + 1;
        }
        (limit.nextCap, limit.until) = (cap, until);

        _limits[signer] = limit;
        channel.word = channel.word.withSpecialKeys();

        emit SignerLimited(signer, cap, from, until);
    }

    /// @dev No cap is the widest.
    function _width(uint96 cap) private pure returns (uint256) {
        return cap == 0 ? type(uint256).max : cap;
    }

    function _checkExpiry(uint32 until) private view returns (uint32 current) {
        current = parameters.currentPeriod();
        if (until != 0 && until <= current) revert ChannelHub_ExpiryInvalid(until, current);
    }

    /// @dev Every window of the periods before `changed` is over.
    function _checkSettledBefore(address signer, uint32 changed) private view {
        uint64 freeAt = parameters.windowsOf(changed - 1).directUntil;
        if (block.timestamp < freeAt) revert ChannelHub_LimitPending(signer, freeAt);
    }
}
