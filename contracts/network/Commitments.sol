// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchorElection} from "../interfaces/IAnchorElection.sol";
import {ICommitments} from "../interfaces/ICommitments.sol";
import {IParameters} from "../interfaces/IParameters.sol";

/// @title Commitments
/// @notice See {ICommitments}. It holds no money.
contract Commitments is ICommitments {
    uint32 private constant SHORTEST_SLOT = 4;

    IParameters public immutable parameters;
    IAnchorElection public immutable election;
    /// @inheritdoc ICommitments
    uint32 public immutable slotLength;
    /// @inheritdoc ICommitments
    uint32 public immutable patience;

    /// @inheritdoc ICommitments
    uint64 public lastSlot;
    mapping(uint64 slot => Root root) private _roots;

    constructor(IParameters parameters_, IAnchorElection election_, uint32 slotLength_, uint32 patience_) {
        if (slotLength_ < SHORTEST_SLOT || patience_ == 0 || patience_ > slotLength_) {
            revert Commitments_OutOfBounds(slotLength_, patience_);
        }
        parameters = parameters_;
        election = election_;
        slotLength = slotLength_;
        patience = patience_;
    }

    /// @inheritdoc ICommitments
    function post(bytes32 root, uint32 entries) external returns (uint64 slot) {
        if (root == 0 || entries == 0) revert Commitments_RootInvalid();
        address anchor;
        uint32 missed;
        (slot, anchor, missed) = _dutyAt(uint64(block.timestamp));
        if (_roots[slot].root != 0) revert Commitments_AlreadyPosted(slot);
        if (msg.sender != anchor) revert Commitments_NotOnDuty(msg.sender, anchor);

        _roots[slot] = Root(root, anchor, uint64(block.number), entries);
        lastSlot = slot;

        emit RootPosted(slot, anchor, root, entries, uint64(block.number), missed);
    }

    /// @inheritdoc ICommitments
    function dutyAt(uint64 timestamp) external view returns (uint64 slot, address anchor, uint32 missed) {
        return _dutyAt(timestamp);
    }

    /// @inheritdoc ICommitments
    function rootOf(uint64 slot) external view returns (Root memory) {
        return _roots[slot];
    }

    function _dutyAt(uint64 timestamp) private view returns (uint64 slot, address anchor, uint32 missed) {
        address[] memory anchors = election.activeAnchors(parameters.periodAt(timestamp));
        if (anchors.length == 0) revert Commitments_NoAnchors();
        uint64 elapsed = timestamp - parameters.genesis();
        slot = elapsed / slotLength;
        missed = uint32(elapsed % slotLength / patience);
        anchor = anchors[(slot + missed) % anchors.length];
    }
}
