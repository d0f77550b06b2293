"""Random and mutated input for the execution API and for what reads a script's effects.

A second or so for each target; SMARTLAYER_FUZZ_SECONDS sets how long each is worked on, and
SMARTLAYER_FUZZ_SEED where it begins. A failure shows the input that caused it.
"""

import json
import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.actions import MAX_OPEN, due_timers, opened
from node.core.canonical import object_from_bytes, to_bytes
from node.core.journal import JournalState, Queued
from node.devnet.rehearsal_people import People
from node.errors import EffectRefused, NotCanonical
from node.ports.sandbox import Mode, RunRequest, RunResult, Status, effects_belong
from node.sandbox import wire
from node.sandbox.host import HostConfig
from node.sandbox.outcome import outcome
from node.sandbox.pool import PoolConfig, SandboxPool, require_well_formed
from node.sandbox.pure import pure
from node.sandbox.runner import BRIEF, Runner
from node.services.calling import action_call
from node.services.chain_view import ClassView, PublishedScript
from node.services.script_library import ClassScript, trusted_script
from settlement.errors import InputError
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, keccak

SECONDS = float(os.environ.get("SMARTLAYER_FUZZ_SECONDS", "1"))
SEED = int(os.environ.get("SMARTLAYER_FUZZ_SEED", "5"))
GROWTH_KB = 200 * 1024
SCRIPTS = [
    part.split("\n", 1)[1].encode()
    for file in sorted((Path(__file__).parent / "scripts").glob("*.js"))
    for part in file.read_text().split("//= ")[1:]
]
SEEDS = (
    b'{"kind":"http","action":"book","url":"https://hotel.example/x","method":"POST","body":{}}',
    b'{"kind":"timer","name":"gate","at":1700000000}',
    b'{"a":[1,-0.5,1e21,"\\u0000\\ud83d\\ude00",null,true,{"":{}}]}',
)
PIECES = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\u", b"\\ud800", b"null", b"1e999", b"-0",
    b"9007199254740993", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b'"kind":"http"', b'"action":[]',
    b'"at":{}', b'"name":' + b'"' + b"n" * 30_000 + b'"', b"[" * 600, b'{"a":' * 600, b"0" * 5_000,
)  # fmt: skip

pytestmark = pytest.mark.timeout(120 + 2 * SECONDS)


def rounds() -> Iterator[random.Random]:
    """One generator, again and again until the time is over; at least a hundred times."""
    chance, end, count = random.Random(SEED), time.monotonic() + SECONDS, 0
    while count < 100 or time.monotonic() < end:
        yield chance
        count += 1


def mutated(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut out, doubled, or a nasty piece put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(changed))
        match chance.randint(0, 4):
            case 0 if changed:
                changed[at % len(changed)] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 20)]
            case 2:
                changed[at:at] = changed[at : at + 40]
            case 3:
                changed[at:at] = chance.choice(PIECES)
            case _:
                changed = bytearray(chance.choice(SEEDS)) + changed
    return bytes(changed)


def json_value(chance: random.Random, depth: int = 3) -> object:
    """Any JSON value, likely with the keys and kinds that are looked for."""
    match chance.randint(0, 7 if depth else 4):
        case 0:
            return chance.choice([0, -1, 1.5, 2**53 - 1, 1e300, -0.0])
        case 1:
            return chance.choice(["http", "timer", "book", "", "x" * 40_000, "\u20ac", "POST"])
        case 2:
            return chance.choice([None, True, False])
        case 3 | 4:
            return "https://hotel.example/bookings/1"
        case 5:
            return [json_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        case _:
            keys = ("kind", "action", "name", "at", "url", "method", "body", "z")
            chosen = chance.sample(keys, chance.randint(0, len(keys)))
            return {key: json_value(chance, depth - 1) for key in chosen}


def effect(chance: random.Random) -> bytes:
    """An effect as a sandbox may return one: a canonical JSON object, most often of a kind."""
    value = json_value(chance)
    asked = value if isinstance(value, dict) else {"action": value, "name": value, "at": value}
    if chance.random() < 0.8:
        asked["kind"] = chance.choice(["http", "timer"])
    return to_bytes(asked)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def runner(cache: Path) -> Runner:
    return Runner(HostConfig(cache=cache), BRIEF)


def request(engine: Hash, script: bytes, **changes: object) -> RunRequest:
    fields: dict[str, object] = {
        "engine": engine,
        "script": script,
        "script_hash": keccak(script),
        "entry": "f",
        "mode": Mode.UPDATE,
        "seed": ZERO_HASH,
        "now": 1,
        "gas_limit": 1_000_000,
    }
    return RunRequest(**{**fields, **changes})  # type: ignore[arg-type]


def resident_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# -- the execution API -------------------------------------------------------------------------


def test_mutated_scripts_end_in_a_result_and_leave_no_memory(runner: Runner) -> None:
    before = resident_kb()
    for chance in rounds():
        script = mutated(chance, chance.choice(SCRIPTS))
        result = runner.run(request(runner.engine, script))
        assert result.status is not Status.NODE_FAULT, script
        assert result.gas <= BRIEF.load, script
    assert resident_kb() - before < GROWTH_KB


def test_mutated_requests_are_refused_or_end_in_a_result(runner: Runner) -> None:
    before = resident_kb()
    script = b"export function f(...inputs) { return { result: inputs }; }"
    for chance in rounds():
        parts = {name: mutated(chance, chance.choice(SEEDS)) for name in ("state", "event")}
        entry = mutated(chance, b"f").decode(errors="surrogateescape")
        asked = request(
            runner.engine,
            script,
            entry=entry if chance.random() < 0.3 else "f",
            mode=chance.choice(list(Mode)),
            now=chance.choice([0, 1, -1, 2**31, 2**33, 2**70]),
            gas_limit=chance.choice([0, 1, 10**6, 2 * 10**8, 2**70]),
            **parts,
        )
        try:
            require_well_formed(asked, runner.engine)
        except InputError:
            continue
        assert runner.run(asked).status is not Status.NODE_FAULT, asked
    assert resident_kb() - before < GROWTH_KB


async def test_the_pool_outlives_whatever_it_is_asked(cache: Path) -> None:
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        good = request(pool.engine, b"export function f() { return { result: 1 }; }")
        expected = await pool.run(good)
        assert expected.result == b"1"
        for chance in rounds():
            script = mutated(chance, chance.choice(SCRIPTS))
            event = mutated(chance, chance.choice(SEEDS))
            try:
                result = await pool.run(
                    request(pool.engine, script, event=event, now=chance.choice([0, -1, 2**62]))
                )
            except InputError:
                continue
            assert result.status.billable, script
        assert await pool.run(good) == expected


def test_frames_out_of_form_raise_decode_errors_only() -> None:
    whole = wire.frame(request(ZERO_HASH, b"x"))[4:]
    answer = wire.frame(RunResult(status=Status.OK, state=b"{}", logs=("a",)))[4:]
    for chance in rounds():
        for read, data in ((wire.read_request, whole), (wire.read_result, answer)):
            with suppress(msgspec.DecodeError):
                read(mutated(chance, data))  # type: ignore[operator]


@given(st.binary(max_size=300), st.sampled_from(list(Mode)))
def test_any_words_of_a_guest_are_a_result(words: bytes, mode: Mode) -> None:
    assert outcome(words, mode=mode, gas=1, pages=1).gas == 1


def test_mutated_words_of_a_guest_are_a_result_within_bounds() -> None:
    words = b'ok\n""\n{"a":1}\n[2]\n["said"]\n{"type":"x"}'
    for chance in rounds():
        result = outcome(mutated(chance, words), mode=Mode.UPDATE, gas=1, pages=1)
        for part in (*result.effects, result.state):
            assert part is None or isinstance(json.loads(part, parse_int=float), dict)
        assert len(result.error) <= 512
        assert effects_belong(
            result.effects, result.output(ZERO_HASH), result.output_hash(ZERO_HASH)
        )


@given(st.binary(max_size=300))
def test_any_text_to_the_pure_functions_is_answered(text: bytes) -> None:
    assert len(pure(text)) <= 64


# -- effects -----------------------------------------------------------------------------------

STATE = JournalState(token=keccak(b"token"), version=3, attempt_limits={"book": 2, "POST": 1})
SOURCE = Queued(hash=ZERO_HASH, data=b"", strand="s", place=0, trigger=ZERO_HASH, trigger_ms=1)


def test_whatever_a_run_asks_for_opens_what_can_be_carried_out() -> None:
    for chance in rounds():
        asked = tuple(effect(chance) for _ in range(chance.randint(0, 64)))
        if chance.random() < 0.2:
            asked = (*asked, mutated(chance, chance.choice(SEEDS)))
        after = opened(STATE, SOURCE, asked)
        assert len(after.actions) <= MAX_OPEN, asked
        assert len(after.timers) <= MAX_OPEN, asked
        assert all(action.action in STATE.attempt_limits for action in after.actions)
        assert len(due_timers(after, 2**63)) == len(after.timers)


def test_effects_that_are_not_canonical_objects_are_refused_as_such() -> None:
    for chance in rounds():
        data = mutated(chance, chance.choice(SEEDS))
        try:
            value = object_from_bytes(data)
        except NotCanonical:
            continue
        assert to_bytes(value) == data


def test_calls_are_made_of_declared_actions_only() -> None:
    script = ticket()
    allowed = 0
    for chance in rounds():
        try:
            call = action_call(script, effect(chance), ZERO_HASH)
        except EffectRefused:
            continue
        allowed += 1
        assert call.action.allows(call.http.url, call.http.method)
    assert allowed == 0, "no fuzzed effect names an action and an address of the ticket"


def ticket() -> ClassScript:
    people = People(Domain.of(31_337, Address(bytes(20))), 31_337)
    view = ClassView(
        token_class=people.token_class,
        issuer=people.airline.address,
        payout=people.airline.address,
    )
    published = PublishedScript(
        block=1, uri="https://airline.example/t", hash=keccak(people.script)
    )
    return trusted_script(people.script, view, published)
