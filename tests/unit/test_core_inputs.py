"""Inputs: one byte form, identities that signatures cannot change, whose word counts."""

from dataclasses import replace

import msgspec
import pytest

from node.core.declared import Declarations, Subscription, Watch, check_input, tag_of
from node.core.failure import FailureWord, gather_words, needed_words, verify_failure
from node.core.feed import MAX_BODY_BYTES
from node.core.inputs import (
    Activation,
    AnyInput,
    Attested,
    ChainEvent,
    Failure,
    Outcome,
    Timer,
    activation_trigger,
    decode_input,
    encode_input,
    entry_trigger,
    input_hash,
    own_trigger,
    strand_and_place,
)
from node.errors import (
    FailureUnproven,
    FeedEntryInvalid,
    InputInvalid,
    InputNotDeclared,
    NotCanonical,
    SignerUnknown,
)
from node.protocol.messages import FailureAttestation, FeedEntry, ObservedResponse
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, Signature, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TOKEN, KEY = keccak(b"token"), keccak(b"action key")
AIRLINE, NODE = SigningKey(keccak(b"airline")), SigningKey(keccak(b"node"))
ANCHORS = [SigningKey(keccak(b"anchor %d" % i)) for i in range(4)]
STRANGER = SigningKey(keccak(b"stranger"))
CONTRACT = Address(b"\x22" * 20)
TAG = tag_of("flightNumber", "SL42")
DECLARED = Declarations(
    token=TOKEN,
    subscriptions=(Subscription(topic="flights", attester=AIRLINE.address, tag=TAG),),
    watches=(Watch(chain_id=1, contract=CONTRACT, event="Redeemed"),),
    holders=(NODE.address,),
    anchors=tuple(key.address for key in ANCHORS),
)


def attested(
    *,
    tags: tuple[Hash, ...] = (TAG,),
    topic: str = "flights",
    key: SigningKey = AIRLINE,
    body: bytes = b"late",
) -> Attested:
    entry = FeedEntry(
        attester=key.address,
        topic=topic,
        epoch=2,
        sequence=5,
        previous=keccak(b"before"),
        body_hash=keccak(body),
        tags=tags,
        time=1_000,
    )
    return Attested(entry=entry, signature=key.sign(DOMAIN, entry), body=body)


def outcome(*, key: SigningKey = NODE, signer: SigningKey | None = None) -> Outcome:
    response = ObservedResponse(
        token=TOKEN,
        action="rebookHotel",
        version=3,
        attempt=0,
        request_hash=KEY,
        status=200,
        body_hash=keccak(b"{}"),
        time=5,
    )
    signature = (signer or key).sign(DOMAIN, response)
    return Outcome(key=KEY, response=response, witness=key.address, signature=signature, body=b"{}")


def word(key: SigningKey, *, attempt: int = 0, outcomes: bytes = b"[]") -> FailureWord:
    attestation = FailureAttestation(
        token=TOKEN,
        action="rebookHotel",
        version=3,
        attempt=attempt,
        method="PUT",
        request_hash=KEY,
        outcomes_hash=keccak(outcomes),
        started=1,
        ended=2,
    )
    return FailureWord(
        anchor=key.address,
        attestation=attestation,
        signature=key.sign(DOMAIN, attestation),
        outcomes=outcomes,
    )


def failure(*words: FailureWord) -> Failure:
    return Failure(key=KEY, words=words or (word(ANCHORS[0]), word(ANCHORS[1])))


ACTIVATION = Activation(
    token=TOKEN, block=9, block_hash=keccak(b"block"), time=900, attributes=b'{"seat":"1A"}'
)
EVENT = ChainEvent(
    chain_id=1,
    contract=CONTRACT,
    name="Redeemed",
    block=12,
    block_hash=keccak(b"block"),
    log_index=3,
    time=1_200,
    arguments=b"{}",
)
TIMER = Timer(name="checkout", version=4, due=5_000)
ALL: list[AnyInput] = [ACTIVATION, attested(), EVENT, outcome(), failure(), TIMER]


@pytest.mark.parametrize("given", ALL, ids=lambda given: type(given).__name__)
def test_every_input_comes_back_from_its_bytes_and_is_accepted(given: AnyInput) -> None:
    assert decode_input(encode_input(given)) == given
    check_input(given, DECLARED, DOMAIN)


def test_all_inputs_have_hashes_of_their_own() -> None:
    assert len({input_hash(given) for given in ALL}) == len(ALL)


def test_a_second_signature_over_the_same_word_is_the_same_input() -> None:
    first, other = attested(), attested()
    resigned = msgspec.structs.replace(other, signature=Signature(b"\x01" * 65))
    assert input_hash(first) == input_hash(resigned)


def test_whatever_the_script_sees_changes_the_hash() -> None:
    shown = msgspec.structs.replace(outcome(), attestation=b"{}")
    assert input_hash(shown) != input_hash(outcome())
    assert input_hash(attested(body=b"later")) != input_hash(attested())
    assert input_hash(failure(word(ANCHORS[0]), word(ANCHORS[2]))) != input_hash(failure())


def test_strands_tell_what_must_keep_its_order() -> None:
    assert strand_and_place(attested()) == (f"feed/{AIRLINE.address.hex()}/flights/2", 5)
    assert strand_and_place(EVENT) == (f"chain/1/{CONTRACT.hex()}", (12 << 20) + 3)
    assert strand_and_place(outcome()) == strand_and_place(failure())
    assert strand_and_place(TIMER) == ("timer/checkout", 4)


def test_triggers_are_what_an_anchor_can_compute_from_its_own_log() -> None:
    given = attested()
    assert own_trigger(given) == (entry_trigger(given.entry), 1_000)
    assert own_trigger(ACTIVATION) == (activation_trigger(TOKEN, 9), 900)
    assert own_trigger(EVENT) == (input_hash(EVENT), 1_200)
    assert own_trigger(outcome()) is None
    assert own_trigger(TIMER) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"type":"Nothing"}',
        b" " + encode_input(TIMER),
        encode_input(TIMER).replace(b"checkout", b"check\\u006fut"),
        encode_input(attested()).replace(b'"epoch":2', b'"epoch":-1'),
        encode_input(attested()).replace(b'"epoch":2', b'"epoch":4294967296'),
    ],
)
def test_bytes_in_any_other_form_are_refused(data: bytes) -> None:
    with pytest.raises(InputInvalid):
        decode_input(data)


def test_the_longest_body_fits_an_input_and_more_does_not() -> None:
    encode_input(attested(body=b"x" * MAX_BODY_BYTES))
    with pytest.raises(InputInvalid):
        encode_input(attested(body=b"x" * 20_000))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (attested(key=STRANGER), InputNotDeclared),
        (attested(topic="weather"), InputNotDeclared),
        (attested(tags=(tag_of("flightNumber", "SL43"),)), InputNotDeclared),
        (msgspec.structs.replace(attested(), body=b"other"), FeedEntryInvalid),
        (
            msgspec.structs.replace(attested(), signature=STRANGER.sign(DOMAIN, attested().entry)),
            SignatureInvalid,
        ),
        (msgspec.structs.replace(EVENT, name="Transfer"), InputNotDeclared),
        (msgspec.structs.replace(EVENT, arguments=b'{"a" :1}'), NotCanonical),
        (msgspec.structs.replace(ACTIVATION, token=KEY), InputInvalid),
        (msgspec.structs.replace(ACTIVATION, attributes=b"[]"), NotCanonical),
        (outcome(key=STRANGER), SignerUnknown),
        (outcome(signer=STRANGER), SignatureInvalid),
        (msgspec.structs.replace(outcome(), body=b"[]"), InputInvalid),
        (failure(word(ANCHORS[0])), FailureUnproven),
    ],
)
def test_a_word_by_somebody_without_a_say_is_refused(
    given: AnyInput, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_input(given, DECLARED, DOMAIN)


def test_an_anchors_own_observation_counts_as_an_outcome() -> None:
    check_input(outcome(key=ANCHORS[0]), DECLARED, DOMAIN)


def test_a_subscription_without_a_tag_hears_every_entry() -> None:
    every = (Subscription(topic="flights", attester=AIRLINE.address),)
    check_input(attested(tags=()), replace(DECLARED, subscriptions=every), DOMAIN)


# Attested failures


@pytest.mark.parametrize(("anchors", "needed"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (21, 7)])
def test_f_plus_one_words_are_needed(anchors: int, needed: int) -> None:
    assert needed_words(anchors) == needed


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((word(ANCHORS[0]),), FailureUnproven),
        ((word(ANCHORS[0]), word(ANCHORS[0])), FailureUnproven),
        ((word(ANCHORS[0]), word(ANCHORS[1], attempt=1)), FailureUnproven),
        ((word(ANCHORS[0]), word(STRANGER)), SignerUnknown),
        ((word(ANCHORS[0]), word(NODE)), SignerUnknown),
        (
            (word(ANCHORS[0]), msgspec.structs.replace(word(ANCHORS[1]), outcomes=b"[1]")),
            FailureUnproven,
        ),
        ((word(ANCHORS[0]), word(ANCHORS[1], outcomes=b"{}")), FailureUnproven),
        (
            (
                word(ANCHORS[0]),
                msgspec.structs.replace(word(ANCHORS[1]), signature=word(ANCHORS[2]).signature),
            ),
            SignatureInvalid,
        ),
    ],
)
def test_a_failure_without_its_quorum_is_refused(
    words: tuple[FailureWord, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        verify_failure(DOMAIN, words, TOKEN, DECLARED.anchors)


def test_a_failure_of_another_token_is_refused() -> None:
    with pytest.raises(FailureUnproven):
        verify_failure(DOMAIN, failure().words, ZERO_HASH, DECLARED.anchors)


def test_words_about_one_call_are_gathered_in_one_order_and_others_left_out() -> None:
    stray = word(ANCHORS[3], attempt=9)
    two = [word(ANCHORS[2]), stray, word(ANCHORS[1])]
    found = gather_words(two, DECLARED.anchors)
    assert found is not None
    assert [w.anchor for w in found] == sorted([ANCHORS[1].address, ANCHORS[2].address])
    assert gather_words([stray, word(ANCHORS[1])], DECLARED.anchors) is None
