// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title How the gross of a lane is split
/// @notice Of gross G: protocol = ceil(G * p), of which floor(protocol * b) is burnt and the rest is
/// the treasury's; anchor = floor(G * a); issuer = floor(G * s); the node gets what is left. Shares
/// are in basis points; p + a + s is at most 45 % by the bounds of the parameters, so for one unit
/// of gross the protocol takes it and nothing is left, and never less than nothing.
library Splits {
    uint256 internal constant BASIS_POINTS = 10_000;

    struct Split {
        uint128 treasury;
        uint128 burnt;
        uint128 anchor;
        uint128 issuer;
        uint128 node;
    }

    /// @notice Split `gross`; the five parts sum to it exactly. Requirements: the shares lie within
    /// the bounds of the parameters, 5 %, 100 %, 10 % and 30 %.
    function split(
        uint128 gross,
        uint16 protocolShare,
        uint16 burnShare,
        uint16 anchorShare,
        uint16 issuerShare
    ) internal pure returns (Split memory parts) {
        // Products stay below 2^144; each part is at most the gross, so no cast cuts any; and the
        // shares' bounds leave something to the node, or nothing where the gross is one unit.
        unchecked {
            uint256 total = gross;
            uint256 protocol = (total * protocolShare + BASIS_POINTS - 1) / BASIS_POINTS;
            uint256 burnt = protocol * burnShare / BASIS_POINTS;
            uint256 anchor = total * anchorShare / BASIS_POINTS;
            uint256 issuer = total * issuerShare / BASIS_POINTS;
            parts.burnt = uint128(burnt);
            parts.treasury = uint128(protocol - burnt);
            parts.anchor = uint128(anchor);
            parts.issuer = uint128(issuer);
            parts.node = uint128(total - protocol - anchor - issuer);
        }
    }
}
