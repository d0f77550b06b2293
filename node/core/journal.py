"""A token instance at one replica (key = token id, hexadecimal): state, events and effects.

The steps are in ``proposing`` (the executor), ``replicating`` (every replica) and ``actions``;
``instance`` puts them together as the machine ``JOURNAL``. The sandbox is run by the service,
which passes what came out as an :class:`Execution`; a step refuses one that ran on another base.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from node.core.election import NO_FENCE, Fence, Timing
from node.core.inputs import Failure
from node.protocol.frames import Commit, JournalReply, Lease, Proposal
from node.protocol.messages import JournalEntry, Placement
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, Signature

MAX_QUEUE = 256
"""Inputs that wait at one token, at most."""


class Phase(StrEnum):
    """REGISTERED: not placed here yet. DIVERGED: a majority committed another root than ours, so
    this replica stops; its evidence is in the log."""

    REGISTERED = "registered"
    ACTIVE = "active"
    DIVERGED = "diverged"


class ActionPhase(StrEnum):
    """CALLING: the executor tries. ROUTING: anchors try. A settled action is not kept."""

    CALLING = "calling"
    ROUTING = "routing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a run of the sandbox gave, on a known base. ``state`` and ``effects`` are canonical
    JSON; ``state`` is the base's own bytes when the run changed nothing. ``output`` is opaque
    here: what lets somebody who was not there check ``effects`` against ``output_hash``."""

    input: bytes
    time: int
    base_version: int
    base_root: Hash
    state: bytes
    effects: tuple[bytes, ...] = ()
    output_hash: Hash = ZERO_HASH
    output: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An input that waits for its turn, with the trigger that an election for it names."""

    hash: Hash
    data: bytes
    strand: str
    place: int
    trigger: Hash
    trigger_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAction:
    """A call to the outside that the script asked for and that is not settled.

    ``key`` = H(token, version, index, action), the idempotency key in all attempts by all nodes;
    ``effect`` the canonical JSON of the script's request. ``attempts`` failed so far at this
    node; ``fence`` is the lease under which this node was told to perform it, if it was.
    """

    key: Hash
    action: str
    version: int
    index: int
    effect: bytes
    trigger: Hash
    trigger_ms: int
    limit: int
    phase: ActionPhase = ActionPhase.CALLING
    attempts: int = 0
    fence: Fence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTimer:
    """A timer that version ``version`` set; a later one of the same name replaces it."""

    name: str
    version: int
    due: int
    trigger: Hash
    trigger_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The proposal that this replica accepted for the next version, with what its run gave.

    ``cosignatures`` are collected by the executor only.
    """

    proposal: Proposal
    execution: Execution
    cosignatures: tuple[tuple[Address, Signature], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """This node's own lease: who has answered its query so far (itself included), and the
    highest accepted proposal among the answers, which comes before anything new."""

    lease: Lease
    gathered: tuple[Address, ...]
    recovered: Proposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """One replica's token: what is committed, what is promised and accepted, what waits.

    ``version`` 0 is before the activation's commit, with an empty state. ``head`` is the content
    hash (:func:`node.core.commits.content_hash`) of the newest committed entry and ``tip`` that
    entry with its signatures and without its input. ``cursors`` is the next place of each strand.
    ``seen`` is the newest lease of anybody that this replica has seen. ``evidence`` counts what
    is logged in :func:`evidence_stream`, ``disputed`` is the last entry that was found wrong.
    """

    token: Hash
    phase: Phase = Phase.REGISTERED
    node: Address = ZERO_ADDRESS
    placement: Placement | None = None
    attempt_limits: dict[str, int] = field(default_factory=dict)
    version: int = 0
    state: bytes = b"{}"
    state_root: Hash = ZERO_HASH
    head: Hash = ZERO_HASH
    tip: Commit | None = None
    promised: Fence = NO_FENCE
    accepted: Accepted | None = None
    tenure: Tenure | None = None
    seen: Lease | None = None
    queue: tuple[Queued, ...] = ()
    cursors: dict[str, int] = field(default_factory=dict)
    actions: tuple[OpenAction, ...] = ()
    timers: tuple[OpenTimer, ...] = ()
    evidence: int = 0
    disputed: Hash = ZERO_HASH

    @property
    def holders(self) -> tuple[Address, ...]:
        """The replicas' nodes, this one among them; empty before the activation."""
        return self.placement.holders if self.placement else ()

    @property
    def majority(self) -> int:
        """Signatures that commit an entry, the executor's own among them."""
        return len(self.holders) // 2 + 1


# Events


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionActivate:
    """This node holds the token: its placement, and the declared attempts of each action."""

    placement: Placement
    node: Address
    attempt_limits: dict[str, int]
    activation: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveInput:
    """An input that this node has checked itself (signatures, declarations); it waits its turn."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveLease:
    """Enough anchors voted for this node (see ``proposing.candidacy``)."""

    lease: Lease
    anchors: tuple[Address, ...]
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveQuery:
    """A new executor asks what this replica holds; to reply is to promise its fence."""

    asker: Address
    lease: Lease
    anchors: tuple[Address, ...]
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveGathered:
    """A replica answered this node's query under ``fence``; its commits have been applied."""

    peer: Address
    fence: Fence
    reply: JournalReply
    anchors: tuple[Address, ...]
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionExecuted:
    """The executor ran what ``proposing.next_order`` named, and signed the entry that
    ``proposing.draft`` made of it."""

    execution: Execution
    entry: JournalEntry
    signature: Signature
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveProposal:
    """The executor proposes; ``execution`` is this replica's own run of the same input (None
    when ``replicating.needs_run`` says that it has run already). The service has checked the
    input with ``declared.check_input``. Co-sign after ``replicating.require_accepted``."""

    proposal: Proposal
    execution: Execution | None
    anchors: tuple[Address, ...]
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveCosignature:
    """A replica co-signed ``entry``."""

    entry: JournalEntry
    node: Address
    signature: Signature
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveCommit:
    """A majority signed. ``execution`` is this replica's own run; None when
    ``replicating.needs_run`` says that it has run already."""

    commit: Commit
    execution: Execution | None
    timing: Timing
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAttemptFailed:
    """The executor's call for an open action failed ``count`` times more."""

    key: Hash
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFailureAttestations:
    """Anchors attest that their own calls failed as well."""

    failure: Failure
    anchors: tuple[Address, ...]
    domain: Domain


JournalEvent = (
    ActionActivate
    | ReceiveInput
    | ReceiveLease
    | ReceiveQuery
    | ReceiveGathered
    | ActionExecuted
    | ReceiveProposal
    | ReceiveCosignature
    | ReceiveCommit
    | ActionAttemptFailed
    | ReceiveFailureAttestations
)


# Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class SendQuery:
    """Ask a replica for what it holds from ``first`` on, under this lease. Its reply comes back
    as ReceiveCommit for each commit, then ReceiveGathered."""

    peer: Address
    first: int
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class SendProposal:
    """Ask a replica to co-sign. Stop asking once the token's version has reached the entry's."""

    peer: Address
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCommit:
    """Tell a replica that an entry is committed."""

    peer: Address
    commit: Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformHttp:
    """Make the call of an open action, under ``actions.guard``, before ``deadline_ms``.

    Success comes back as an Outcome by ReceiveInput, failure as ActionAttemptFailed.
    """

    token: Hash
    key: Hash
    action: str
    version: int
    index: int
    effect: bytes
    attempts: int
    fence: Fence
    deadline_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRouteCall:
    """Attempts are used up: ask anchors, the coordinator first, to make the call themselves.

    The commit to show is the journal's record at ``version``. Success comes back as an Outcome
    by ReceiveInput, failure as ReceiveFailureAttestations.
    """

    token: Hash
    key: Hash
    action: str
    version: int
    index: int
    fence: Fence
    lease: Lease


JournalEffect = SendQuery | SendProposal | SendCommit | PerformHttp | SendRouteCall


# Log records


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKept:
    """What a run gave that opened actions, at its version in :func:`runs_stream`."""

    effects: tuple[bytes, ...]
    output_hash: Hash
    output: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDiffers:
    """Evidence: the signer of ``proposal`` (or a majority, in ``commit``) names another outcome
    of this input than this replica's own run on the same base."""

    own_root: Hash
    own_output: Hash
    proposal: Proposal | None = None
    commit: Commit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleProposal:
    """Evidence: one executor signed two contents on one version under one fence."""

    first: Proposal
    second: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleCommit:
    """Evidence: two contents have a majority on one version; who signed both is at fault."""

    first: Commit
    second: Commit


def journal_stream(token: Hash) -> str:
    """The log of committed entries: a :class:`node.protocol.frames.Commit` at each version."""
    return f"journal/{token.hex()}"


def runs_stream(token: Hash) -> str:
    """The log of runs that opened actions: a :class:`RunKept` at each such version."""
    return f"runs/{token.hex()}"


def evidence_stream(token: Hash) -> str:
    """The log of evidence that this replica has collected about a token."""
    return f"evidence/{token.hex()}"
