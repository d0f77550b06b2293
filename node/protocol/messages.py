"""The signed messages of the network: grants, answers, feeds, journals, elections, failures.

Same mechanism and same EIP-712 domain as settlement's messages, so that any of them can become
evidence on chain. Times are integer milliseconds since the Unix epoch unless a name says ``_s``.
"""

from dataclasses import dataclass

from settlement.protocol.typed_data import TypedMessage
from settlement.types import Address, Hash, Uint32, Uint64, Uint128, Uint256


@dataclass(frozen=True, kw_only=True)
class Grant(TypedMessage):
    """Holder to integration: use these interfaces of this token, for this purpose, until then.

    Whitepaper, "Read-Only Access": using the ticket at a site authorises the site. ``integration``
    is the address of the session key that signs the vouchers. ``nonce`` tells two grants apart.
    """

    holder: Address
    integration: Address
    token: Hash
    interfaces: tuple[str, ...]
    purpose: str
    expires: Uint64
    nonce: Hash


@dataclass(frozen=True, kw_only=True)
class Quote(TypedMessage):
    """Service node to anybody: the price of one call of an interface, pinned for the period."""

    node: Address
    token_class: Hash
    interface: str
    period: Uint32
    price: Uint128


@dataclass(frozen=True, kw_only=True)
class Answer(TypedMessage):
    """Service node to integration: what it answered, from which state, and what it charged.

    Also the receipt. ``result_hash`` is keccak256 of the canonical JSON of the result;
    ``charged`` is the price of this one call.
    """

    node: Address
    request_id: Hash
    token: Hash
    interface: str
    version: Uint64
    state_root: Hash
    result_hash: Hash
    charged: Uint128
    time: Uint64


@dataclass(frozen=True, kw_only=True)
class Placement(TypedMessage):
    """Anchor to everybody: the holders of a token instance, drawn from a seed anyone can check.

    ``activation_block`` is the block that holds the token's mint; ``seed`` its beacon value.
    ``version`` grows when departures or exclusions move replicas. Kept in the anchors' hash table.
    """

    token: Hash
    token_class: Hash
    number: Uint256
    activation_block: Uint64
    seed: Hash
    holders: tuple[Address, ...]
    version: Uint64


@dataclass(frozen=True, kw_only=True)
class FeedEntry(TypedMessage):
    """Attester to subscribers: one line of its log on one topic.

    Sequences start at 0; ``previous`` is the hash of the entry before (zero at 0), so duplicates,
    gaps and forks show. ``tags`` are keccak256("name=value") of what a subscriber may filter by.
    """

    attester: Address
    topic: str
    epoch: Uint32
    sequence: Uint64
    previous: Hash
    body_hash: Hash
    tags: tuple[Hash, ...]
    time: Uint64


@dataclass(frozen=True, kw_only=True)
class ElectionVote(TypedMessage):
    """Anchor to the executor: in this attempt's window, you hold the token's lease.

    (``version``, ``attempt``) is the fence. ``trigger`` is the hash of the input that called for
    the election; its time fixes the windows, ``window_end`` is when this one closes.
    """

    token: Hash
    version: Uint64
    attempt: Uint32
    executor: Address
    trigger: Hash
    window_end: Uint64


@dataclass(frozen=True, kw_only=True)
class JournalEntry(TypedMessage):
    """Executor and replicas: version ``version`` of the token follows from this input.

    Signed by the executor, co-signed by a majority of the replicas; that is the commit.
    (``lease_version``, ``attempt``) is the fence of the lease it was written under.
    """

    token: Hash
    version: Uint64
    lease_version: Uint64
    attempt: Uint32
    executor: Address
    previous: Hash
    input_hash: Hash
    state_root: Hash
    output_hash: Hash
    time: Uint64


@dataclass(frozen=True, kw_only=True)
class FailureAttestation(TypedMessage):
    """Anchor: I made this call myself, and it failed. Only anchors sign it, f + 1 of them.

    Whitepaper, "Handling Failures". ``outcomes_hash`` is keccak256 of the canonical JSON list of
    what was observed; ``request_hash`` binds method, URL, body and idempotency key.
    """

    token: Hash
    action: str
    version: Uint64
    attempt: Uint32
    method: str
    request_hash: Hash
    outcomes_hash: Hash
    started: Uint64
    ended: Uint64


@dataclass(frozen=True, kw_only=True)
class ObservedResponse(TypedMessage):
    """Anchor: I made this call myself, and this is what came back."""

    token: Hash
    action: str
    version: Uint64
    attempt: Uint32
    request_hash: Hash
    status: Uint32
    body_hash: Hash
    time: Uint64


@dataclass(frozen=True, kw_only=True)
class LinkProof(TypedMessage):
    """One end of a link to the other: I hold this registered key, on this very connection.

    ``challenge`` came from the other end, ``certificate`` is the SHA-256 of the TLS certificate
    that the listening end shows, so that a proof cannot be carried to another connection.
    """

    node: Address
    peer: Address
    challenge: Hash
    certificate: Hash
