// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ISmartLayerMessages} from "./ISmartLayerMessages.sol";

/// @title Verdicts
/// @notice Decides who is punished, on evidence that anyone can bring and everyone can check: the
/// culprit's own signatures. It never holds tokens; the node registry takes and pays. Each offence is
/// punished once. Of what is slashed the reporter gets a reward, the victims a restitution, and the
/// rest is burnt: all three bounded, so that nobody earns by reporting itself.
///
/// Service levels have no such proof: they are what anchors measured. A case needs the findings of
/// more than two thirds of a period's active anchors over one published bundle of evidence, waits as
/// long as a withdrawal does, and ends at once where governance vetoes it. Those who find gain
/// nothing: all that is slashed is burnt.
/// @dev Safety needs: the registry slashes at most the stake, thawing stake included; a node's key
/// signs no two messages that contradict each other; of a period's active anchors at most two thirds
/// find together what is not so, or voters veto in time. Liveness needs: somebody reports.
interface IDisputeManager is ISmartLayerMessages {
    /// @notice Shares in basis points: of what is slashed, `reward` and `restitution`; of the stake
    /// that can be slashed, what `equivocation`, `overLeasing` and a case of `serviceLevel` cost.
    struct Penalties {
        uint16 reward;
        uint16 restitution;
        uint16 equivocation;
        uint16 overLeasing;
        uint16 serviceLevel;
    }

    /// @notice What was proved.
    enum Offence {
        PaymentFraud,
        ElectionEquivocation,
        JournalEquivocation,
        OverLeasing,
        ServiceLevel
    }

    /// @notice In what a node fell short of its service level: it did not answer, answered late, gave
    /// answers that re-execution disproves, or left its actions to the anchors.
    enum ServiceFault {
        Unavailable,
        Slow,
        WrongAnswers,
        FailedActions
    }

    /// @notice Where a case stands.
    enum CaseStatus {
        None,
        Open,
        Vetoed,
        Executed
    }

    /// @notice A case as it stands: `share` (basis points of the slashable stake) was fixed when it
    /// was opened.
    struct ServiceCase {
        address node;
        uint32 period;
        ServiceFault fault;
        CaseStatus status;
        uint16 share;
        uint64 executableAt;
        bytes32 evidence;
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
    /// @notice Of what an over-leasing anchor lost, `amount` went to the payout account of a node that
    /// it leased to.
    event NodeCompensated(bytes32 indexed caseId, address indexed node, address payout, uint128 amount);
    /// @notice New penalties were scheduled; they hold from `fromPeriod` on.
    event PenaltiesScheduled(uint32 indexed fromPeriod, Penalties penalties);
    /// @notice Anchors found that a node fell short; the bundle at `evidenceUri` has the hash `evidence`.
    event CaseOpened(
        bytes32 indexed caseId,
        address indexed node,
        uint32 period,
        ServiceFault fault,
        bytes32 evidence,
        string evidenceUri,
        uint64 executableAt
    );
    /// @notice Governance ended a case; it cannot be opened again.
    event CaseVetoed(bytes32 indexed caseId, address indexed node);

    /// @notice Only the hub may bring its verdicts.
    error DisputeManager_NotHub(address caller);
    /// @notice The signature `index` is not `account`'s for this message.
    error DisputeManager_SignatureInvalid(uint256 index, address account);
    /// @notice Both messages are the same, or do not stand in the same place: no contradiction.
    error DisputeManager_NoContradiction();
    /// @notice Nobody registered this key, or not before the period in question was over, so that
    /// nothing can be slashed.
    error DisputeManager_UnknownNode(address key);
    /// @notice The offence was punished already.
    error DisputeManager_AlreadyPunished(bytes32 caseId);
    /// @notice Leases are named once each, ordered by node and then class; the one at `index` is not.
    error DisputeManager_LeasesUnordered(uint256 index);
    /// @notice The leases sum to `leased`, which the channel's `held` covers.
    error DisputeManager_Covered(uint256 leased, uint256 held);
    /// @notice What the channel held in the period is not known any more.
    error DisputeManager_HeldUnknown(address signer, uint32 period);
    /// @notice A finding is about the running period or the one before it, not about `period`.
    error DisputeManager_PeriodOutOfReach(uint32 period, uint32 current);
    /// @notice No such fault, no evidence, or its address has not 1 to 512 bytes.
    error DisputeManager_FindingInvalid(uint8 fault, bytes32 evidence, uint256 uriLength);
    /// @notice `signer` is no active anchor of the period, is the accused, or is out of order.
    error DisputeManager_AnchorInvalid(uint256 index, address signer);
    /// @notice Too few anchors found the same.
    error DisputeManager_TooFewAnchors(uint256 signatures, uint256 needed);
    /// @notice The case is not in the state that this needs.
    error DisputeManager_CaseStatus(bytes32 caseId, CaseStatus status);
    /// @notice The case can be executed from `executableAt` on.
    error DisputeManager_TooEarly(bytes32 caseId, uint64 executableAt);
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
    /// The restitution, at most what the leases lack, is shared among the nodes that are named, in
    /// proportion to their leases: each stands to lose that part of what it serves.
    /// @dev Emits: {NodeCompensated} for each node, {Punished}. `held` is {IChannelHub-heldIn}, which
    /// errs in the anchor's favour. A unit of stake counts as a unit of service, as it does in bonds.
    ///
    /// Requirements:
    /// - leases are ordered by node and class, each once;
    /// - `anchor` is registered, and signed the Acknowledgement of each;
    /// - what the channel held in `period` is still known;
    /// - their leaseCaps sum to more than that;
    /// - the anchor was not punished for this channel and period already.
    function punishOverLeasing(address anchor, address signer, uint32 period, Lease[] calldata leases)
        external;

    /// @notice Open a case: more than two thirds of the active anchors found that a node fell short in
    /// a period. Anyone may bring their compact signatures (EIP-2098) of one ServiceFinding.
    /// @dev Emits: {CaseOpened}. It can be executed after the withdrawal delay, in which stake that
    /// thaws stays where it is.
    ///
    /// Requirements:
    /// - the finding's period is the running one or the one before it;
    /// - its fault is a known one, its evidence not zero, `evidenceUri` has 1 to 512 bytes;
    /// - the node is registered, and was in that period;
    /// - active anchors of the period signed it, two thirds of them rounded down and one more, in
    ///   ascending order of their keys, the accused not among them;
    /// - no case was opened about this node, period and fault.
    function openCase(
        ServiceFinding calldata finding,
        string calldata evidenceUri,
        bytes32[] calldata r,
        bytes32[] calldata vs
    ) external returns (bytes32 caseId);

    /// @notice End a case without a punishment.
    /// @dev Emits: {CaseVetoed}. Requirements: the caller is the owner; the case is open.
    function vetoCase(bytes32 caseId) external;

    /// @notice Punish the node of a case that nobody vetoed; anyone may.
    /// @dev Emits: {Punished}.
    ///
    /// Requirements:
    /// - the case is open;
    /// - its time has come.
    function executeCase(bytes32 caseId) external;

    /// @notice Schedule new penalties; they hold from the period after the next one.
    /// @dev Emits: {PenaltiesScheduled}. Those scheduled earlier for the same period are replaced.
    ///
    /// Requirements:
    /// - the caller is the owner;
    /// - every penalty lies within its hard bounds: reward 1 to 20 %, restitution 0 to 50 %,
    ///   equivocation and overLeasing 1 to 50 %, serviceLevel 0.1 to 10 %.
    function schedulePenalties(Penalties calldata penalties_) external returns (uint32 fromPeriod);

    /// @notice The penalties that hold now.
    function penalties() external view returns (Penalties memory);

    /// @notice The penalties that hold in `period`.
    function penaltiesAt(uint32 period) external view returns (Penalties memory);

    /// @notice A case about a service level; its status is None where there is none.
    function caseOf(bytes32 caseId) external view returns (ServiceCase memory);

    /// @notice The id of the case about a node, a period and a fault.
    function caseIdOf(address node, uint32 period, ServiceFault fault) external view returns (bytes32);

    /// @notice Whether this case was punished.
    function isPunished(bytes32 caseId) external view returns (bool);
}
