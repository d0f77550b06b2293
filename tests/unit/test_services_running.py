"""What a script sees and what a run gives: made from the input alone, alike on every replica."""

import json
from typing import Any

import pytest

from node.core.canonical import to_bytes
from node.core.failure import FailureWord
from node.core.inputs import (
    MAX_INPUT_BYTES,
    Activation,
    Attested,
    ChainEvent,
    Failure,
    Outcome,
    Timer,
    encode_input,
    input_hash,
)
from node.devnet.hotel import confirm
from node.devnet.rehearsal_people import People, person_key
from node.errors import AttestationMalformed, InputInvalid, RunFailed
from node.ports.sandbox import MAX_EFFECTS, RunRequest, RunResult, Status, TableSandbox
from node.protocol.frames import Commit, Frame, Lease, RouteCall, encode_frame
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    FeedEntry,
    JournalEntry,
    ObservedResponse,
)
from node.services.chain_view import ClassView, PublishedScript
from node.services.running import MAX_EFFECT_BYTES, Base, Runner, context_of, handler_and_event
from node.services.script_library import ClassScript, trusted_script
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, Signature, keccak

CHAIN = 31_337
NOW_MS = 1_700_000_000_123
PEOPLE = People(Domain.of(CHAIN, Address(bytes(20))), CHAIN)
TOKEN = PEOPLE.token(7)
SIGNATURE = Signature(bytes(65))
ATTRIBUTES = to_bytes({"flightNumber": "SL123", "hotelBooking": "H-1"})
BASE = Base(
    token=TOKEN, version=4, root=keccak(b"root"), state=b'{"delay":0}', attributes=ATTRIBUTES
)

ACTIVATION = Activation(
    token=TOKEN.id, block=9, block_hash=keccak(b"block"), time=NOW_MS, attributes=ATTRIBUTES
)
TIMER = Timer(name="boarding", version=3, due=NOW_MS)
CHAIN_EVENT = ChainEvent(
    chain_id=CHAIN,
    contract=TOKEN.contract,
    name="Transfer",
    block=9,
    block_hash=keccak(b"block"),
    log_index=2,
    time=NOW_MS,
    arguments=to_bytes({"to": "0x01"}),
)


def attested() -> Attested:
    body = PEOPLE.delay("SL123", 180, NOW_MS).to_bytes()
    entry = FeedEntry(
        attester=PEOPLE.airline.address,
        topic="flight-status",
        epoch=0,
        sequence=0,
        previous=ZERO_HASH,
        body_hash=keccak(body),
        tags=(),
        time=NOW_MS,
    )
    return Attested(entry=entry, signature=SIGNATURE, body=body)


def outcome(body: bytes, attestation: bytes | None = None) -> Outcome:
    response = ObservedResponse(
        token=TOKEN.id,
        action="rebookHotel",
        version=5,
        attempt=0,
        request_hash=keccak(b"request"),
        status=200,
        body_hash=keccak(body),
        time=NOW_MS,
    )
    return Outcome(
        key=keccak(b"key"),
        response=response,
        witness=Address(bytes(20)),
        signature=SIGNATURE,
        body=body,
        attestation=attestation,
    )


def failure() -> Failure:
    words = []
    for number in (1, 2):
        outcomes = to_bytes([{"kind": "unknown", "status": 0, "detail": f"anchor {number}"}])
        word = FailureAttestation(
            token=TOKEN.id,
            action="rebookHotel",
            version=5,
            attempt=1,
            method="PUT",
            request_hash=keccak(b"request"),
            outcomes_hash=keccak(outcomes),
            started=NOW_MS,
            ended=NOW_MS,
        )
        anchor = Address(bytes([number]) * 20)
        words.append(
            FailureWord(anchor=anchor, attestation=word, signature=SIGNATURE, outcomes=outcomes)
        )
    return Failure(key=keccak(b"key"), words=tuple(words))


def heard(given: Any) -> tuple[str, Any]:
    """The handler and the event as JSON."""
    handler, event = handler_and_event(given)
    assert event == to_bytes(json.loads(event))
    return handler, json.loads(event)


# --- events --------------------------------------------------------------------------------------


def test_an_activation_is_heard_by_onactivate() -> None:
    assert heard(ACTIVATION) == ("onActivate", {"kind": "activation", "block": "9"})


def test_an_attestation_is_heard_with_its_decoded_fields() -> None:
    handler, event = heard(attested())

    assert handler == "onAttestation"
    assert event["kind"] == "attestation"
    assert event["topic"] == "flight-status"
    assert event["data"]["flightNumber"] == "SL123"
    assert int(event["data"]["delayMinutes"]) == 180


def test_a_feed_entry_without_an_attestation_is_no_event() -> None:
    given = attested()
    without = Attested(entry=given.entry, signature=given.signature, body=b'{"delay":180}')

    with pytest.raises(AttestationMalformed):
        handler_and_event(without)


def test_an_outcome_shows_the_response_and_the_attestation_that_came_with_it() -> None:
    answer = confirm(person_key("hotel"), CHAIN, "H-1", "2026-11-23", NOW_MS // 1_000)
    attestation = to_bytes(answer["attestation"])

    handler, event = heard(outcome(b'{"moved":true}', attestation))

    assert handler == "onAttestation"
    assert (event["kind"], event["action"], event["status"]) == (
        "outcome",
        "rebookHotel",
        "success",
    )
    assert event["response"] == {"status": 200, "body": {"moved": True}}
    assert event["attestation"]["data"]["confirmation"] == answer["confirmation"]


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"b":1,"a":2}', {"a": 2, "b": 1}),
        (b"moved", "moved"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        (b'"\\ud800"', '"\\ud800"'),
        (b"NaN", "NaN"),
    ],
)
def test_a_body_is_seen_as_json_where_that_has_one_form_and_as_text_otherwise(
    body: bytes, seen: Any
) -> None:
    assert heard(outcome(body))[1]["response"]["body"] == seen


def test_a_failure_shows_every_anchor_that_attests_it_and_what_each_saw() -> None:
    handler, event = heard(failure())

    assert handler == "onAttestation"
    assert event["kind"] == "failure"
    assert event["fence"] == {"version": 5, "attempt": 1}
    assert len(event["anchors"]) == 2
    assert [seen["detail"] for seen in event["outcomes"]] == ["anchor 1", "anchor 2"]


def test_chain_events_and_timers_have_handlers_of_their_own() -> None:
    assert heard(CHAIN_EVENT) == (
        "onEvent",
        {"kind": "event", "name": "Transfer", "arguments": {"to": "0x01"}},
    )
    assert heard(TIMER) == ("onTimer", {"kind": "timer", "name": "boarding", "due": NOW_MS})


# --- the context ---------------------------------------------------------------------------------


def test_the_context_is_a_function_of_token_attributes_time_and_cause() -> None:
    context = context_of(TOKEN, ATTRIBUTES, NOW_MS, keccak(b"cause"))

    assert context == context_of(TOKEN, ATTRIBUTES, NOW_MS + 1, keccak(b"cause"))
    assert context.now_s == NOW_MS // 1_000
    assert context.seed == keccak(TOKEN.id + keccak(b"cause"))
    shown = json.loads(context.json)
    assert shown["token"]["tokenId"] == "7"
    assert shown["attributes"]["flightNumber"] == "SL123"
    assert context.json == to_bytes(shown), "canonical, though it is not made by to_bytes"


def test_another_token_or_another_cause_draws_another_seed() -> None:
    seeds = {
        context_of(token, ATTRIBUTES, NOW_MS, cause).seed
        for token in (TOKEN, PEOPLE.token(8))
        for cause in (keccak(b"one"), keccak(b"two"))
    }
    assert len(seeds) == 4


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> ClassScript:
    view = ClassView(
        token_class=PEOPLE.token_class,
        issuer=PEOPLE.airline.address,
        payout=PEOPLE.airline.address,
    )
    uri = "https://airline.example/t"
    published = PublishedScript(block=1, uri=uri, hash=keccak(PEOPLE.script))
    return trusted_script(PEOPLE.script, view, published)


class Said(TableSandbox):
    """A script that answers the same to everything; the sandbox keeps what it was asked."""

    def __init__(self, answer: Any) -> None:
        super().__init__(handlers=dict.fromkeys(("onAttestation", "status"), lambda *_: answer))
        self.asked: list[RunRequest] = []

    async def run(self, request: RunRequest) -> RunResult:
        self.asked.append(request)
        return await super().run(request)


async def test_a_run_starts_from_the_base_and_sees_the_inputs_hash(script: ClassScript) -> None:
    given = attested()

    sandbox = Said({"state": {"delay": 180}, "effects": [{"kind": "http"}]})

    execution = await Runner(sandbox).apply(script, BASE, encode_input(given), NOW_MS)

    (request,) = sandbox.asked
    assert request.state == BASE.state
    assert request.seed == keccak(TOKEN.id + input_hash(given))
    assert (execution.base_version, execution.base_root) == (4, BASE.root)
    assert execution.state == b'{"delay":180}'
    assert execution.effects == (b'{"kind":"http"}',)
    assert execution.output_hash == keccak(execution.output)


async def test_a_run_that_says_nothing_leaves_the_state(script: ClassScript) -> None:
    execution = await Runner(Said(None)).apply(script, BASE, encode_input(attested()), NOW_MS)

    assert execution.state == BASE.state
    assert execution.effects == ()


@pytest.mark.parametrize("answer", [7, {"state": 7}, {"state": {}, "mine": 1}])
async def test_a_run_that_fails_is_an_outcome_that_changes_nothing(
    script: ClassScript, answer: Any
) -> None:
    execution = await Runner(Said(answer)).apply(script, BASE, encode_input(attested()), NOW_MS)

    assert execution.state == BASE.state
    assert execution.effects == ()
    assert execution.output_hash != ZERO_HASH


def asking(size: int) -> Said:
    """A script that changes the state and asks for three effects, ``size`` bytes together."""
    frame = len(b'{"body":""}')
    lengths = (size - 2 * (size // 3), size // 3, size // 3)
    effects = [{"body": "x" * (length - frame)} for length in lengths]
    return Said({"state": {"delay": 180}, "effects": effects})


async def test_a_run_that_asks_for_as_much_as_it_may_changes_the_state(
    script: ClassScript,
) -> None:
    runner = Runner(asking(MAX_EFFECT_BYTES))

    execution = await runner.apply(script, BASE, encode_input(attested()), NOW_MS)

    assert sum(map(len, execution.effects)) == MAX_EFFECT_BYTES
    assert execution.state == b'{"delay":180}'


@pytest.mark.parametrize("size", [MAX_EFFECT_BYTES + 1, 100_000])
async def test_a_run_that_asks_for_more_than_an_anchor_can_be_sent_changes_nothing(
    script: ClassScript, size: int
) -> None:
    given = encode_input(attested())
    here, elsewhere = [await Runner(asking(size)).apply(script, BASE, given, NOW_MS) for _ in "ab"]

    assert here.state == BASE.state
    assert here.effects == ()
    assert here.output_hash == keccak(here.output)
    assert here == elsewhere


def test_a_call_that_a_run_may_ask_for_fits_the_frame_that_takes_it_to_an_anchor() -> None:
    nowhere = Address(bytes(20))
    most = 2**64 - 1
    entry = JournalEntry(
        token=ZERO_HASH,
        version=most,
        lease_version=most,
        attempt=0,
        executor=nowhere,
        previous=ZERO_HASH,
        input_hash=ZERO_HASH,
        state_root=ZERO_HASH,
        output_hash=ZERO_HASH,
        time=most,
    )
    vote = ElectionVote(
        token=ZERO_HASH,
        version=most,
        attempt=0,
        executor=nowhere,
        trigger=ZERO_HASH,
        window_end=most,
    )
    signed = ((nowhere, SIGNATURE),) * 32
    each = MAX_EFFECT_BYTES // MAX_EFFECTS
    call = RouteCall(
        token=ZERO_HASH,
        index=0,
        commit=Commit(entry=entry, signatures=signed, input=bytes(MAX_INPUT_BYTES)),
        effects=(bytes(each),) * MAX_EFFECTS,
        output=bytes(224),
        lease=Lease(vote=vote, signatures=signed),
    )

    encode_frame(Frame(id=2**63 - 1, reply_to=0, body=call))


async def test_an_input_that_the_script_has_no_handler_for_is_not_run(script: ClassScript) -> None:
    sandbox = Said({"state": {}})

    execution = await Runner(sandbox).apply(script, BASE, encode_input(TIMER), NOW_MS)

    assert sandbox.asked == []
    assert execution.state == BASE.state
    assert execution.output_hash == ZERO_HASH


async def test_bytes_that_are_no_input_are_not_run(script: ClassScript) -> None:
    with pytest.raises(InputInvalid):
        await Runner(Said(None)).apply(script, BASE, b"{}", NOW_MS)


class Overloaded(TableSandbox):
    """A sandbox on a machine that cannot go on."""

    async def run(self, request: RunRequest) -> RunResult:
        return RunResult(status=Status.TIMEOUT, error="too slow here")


async def test_what_only_this_machine_could_not_do_is_no_outcome(script: ClassScript) -> None:
    runner = Runner(Overloaded(handlers={}))

    with pytest.raises(RunFailed) as raised:
        await runner.apply(script, BASE, encode_input(attested()), NOW_MS)
    assert raised.value.retryable
    with pytest.raises(RunFailed):
        await runner.read(script, BASE, "status", {}, NOW_MS // 1_000)


async def test_a_read_is_seeded_by_the_state_that_it_is_on(script: ClassScript) -> None:
    sandbox = Said({"result": {"delay": 0}})

    result = await Runner(sandbox).read(script, BASE, "status", {"lang": "en"}, NOW_MS // 1_000)

    (request,) = sandbox.asked
    assert result.result == b'{"delay":0}'
    assert request.event == b'{"lang":"en"}'
    assert request.seed == keccak(TOKEN.id + BASE.root)
    assert request.script_hash == Hash(keccak(request.script))
