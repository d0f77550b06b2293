// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHubTypes} from "../interfaces/IChannelHub.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {MerkleSum} from "./MerkleSum.sol";
import {MessageHashes} from "./MessageHashes.sol";
import {Splits} from "./Splits.sol";

/// @title The libraries, callable
/// @notice Shows what the libraries compute, so that other languages can be compared with them. It
/// holds nothing, and nothing depends on it.
contract MessageHashesLens is ISmartLayerMessages {
    /// @notice The domain separator of the hub at `hub` on this chain.
    function domainSeparator(address hub) public view returns (bytes32) {
        return MessageHashes.domainSeparator(hub);
    }

    /// @notice The digest of a Voucher for `hub`.
    function hashVoucher(address hub, Voucher calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of an Acknowledgement for `hub`.
    function hashAcknowledgement(address hub, Acknowledgement calldata message)
        external
        view
        returns (bytes32)
    {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a Statement for `hub`.
    function hashStatement(address hub, Statement calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a Close for `hub`.
    function hashClose(address hub, Close calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a KeyProof for `hub`.
    function hashKeyProof(address hub, KeyProof calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of an UptimeAcknowledgement for `hub`.
    function hashUptimeAcknowledgement(address hub, UptimeAcknowledgement calldata message)
        external
        view
        returns (bytes32)
    {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a ClassClaim for `hub`.
    function hashClassClaim(address hub, ClassClaim calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a ServiceFinding for `hub`.
    function hashServiceFinding(address hub, ServiceFinding calldata message)
        external
        view
        returns (bytes32)
    {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of an ElectionVote for `hub`.
    function hashElectionVote(address hub, ElectionVote calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The digest of a JournalEntry for `hub`.
    function hashJournalEntry(address hub, JournalEntry calldata message) external view returns (bytes32) {
        return _digest(hub, MessageHashes.hash(message));
    }

    /// @notice The leaf of a payout.
    function payoutLeaf(address account, uint128 amount) external pure returns (bytes32) {
        return MerkleSum.payoutLeaf(account, amount);
    }

    /// @notice The leaf of a lane in a Statement's vouchersRoot.
    function laneLeaf(address node, bytes32 tokenClass, uint128 amount) external pure returns (bytes32) {
        return MerkleSum.laneLeaf(node, tokenClass, amount);
    }

    /// @notice The inner node over two others.
    function parentNode(bytes32 leftHash, uint128 leftSum, bytes32 rightHash, uint128 rightSum)
        external
        pure
        returns (bytes32)
    {
        return MerkleSum.parent(leftHash, leftSum, rightHash, rightSum);
    }

    /// @notice Whether a range of payouts lies at `firstIndex` in a tree with `leafCount` leaves.
    function verifyRange(
        uint32 firstIndex,
        uint32 leafCount,
        IChannelHubTypes.Payout[] calldata payouts,
        IChannelHubTypes.ProofNode[] calldata siblings,
        bytes32 root,
        uint128 sum
    ) external pure returns (bool) {
        return MerkleSum.verify(payouts, firstIndex, leafCount, siblings, root, sum);
    }

    /// @notice The parts of `gross` under the given shares (basis points).
    function split(
        uint128 gross,
        uint16 protocolShare,
        uint16 burnShare,
        uint16 anchorShare,
        uint16 issuerShare
    ) external pure returns (Splits.Split memory) {
        return Splits.split(gross, protocolShare, burnShare, anchorShare, issuerShare);
    }

    function _digest(address hub, bytes32 structHash) private view returns (bytes32) {
        return MessageHashes.digest(MessageHashes.domainSeparator(hub), structHash);
    }
}
