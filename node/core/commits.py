"""What a commit is: an entry's content, and the signatures of a majority of the holders.

The same content may be proposed under several leases, so the chain of entries runs over
:func:`content_hash`, which leaves the lease out: replicas that learned of one commit under
different leases still agree on everything that follows.
"""

from collections.abc import Iterable, Sequence

from node.core.election import Fence
from node.errors import CommitInvalid
from node.protocol.messages import JournalEntry
from settlement.protocol.signing import recover
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature, keccak


def content_hash(entry: JournalEntry) -> Hash:
    """keccak(token | version | previous | input hash | state root | output hash | time), the
    integers as 8 bytes big-endian. What the next entry's ``previous`` names."""
    return keccak(
        entry.token
        + entry.version.to_bytes(8, "big")
        + entry.previous
        + entry.input_hash
        + entry.state_root
        + entry.output_hash
        + entry.time.to_bytes(8, "big")
    )


def fence_of_entry(entry: JournalEntry) -> Fence:
    """The fence of the lease that an entry was written under."""
    return Fence(version=entry.lease_version, attempt=entry.attempt)


def majority(replicas: int) -> int:
    """Signatures that commit, the executor's own among them."""
    return replicas // 2 + 1


def verify_signatures(
    domain: Domain,
    entry: JournalEntry,
    signatures: Iterable[tuple[Address, Signature]],
    holders: Sequence[Address],
) -> None:
    """Raise CommitInvalid unless a majority of ``holders``, and nobody else, signed ``entry``.

    Raises SignatureInvalid for one that no key can have made.
    """
    signers: set[Address] = set()
    for node, signature in signatures:
        if node not in holders or node in signers:
            raise CommitInvalid(problem="a signer is no holder, or is counted twice")
        if recover(domain, entry, signature) != node:
            raise CommitInvalid(problem="a signature is by another key")
        signers.add(node)
    if len(signers) < majority(len(holders)):
        raise CommitInvalid(problem=f"{len(signers)} of {majority(len(holders))} signatures")
    if entry.executor not in signers:
        raise CommitInvalid(problem="the executor's own signature is missing")
