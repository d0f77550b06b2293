// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Dispute manager
/// @notice See {IDisputeManager}. The hub is the one that the registry names, which is also the
/// verifying contract of every message.
contract DisputeManager is IDisputeManager, Ownable2Step {
    uint256 private constant WHOLE = 10_000;
    uint256 private constant LEAST = 100;
    uint256 private constant MOST_REWARD = 2_000;
    uint256 private constant MOST = 5_000;
    /// @dev Burning is sending where nobody has a key.
    address private constant NOBODY = address(0xdEaD);

    INodeRegistry public immutable nodes;

    Penalties private _penalties;
    /// @inheritdoc IDisputeManager
    mapping(bytes32 caseId => bool punished) public isPunished;

    constructor(address owner_, INodeRegistry nodes_) Ownable(owner_) {
        nodes = nodes_;
        _penalties = Penalties({reward: 1_000, restitution: 4_000, equivocation: 1_000, overLeasing: 2_000});
        emit PenaltiesSet(_penalties);
    }

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
        _punishShare(Offence.ElectionEquivocation, caseId, culprit, _penalties.equivocation);
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
        _punishShare(Offence.JournalEquivocation, caseId, culprit, _penalties.equivocation);
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
        _punishShare(Offence.OverLeasing, caseId, anchor, _penalties.overLeasing);
    }

    /// @inheritdoc IDisputeManager
    function setPenalties(Penalties calldata penalties_) external onlyOwner {
        _bound("reward", penalties_.reward, LEAST, MOST_REWARD);
        _bound("restitution", penalties_.restitution, 0, MOST);
        _bound("equivocation", penalties_.equivocation, LEAST, MOST);
        _bound("overLeasing", penalties_.overLeasing, LEAST, MOST);

        _penalties = penalties_;

        emit PenaltiesSet(penalties_);
    }

    /// @inheritdoc IDisputeManager
    function penalties() external view returns (Penalties memory) {
        return _penalties;
    }

    function _punishShare(Offence offence, bytes32 caseId, address culprit, uint256 share) private {
        uint128 amount = uint128(uint256(nodes.slashable(culprit)) * share / WHOLE);
        _punish(offence, caseId, culprit, amount, msg.sender, address(0));
    }

    /// @dev The registry may have less than `amount` to take; what it pays then ends with the burnt
    /// part, as the reporter comes first and the victim second.
    function _punish(
        Offence offence,
        bytes32 caseId,
        address culprit,
        uint128 amount,
        address reporter,
        address victim
    ) private {
        if (isPunished[caseId]) revert DisputeManager_AlreadyPunished(caseId);
        isPunished[caseId] = true;

        uint128 reward = uint128(uint256(amount) * _penalties.reward / WHOLE);
        uint128 restitution =
            victim == address(0) ? 0 : uint128(uint256(amount) * _penalties.restitution / WHOLE);
        uint128 burnt = amount - reward - restitution;
        if (reward != 0) reward = nodes.slash(culprit, reward, reporter);
        if (restitution != 0) restitution = nodes.slash(culprit, restitution, victim);
        if (burnt != 0) burnt = nodes.slash(culprit, burnt, NOBODY);

        emit Punished(
            culprit, offence, caseId, reporter, victim, reward + restitution + burnt, reward, restitution
        );
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

    function _checkNode(address key) private view {
        if (key == address(0) || nodes.numberOf(key) == 0) revert DisputeManager_UnknownNode(key);
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

    function _bound(bytes32 penalty, uint256 value, uint256 minimum, uint256 maximum) private pure {
        if (value < minimum || value > maximum) {
            revert DisputeManager_OutOfBounds(penalty, value, minimum, maximum);
        }
    }
}
