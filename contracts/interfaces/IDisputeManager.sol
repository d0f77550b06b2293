// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ISmartLayerMessages} from "./ISmartLayerMessages.sol";

/// @title Verdicts
/// @notice Decides who is punished, on evidence that anyone can bring and everyone can check: the
/// culprit's own signatures. It never holds tokens; the node registry takes and pays. Each offence is
/// punished once. Of what is slashed the reporter gets a reward, the victim a restitution, and the
/// rest is burnt: all three bounded, so that nobody earns by reporting itself.
/// @dev Safety needs: the registry slashes at most the stake, thawing stake included; a node's key
/// signs no two messages that contradict each other. Liveness needs: somebody reports.
interface IDisputeManager is ISmartLayerMessages {
    /// @notice Shares in basis points: of what is slashed, `reward` and `restitution`; of the stake
    /// that can be slashed, what `equivocation` and `overLeasing` cost.
    struct Penalties {
        uint16 reward;
        uint16 restitution;
        uint16 equivocation;
        uint16 overLeasing;
    }

    /// @notice What was proved.
    enum Offence {
        PaymentFraud,
        ElectionEquivocation,
        JournalEquivocation,
        OverLeasing
    }

    /// @notice An anchor's promise to one node in a channel-period: an Acknowledgement with a compact
    /// signature (EIP-2098). Signer and period are the call's.
    struct Lease {
        address node;
        bytes32 tokenClass;
        uint128 acknowledged;
        uint128 leaseCap;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice `culprit` lost `slashed`; `reward` and `restitution` of it were paid, the rest burnt.
    /// `victim` is zero where the offence has no single one.
    event Punished(
        address indexed culprit,
        Offence indexed offence,
        bytes32 indexed caseId,
        address reporter,
        address victim,
        uint128 slashed,
        uint128 reward,
        uint128 restitution
    );
    /// @notice The penalties changed.
    event PenaltiesSet(Penalties penalties);

    /// @notice Only the hub may bring its verdicts.
    error DisputeManager_NotHub(address caller);
    /// @notice The signature `index` is not `account`'s for this message.
    error DisputeManager_SignatureInvalid(uint256 index, address account);
    /// @notice Both messages are the same, or do not stand in the same place: no contradiction.
    error DisputeManager_NoContradiction();
    /// @notice Nobody registered this key, so that nothing can be slashed.
    error DisputeManager_UnknownNode(address key);
    /// @notice The offence was punished already.
    error DisputeManager_AlreadyPunished(bytes32 caseId);
    /// @notice Leases are named once each, ordered by node and then class; the one at `index` is not.
    error DisputeManager_LeasesUnordered(uint256 index);
    /// @notice The leases sum to `leased`, which the channel's `held` covers.
    error DisputeManager_Covered(uint256 leased, uint256 held);
    /// @notice What the channel held in the period is not known any more.
    error DisputeManager_HeldUnknown(address signer, uint32 period);
    /// @notice `value` of `penalty` lies outside its hard bounds.
    error DisputeManager_OutOfBounds(bytes32 penalty, uint256 value, uint256 minimum, uint256 maximum);

    /// @notice Slash a bond that the hub forfeits. The restitution is the underpaid node's.
    /// @dev Emits: {Punished}.
    ///
    /// Requirements:
    /// - the caller is the hub;
    /// - the anchor was not punished for this period already.
    function punishFraud(address anchor, uint32 period, uint128 bond, address challenger, address node)
        external;

    /// @notice Punish an anchor that voted twice on one fence (token, version, attempt); anyone may.
    /// @dev Emits: {Punished}.
    ///
    /// Requirements:
    /// - both votes name the same token, version and attempt, and differ in what else they say;
    /// - one registered node signed both;
    /// - it was not punished for this fence already.
    function punishElection(
        ElectionVote calldata first,
        bytes calldata firstSignature,
        ElectionVote calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Punish an executor that wrote two entries on one index under one fence; anyone may.
    /// @dev Emits: {Punished}.
    ///
    /// Requirements:
    /// - both entries name the same token, version, leaseVersion, attempt and executor, and differ in
    ///   what else they say;
    /// - the executor is registered and signed both;
    /// - it was not punished for this place already.
    function punishJournal(
        JournalEntry calldata first,
        bytes calldata firstSignature,
        JournalEntry calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Punish an anchor that leased more of a channel than it ever held; anyone may. An anchor
    /// never takes a lease back, so all that it signed for one period stands together.
    /// @dev Emits: {Punished}. `held` is {IChannelHub-heldIn}, which errs in the anchor's favour.
    ///
    /// Requirements:
    /// - leases are ordered by node and class, each once;
    /// - `anchor` is registered, and signed the Acknowledgement of each;
    /// - what the channel held in `period` is still known;
    /// - their leaseCaps sum to more than that;
    /// - the anchor was not punished for this channel and period already.
    function punishOverLeasing(address anchor, address signer, uint32 period, Lease[] calldata leases)
        external;

    /// @notice Change the penalties.
    /// @dev Emits: {PenaltiesSet}.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - every penalty lies within its hard bounds: reward 1 to 20 %, restitution 0 to 50 %,
    ///   equivocation and overLeasing 1 to 50 %.
    function setPenalties(Penalties calldata penalties_) external;

    /// @notice The penalties that hold.
    function penalties() external view returns (Penalties memory);

    /// @notice Whether this case was punished.
    function isPunished(bytes32 caseId) external view returns (bool);
}
