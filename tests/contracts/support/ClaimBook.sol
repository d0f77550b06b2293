// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ChannelHub} from "../../../contracts/hub/ChannelHub.sol";
import {IChannelHubTypes} from "../../../contracts/interfaces/IChannelHub.sol";
import {Test, Vm} from "./Vm.sol";

/// @dev Keeps what lanes were paid directly, from the hub's events, as a node's own software does: all
/// of a node's period on page 0.
abstract contract ClaimBook is Test {
    bytes32 private constant CLAIMED =
        keccak256("DirectClaimed(address,address,uint32,bytes32,uint128,uint128)");

    mapping(address node => mapping(uint32 period => IChannelHubTypes.PaidLane[] lanes)) private _book;

    function theHub() internal view virtual returns (ChannelHub);

    /// @dev Claim, in order, on page 0; returns how many lanes were paid.
    function claimDirectly(address node, uint32 period, IChannelHubTypes.DirectClaimRow[] memory rows)
        internal
        returns (uint256 paid)
    {
        order(rows, node, period);
        vm.recordLogs();
        theHub().claimDirect(node, period, 0, _book[node][period], rows);
        return remember(node, period);
    }

    /// @dev Read what the last call paid.
    function remember(address node, uint32 period) internal returns (uint256 paid) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != CLAIMED) continue;
            (bytes32 tokenClass,, uint128 claimed) = abi.decode(logs[i].data, (bytes32, uint128, uint128));
            address signer = address(uint160(uint256(logs[i].topics[1])));
            write(node, period, laneId(signer, period, node, tokenClass), claimed);
            ++paid;
        }
    }

    function directClaimed(address signer, uint32 period, address node, bytes32 tokenClass)
        internal
        view
        returns (uint128)
    {
        bytes32 lane = laneId(signer, period, node, tokenClass);
        IChannelHubTypes.PaidLane[] storage lanes = _book[node][period];
        for (uint256 i; i < lanes.length; ++i) {
            if (lanes[i].lane == lane) return lanes[i].amount;
        }
        return 0;
    }

    function paidLanes(address node, uint32 period)
        internal
        view
        returns (IChannelHubTypes.PaidLane[] memory)
    {
        return _book[node][period];
    }

    function laneId(address signer, uint32 period, address node, bytes32 tokenClass)
        internal
        pure
        returns (bytes32)
    {
        bytes32 hash = keccak256(abi.encode(signer, period, node, tokenClass));
        return bytes32(bytes3(tokenClass)) | hash >> 24;
    }

    function order(IChannelHubTypes.DirectClaimRow[] memory rows, address node, uint32 period) internal pure {
        bytes32[] memory lanes = new bytes32[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            lanes[i] = laneId(rows[i].signer, period, node, rows[i].tokenClass);
            for (uint256 j = i; j > 0 && lanes[j] < lanes[j - 1]; --j) {
                (lanes[j], lanes[j - 1]) = (lanes[j - 1], lanes[j]);
                (rows[j], rows[j - 1]) = (rows[j - 1], rows[j]);
            }
        }
    }

    function write(address node, uint32 period, bytes32 lane, uint128 claimed) private {
        IChannelHubTypes.PaidLane[] storage lanes = _book[node][period];
        uint256 i;
        while (i < lanes.length && lanes[i].lane < lane) ++i;
        if (i < lanes.length && lanes[i].lane == lane) {
            lanes[i].amount = claimed;
            return;
        }
        lanes.push();
        for (uint256 j = lanes.length - 1; j > i; --j) {
            lanes[j] = lanes[j - 1];
        }
        lanes[i] = IChannelHubTypes.PaidLane(lane, claimed);
    }
}
