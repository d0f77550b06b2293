// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchorElection} from "../interfaces/IAnchorElection.sol";
import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {PenaltyBook} from "./PenaltyBook.sol";
import {ServiceCases} from "./ServiceCases.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Dispute manager
/// @notice See {IDisputeManager}. The hub is the one that the registry names, which is also the
/// verifying contract of every message.
contract DisputeManager is ServiceCases {
    constructor(address owner_, INodeRegistry nodes_, IParameters parameters_, IAnchorElection election_)
        Ownable(owner_)
        PenaltyBook(nodes_, parameters_)
        ServiceCases(election_)
    {}

    /// @inheritdoc IDisputeManager
    function punishFraud(address anchor, uint32 period, uint128 bond, address challenger, address node)
        external
    {
        if (msg.sender != nodes.hub()) revert DisputeManager_NotHub(msg.sender);
        bytes32 caseId = keccak256(abi.encode(Offence.PaymentFraud, anchor, period));
        address victim = node == address(0) ? address(0) : nodes.payoutAt(node, period);
        _punish(Offence.PaymentFraud, caseId, anchor, bond, challenger, victim);
    }

    /// @inheritdoc IDisputeManager
    function punishElection(
        ElectionVote calldata first,
        bytes calldata firstSignature,
        ElectionVote calldata second,
        bytes calldata secondSignature
    ) external {
        bytes32 firstHash = MessageHashes.hash(first);
        bytes32 secondHash = MessageHashes.hash(second);
        if (
            firstHash == secondHash || first.token != second.token || first.version != second.version
                || first.attempt != second.attempt
        ) revert DisputeManager_NoContradiction();
        address culprit = _signer(firstHash, firstSignature);
        _checkNode(culprit);
        if (_signer(secondHash, secondSignature) != culprit) {
            revert DisputeManager_SignatureInvalid(1, culprit);
        }

        bytes32 caseId = keccak256(
            abi.encode(Offence.ElectionEquivocation, culprit, first.token, first.version, first.attempt)
        );
        _punishEquivocation(Offence.ElectionEquivocation, caseId, culprit);
    }

    /// @inheritdoc IDisputeManager
    function punishJournal(
        JournalEntry calldata first,
        bytes calldata firstSignature,
        JournalEntry calldata second,
        bytes calldata secondSignature
    ) external {
        bytes32 firstHash = MessageHashes.hash(first);
        bytes32 secondHash = MessageHashes.hash(second);
        bytes32 place = _placeOf(first);
        if (firstHash == secondHash || place != _placeOf(second)) revert DisputeManager_NoContradiction();
        address culprit = first.executor;
        _checkNode(culprit);
        if (_signer(firstHash, firstSignature) != culprit) {
            revert DisputeManager_SignatureInvalid(0, culprit);
        }
        if (_signer(secondHash, secondSignature) != culprit) {
            revert DisputeManager_SignatureInvalid(1, culprit);
        }

        bytes32 caseId = keccak256(abi.encode(Offence.JournalEquivocation, place));
        _punishEquivocation(Offence.JournalEquivocation, caseId, culprit);
    }

    /// @inheritdoc IDisputeManager
    function punishOverLeasing(address anchor, address signer, uint32 period, Lease[] calldata leases)
        external
    {
        _checkNode(anchor);
        uint256 leased = _leased(anchor, signer, period, leases);
        uint256 held = IChannelHub(nodes.hub()).heldIn(signer, period);
        if (held == 0) revert DisputeManager_HeldUnknown(signer, period);
        if (leased <= held) revert DisputeManager_Covered(leased, held);

        bytes32 caseId = keccak256(abi.encode(Offence.OverLeasing, anchor, signer, period));
        _punishLeases(caseId, anchor, period, leases, leased, held);
    }

    function _punishEquivocation(Offence offence, bytes32 caseId, address culprit) private {
        uint128 amount = _part(nodes.slashable(culprit), _penaltiesNow().equivocation);
        _punish(offence, caseId, culprit, amount, msg.sender, address(0));
    }

    function _leased(address anchor, address signer, uint32 period, Lease[] calldata leases)
        private
        view
        returns (uint256 leased)
    {
        bytes32 separator = MessageHashes.domainSeparator(nodes.hub());
        for (uint256 i; i < leases.length; ++i) {
            Lease calldata lease = leases[i];
            if (i != 0 && !_ascend(leases[i - 1], lease)) revert DisputeManager_LeasesUnordered(i);
            bytes32 digest = MessageHashes.digest(
                separator,
                MessageHashes.hash(
                    Acknowledgement(
                        signer, period, lease.node, lease.tokenClass, lease.acknowledged, lease.leaseCap
                    )
                )
            );
            (address by,,) = ECDSA.tryRecover(digest, lease.r, lease.vs);
            if (by != anchor) {
                revert DisputeManager_SignatureInvalid(i, anchor);
            }
            leased += lease.leaseCap;
        }
    }

    function _signer(bytes32 structHash, bytes calldata signature) private view returns (address signer) {
        bytes32 digest = MessageHashes.digest(MessageHashes.domainSeparator(nodes.hub()), structHash);
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }

    function _placeOf(JournalEntry calldata entry) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(entry.executor, entry.token, entry.version, entry.leaseVersion, entry.attempt)
            );
    }

    function _ascend(Lease calldata lower, Lease calldata upper) private pure returns (bool) {
        if (lower.node != upper.node) return lower.node < upper.node;
        return lower.tokenClass < upper.tokenClass;
    }
}
