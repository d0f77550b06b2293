// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchorElection} from "../interfaces/IAnchorElection.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {PenaltyBook} from "./PenaltyBook.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Cases about service levels: a quorum's findings, a delay, a veto
abstract contract ServiceCases is PenaltyBook {
    uint256 private constant LONGEST_URI = 512;

    IAnchorElection public immutable election;
    mapping(bytes32 caseId => ServiceCase found) private _cases;

    constructor(IAnchorElection election_) {
        election = election_;
    }

    /// @inheritdoc IDisputeManager
    function openCase(
        ServiceFinding calldata finding,
        string calldata evidenceUri,
        bytes32[] calldata r,
        bytes32[] calldata vs
    ) external returns (bytes32 caseId) {
        uint32 current = parameters.currentPeriod();
        _checkFinding(finding, current, bytes(evidenceUri).length);
        _checkMember(finding.node, finding.period);
        _checkFound(finding, r, vs);
        ServiceCase memory found = ServiceCase({
            node: finding.node,
            period: finding.period,
            fault: ServiceFault(finding.fault),
            status: CaseStatus.Open,
            share: _penaltiesNow().serviceLevel,
            executableAt: uint64(block.timestamp) + parameters.termsAt(current).withdrawalDelay,
            evidence: finding.evidence
        });
        caseId = caseIdOf(found.node, found.period, found.fault);
        CaseStatus status = _cases[caseId].status;
        if (status != CaseStatus.None) revert DisputeManager_CaseStatus(caseId, status);

        _cases[caseId] = found;

        _tell(caseId, found, evidenceUri);
    }

    /// @inheritdoc IDisputeManager
    function vetoCase(bytes32 caseId) external onlyOwner {
        ServiceCase storage found = _open(caseId);

        found.status = CaseStatus.Vetoed;

        emit CaseVetoed(caseId, found.node);
    }

    /// @inheritdoc IDisputeManager
    function executeCase(bytes32 caseId) external {
        ServiceCase storage found = _open(caseId);
        if (block.timestamp < found.executableAt) {
            revert DisputeManager_TooEarly(caseId, found.executableAt);
        }
        address node = found.node;

        found.status = CaseStatus.Executed;

        uint128 amount = _part(nodes.slashable(node), found.share);
        _punish(Offence.ServiceLevel, caseId, node, amount, address(0), address(0));
    }

    /// @inheritdoc IDisputeManager
    function caseOf(bytes32 caseId) external view returns (ServiceCase memory) {
        return _cases[caseId];
    }

    /// @inheritdoc IDisputeManager
    /// @dev By the node's number, so that a change of key is no second case.
    function caseIdOf(address node, uint32 period, ServiceFault fault) public view returns (bytes32) {
        return keccak256(abi.encode(Offence.ServiceLevel, nodes.numberOf(node), period, fault));
    }

    function _open(bytes32 caseId) private view returns (ServiceCase storage found) {
        found = _cases[caseId];
        if (found.status != CaseStatus.Open) revert DisputeManager_CaseStatus(caseId, found.status);
    }

    function _tell(bytes32 caseId, ServiceCase memory found, string calldata evidenceUri) private {
        emit CaseOpened(
            caseId, found.node, found.period, found.fault, found.evidence, evidenceUri, found.executableAt
        );
    }

    function _checkFinding(ServiceFinding calldata finding, uint32 current, uint256 uriLength) private pure {
        if (finding.period > current || current - finding.period > 1) {
            revert DisputeManager_PeriodOutOfReach(finding.period, current);
        }
        bool known = finding.fault <= uint8(type(ServiceFault).max);
        if (!known || finding.evidence == 0 || uriLength == 0 || uriLength > LONGEST_URI) {
            revert DisputeManager_FindingInvalid(finding.fault, finding.evidence, uriLength);
        }
    }

    /// @dev Whoever registered later did not serve in the period, and cannot have fallen short.
    function _checkMember(address key, uint32 period) private view {
        _checkNode(key);
        address keyThen = nodes.keyAt(nodes.numberOf(key), period);
        if (nodes.numberAt(keyThen, period) == 0) revert DisputeManager_UnknownNode(key);
    }

    /// @dev Only as many signatures are looked at as are needed.
    function _checkFound(ServiceFinding calldata finding, bytes32[] calldata r, bytes32[] calldata vs)
        private
        view
    {
        address[] memory anchors = election.activeAnchors(finding.period);
        uint256 needed = anchors.length * 2 / 3 + 1;
        uint256 count = r.length < vs.length ? r.length : vs.length;
        if (count < needed) revert DisputeManager_TooFewAnchors(count, needed);
        bytes32 digest =
            MessageHashes.digest(MessageHashes.domainSeparator(nodes.hub()), MessageHashes.hash(finding));
        address last;
        for (uint256 i; i < needed; ++i) {
            (address signer,,) = ECDSA.tryRecover(digest, r[i], vs[i]);
            if (signer <= last || signer == finding.node || !_among(anchors, signer)) {
                revert DisputeManager_AnchorInvalid(i, signer);
            }
            last = signer;
        }
    }

    function _among(address[] memory anchors, address signer) private pure returns (bool) {
        for (uint256 i; i < anchors.length; ++i) {
            if (anchors[i] == signer) return true;
        }
        return false;
    }
}
