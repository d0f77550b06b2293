"""Whose word moves a token: the check of an input against what its script declares.

Takes plain values, so that whoever reads token scripts can stay beside this room.
"""

from dataclasses import dataclass
from typing import assert_never

from node.core.canonical import object_from_bytes
from node.core.failure import verify_failure
from node.core.feed import verify_entry
from node.core.inputs import (
    Activation,
    AnyInput,
    Attested,
    ChainEvent,
    Failure,
    Outcome,
    Timer,
)
from node.errors import InputInvalid, InputNotDeclared, SignerUnknown
from node.protocol.frames import FeedPush
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, keccak


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed that a token hears. ``tag`` is what an entry must carry to concern this token
    (:func:`tag_of`), None when every entry does."""

    topic: str
    attester: Address
    tag: Hash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A chain event that a token hears."""

    chain_id: int
    contract: Address
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """What a token's script declares, beside the token's holders and the anchors."""

    token: Hash
    subscriptions: tuple[Subscription, ...] = ()
    watches: tuple[Watch, ...] = ()
    holders: tuple[Address, ...] = ()
    anchors: tuple[Address, ...] = ()


def tag_of(name: str, value: str) -> Hash:
    """The tag of a feed entry that concerns the tokens whose ``name`` is ``value``."""
    return keccak(f"{name}={value}".encode())


def check_input(given: AnyInput, declared: Declarations, domain: Domain) -> None:
    """Raise unless the input is signed by whom the script (or the network) allows to say it.

    Raises InputInvalid, InputNotDeclared, SignerUnknown, SignatureInvalid, FeedEntryInvalid,
    FailureUnproven, NotCanonical. What it cannot see: whether an activation and a chain event are
    true, which each replica compares with its own view of the chain; the attestation inside a
    body, which the rules of TokenScript judge; whether an action or a timer is open, which the
    journal knows.
    """
    match given:
        case Activation():
            object_from_bytes(given.attributes)
            if given.token != declared.token:
                raise InputInvalid(problem="it activates another token")
        case Attested():
            _check_subscribed(given, declared)
            push = FeedPush(entry=given.entry, signature=given.signature, body=given.body)
            verify_entry(domain, push)
        case ChainEvent():
            object_from_bytes(given.arguments)
            heard = Watch(chain_id=given.chain_id, contract=given.contract, event=given.name)
            if heard not in declared.watches:
                raise InputNotDeclared(problem=f"no watch of {given.name}")
        case Outcome():
            _check_outcome(given, declared, domain)
        case Failure():
            verify_failure(domain, given.words, declared.token, declared.anchors)
        case Timer():
            return
        case _:
            assert_never(given)


def _check_subscribed(given: Attested, declared: Declarations) -> None:
    entry = given.entry
    heard = [s for s in declared.subscriptions if s.topic == entry.topic]
    if not any(
        s.attester == entry.attester and (s.tag is None or s.tag in entry.tags) for s in heard
    ):
        raise InputNotDeclared(problem=f"no subscription to {entry.topic} that this entry is for")


def _check_outcome(given: Outcome, declared: Declarations, domain: Domain) -> None:
    response = given.response
    if given.witness not in declared.holders and given.witness not in declared.anchors:
        raise SignerUnknown(signer=given.witness, role="holder or anchor")
    if response.token != declared.token or keccak(given.body) != response.body_hash:
        raise InputInvalid(problem="the response is of another token or another body")
    require_signer(domain, response, given.signature, given.witness)
