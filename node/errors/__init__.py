"""The node's half of the error tree; ``settlement.errors`` draws the upper half.

::

    SmartLayerError
    ├── PeerError
    │   ├── AccessError               grants and access lists (SL-3xxx)
    │   │   ├── GrantMissing              no grant came with the call
    │   │   ├── GrantExpired              its time is over
    │   │   ├── GrantNotForYou            another token or integration
    │   │   ├── GrantForged               not signed by the holder
    │   │   ├── GrantInterface            another interface
    │   │   ├── GrantRevoked              the holder withdrew it
    │   │   ├── InterfaceUnknown          no such read
    │   │   ├── PaymentMissing            no voucher
    │   │   ├── RentSuspended             nobody pays the class's rent
    │   │   ├── ReadFailed                no result
    │   │   └── FailuresUsedUp            too many without a result
    │   ├── TokenScriptError          a script that cannot be trusted or read (SL-4000 to SL-4199)
    │   │   ├── ScriptUnsafe              too large, too deep, DOCTYPE, entity, placeholder
    │   │   ├── ScriptUnsigned            no signature where one is needed
    │   │   ├── ScriptSignatureInvalid    altered, wrapped, or signed in a form that is refused
    │   │   ├── ScriptInvalid             well-formed, yet not a script of the language
    │   │   ├── ScriptUnfinished          a build placeholder has no value
    │   │   ├── ScriptHashWrong           not the bytes whose hash is on chain
    │   │   ├── ScriptSignerWrong         signed by another account than the issuer
    │   │   ├── ServicePartMissing        nothing in it for the network to run
    │   │   ├── AttributeFailed           an attribute's call or value cannot be made
    │   │   └── FilterInvalid             a selection cannot be read or evaluated
    │   ├── AttestationError          EAS attestations (SL-4200 to SL-4299)
    │   │   ├── AttestationMalformed      its JSON, its fields or its data cannot be read
    │   │   ├── AttestationForged         the signature or the UID is not of these contents
    │   │   ├── AttestationExpired        its time of validity is over or has not begun
    │   │   ├── AttestationRevoked        its attester withdrew it
    │   │   ├── AttestationWrongSchema    another schema than the script asks for
    │   │   └── AttestationWrongAttester  another attester than the script asks for
    │   └── NetworkError              links, members, placement, election, journal (SL-5xxx)
    │       ├── FrameInvalid              bytes that are not a frame
    │       ├── TokenUnknown              not registered, not placed, or not held here
    │       ├── PeerUnreachable           no link, or no reply in time
    │       ├── PeerRefused               a peer's typed refusal
    │       ├── NotCanonical              JSON in another form than RFC 8785
    │       ├── ProofInvalid              a Merkle proof leads elsewhere
    │       ├── SignerUnknown             a signer without the role
    │       ├── PlacementInvalid          not what seed and members give
    │       ├── TooFewNodes               fewer nodes than replicas
    │       ├── FailureUnproven           fewer than f + 1 anchors
    │       ├── AnswerInvalid             not borne out by its proofs
    │       ├── ElectionError             votes and leases
    │       │   ├── NotElected            another winner
    │       │   ├── WrongWindow           not the attempt of now
    │       │   ├── WindowClosing         too little time left
    │       │   ├── TriggerUnknown        not in the log
    │       │   ├── TriggerTimeWrong      in the future, or another
    │       │   ├── TriggerTooOld         too many windows ago
    │       │   ├── FenceTooLow           a newer lease was seen
    │       │   ├── LeaseHeld             another's window is open
    │       │   ├── AlreadyVoted          one vote on a fence
    │       │   ├── CertificateInvalid    no quorum of votes
    │       │   └── VersionUnproven       no commit shows it
    │       ├── FeedError                 attesters' feeds
    │       │   ├── FeedEntryInvalid      not its attester's
    │       │   ├── FeedFrozen            after a fork
    │       │   ├── FeedUnwanted          nobody who pays rent subscribes
    │       │   ├── FeedLimitReached      too many feeds, or entries in a minute
    │       │   └── ForkUnproven          no fork
    │       └── JournalError              tokens' journals
    │           ├── InputInvalid          unreadable
    │           ├── InputNotDeclared      not asked for by the script
    │           ├── InputStale            had its turn
    │           ├── InputOutOfOrder       leaves out an earlier one
    │           ├── QueueFull             too many wait
    │           ├── NotActive             not held here
    │           ├── LeaseMissing          may not write now
    │           ├── BaseMoved             ran on an older state
    │           ├── JournalBehind         earlier entries missing
    │           ├── AlreadyCommitted      nothing to do
    │           ├── ProposalInvalid       breaks lease, time or chain
    │           ├── EntryUnknown          not proposed now
    │           ├── CommitInvalid         no majority
    │           ├── RunDiffers            another outcome here
    │           └── ActionUnknown         not open, or not ours
    ├── SandboxError              a run of a script that gave no result (SL-6000 to SL-6499)
    │   └── RunFailed                 this node could not finish it; others may
    └── EffectError               an effect that was refused or failed (SL-6500 to SL-6999)
        └── EffectRefused             not on the script's signed list

Codes are stable: a program may act on them.
"""

from node.errors.access import (
    AccessError,
    FailuresUsedUp,
    GrantExpired,
    GrantForged,
    GrantInterface,
    GrantMissing,
    GrantNotForYou,
    GrantRevoked,
    InterfaceUnknown,
    PaymentMissing,
    ReadFailed,
    RentSuspended,
)
from node.errors.attestations import (
    AttestationError,
    AttestationExpired,
    AttestationForged,
    AttestationMalformed,
    AttestationRevoked,
    AttestationWrongAttester,
    AttestationWrongSchema,
)
from node.errors.election import (
    AlreadyVoted,
    CertificateInvalid,
    ElectionError,
    FenceTooLow,
    LeaseHeld,
    NotElected,
    TriggerTimeWrong,
    TriggerTooOld,
    TriggerUnknown,
    VersionUnproven,
    WindowClosing,
    WrongWindow,
)
from node.errors.feeds import (
    FeedEntryInvalid,
    FeedError,
    FeedFrozen,
    FeedLimitReached,
    FeedUnwanted,
    ForkUnproven,
)
from node.errors.journal import (
    ActionUnknown,
    AlreadyCommitted,
    BaseMoved,
    CommitInvalid,
    EntryUnknown,
    InputInvalid,
    InputNotDeclared,
    InputOutOfOrder,
    InputStale,
    JournalBehind,
    JournalError,
    LeaseMissing,
    NotActive,
    ProposalInvalid,
    QueueFull,
    RunDiffers,
)
from node.errors.network import (
    AnswerInvalid,
    FailureUnproven,
    FrameInvalid,
    NetworkError,
    NotCanonical,
    PeerRefused,
    PeerUnreachable,
    PlacementInvalid,
    ProofInvalid,
    SignerUnknown,
    TokenUnknown,
    TooFewNodes,
)
from node.errors.sandbox import (
    EffectError,
    EffectRefused,
    RunFailed,
    SandboxError,
)
from node.errors.scripts import (
    AttributeFailed,
    FilterInvalid,
    ScriptHashWrong,
    ScriptInvalid,
    ScriptSignatureInvalid,
    ScriptSignerWrong,
    ScriptUnfinished,
    ScriptUnsafe,
    ScriptUnsigned,
    ServicePartMissing,
    TokenScriptError,
)

__all__ = [
    "AccessError",
    "ActionUnknown",
    "AlreadyCommitted",
    "AlreadyVoted",
    "AnswerInvalid",
    "AttestationError",
    "AttestationExpired",
    "AttestationForged",
    "AttestationMalformed",
    "AttestationRevoked",
    "AttestationWrongAttester",
    "AttestationWrongSchema",
    "AttributeFailed",
    "BaseMoved",
    "CertificateInvalid",
    "CommitInvalid",
    "EffectError",
    "EffectRefused",
    "ElectionError",
    "EntryUnknown",
    "FailureUnproven",
    "FailuresUsedUp",
    "FeedEntryInvalid",
    "FeedError",
    "FeedFrozen",
    "FeedLimitReached",
    "FeedUnwanted",
    "FenceTooLow",
    "FilterInvalid",
    "ForkUnproven",
    "FrameInvalid",
    "GrantExpired",
    "GrantForged",
    "GrantInterface",
    "GrantMissing",
    "GrantNotForYou",
    "GrantRevoked",
    "InputInvalid",
    "InputNotDeclared",
    "InputOutOfOrder",
    "InputStale",
    "InterfaceUnknown",
    "JournalBehind",
    "JournalError",
    "LeaseHeld",
    "LeaseMissing",
    "NetworkError",
    "NotActive",
    "NotCanonical",
    "NotElected",
    "PaymentMissing",
    "PeerRefused",
    "PeerUnreachable",
    "PlacementInvalid",
    "ProofInvalid",
    "ProposalInvalid",
    "QueueFull",
    "ReadFailed",
    "RentSuspended",
    "RunDiffers",
    "RunFailed",
    "SandboxError",
    "ScriptHashWrong",
    "ScriptInvalid",
    "ScriptSignatureInvalid",
    "ScriptSignerWrong",
    "ScriptUnfinished",
    "ScriptUnsafe",
    "ScriptUnsigned",
    "ServicePartMissing",
    "SignerUnknown",
    "TokenScriptError",
    "TokenUnknown",
    "TooFewNodes",
    "TriggerTimeWrong",
    "TriggerTooOld",
    "TriggerUnknown",
    "VersionUnproven",
    "WindowClosing",
    "WrongWindow",
]
