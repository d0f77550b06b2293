"""One suite for every sandbox: the in-memory table and the pool of worker processes.

Each case is a handler twice, as a Python callable and as a script, and what both must give.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from node.ports.sandbox import Mode, RunRequest, RunResult, Sandbox, Status, TableSandbox
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.types import Hash, keccak

SCRIPT = b"""
export function lounge(state, event) {
  if (event.minutes < 120) return {};
  return { state: { ...state, pass: true }, effects: [{ type: "notify", to: "holder" }] };
}
export function answer(state) { return { result: state.gate ?? null }; }
export function throwing() { throw new TypeError("no gate"); }
export function talkative() { return { result: 1, mood: "good" }; }
export function texts() { return "a text"; }
export function listState() { return { state: [] }; }
export function looseEffects() { return { effects: ["notify"] }; }
export function manyEffects() { return { effects: Array(65).fill({}) }; }
export function huge() { return { result: "x".repeat(300000) }; }
export function silent() {}
export function numbers() { return { result: { b: 1e21, a: -0, "\\u20ac": 0.1,
                                          A: [1.0, "\\n"] } }; }
"""


def throwing(_state: object, _event: object, _context: object) -> object:
    raise TypeError("no gate")


def lounge(state: dict[str, object], event: dict[str, int], _context: object) -> object:
    if event["minutes"] < 120:
        return {}
    return {"state": {**state, "pass": True}, "effects": [{"type": "notify", "to": "holder"}]}


TABLE: dict[str, Callable[..., object]] = {
    "lounge": lounge,
    "answer": lambda state, _event, _context: {"result": state.get("gate")},
    "throwing": throwing,
    "talkative": lambda *_: {"result": 1, "mood": "good"},
    "texts": lambda *_: "a text",
    "listState": lambda *_: {"state": []},
    "looseEffects": lambda *_: {"effects": ["notify"]},
    "manyEffects": lambda *_: {"effects": [{}] * 65},
    "huge": lambda *_: {"result": "x" * 300_000},
    "silent": lambda *_: None,
    "numbers": lambda *_: {"result": {"b": 1e21, "a": -0.0, "\u20ac": 0.1, "A": [1.0, "\n"]}},
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A sandbox and how to ask it."""

    sandbox: Sandbox

    async def run(self, entry: str, mode: Mode = Mode.UPDATE, **parts: bytes) -> RunResult:
        return await self.sandbox.run(
            RunRequest(
                engine=self.sandbox.engine,
                script=SCRIPT,
                script_hash=keccak(SCRIPT),
                entry=entry,
                mode=mode,
                seed=Hash(bytes(32)),
                now=1_790_000_000,
                gas_limit=mode.gas_limit,
                **parts,
            )
        )


@pytest.fixture(scope="module", params=["table", "pool"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "table":
        yield Bench(sandbox=TableSandbox(handlers=TABLE))
        return
    async with SandboxPool(PoolConfig(workers=1)) as pool:
        yield Bench(sandbox=pool)


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_update_gives_a_new_state_and_effects_as_canonical_json(bench: Bench) -> None:
    result = await bench.run("lounge", state=b'{"z":1,"gate":"B2"}', event=b'{"minutes":180}')
    assert result.status is Status.OK
    assert result.state == b'{"gate":"B2","pass":true,"z":1}'
    assert result.effects == (b'{"to":"holder","type":"notify"}',)
    assert result.result is None


async def test_a_missing_state_means_unchanged(bench: Bench) -> None:
    result = await bench.run("lounge", state=b'{"z":1}', event=b'{"minutes":10}')
    assert (result.status, result.state, result.effects) == (Status.OK, None, ())


async def test_a_handler_may_return_nothing(bench: Bench) -> None:
    result = await bench.run("silent")
    assert (result.status, result.state, result.result) == (Status.OK, None, None)


async def test_a_read_answers_from_the_state(bench: Bench) -> None:
    result = await bench.run("answer", Mode.READ, state=b'{"gate":"B2"}')
    assert (result.status, result.result) == (Status.OK, b'"B2"')


async def test_a_read_that_asks_for_more_is_bad_output(bench: Bench) -> None:
    result = await bench.run("lounge", Mode.READ, event=b'{"minutes":180}')
    assert (result.status, result.error) == (Status.BAD_OUTPUT, "a read returns a result only")


async def test_what_a_handler_throws_is_an_error_in_words(bench: Bench) -> None:
    result = await bench.run("throwing")
    assert (result.status, result.error) == (Status.ERROR, "TypeError: no gate")


async def test_an_entry_that_is_not_exported_is_an_error(bench: Bench) -> None:
    result = await bench.run("absent")
    assert result.status is Status.ERROR
    assert result.error == "TypeError: the script exports no function absent"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("talkative", "a handler returns no other keys than state, effects and result"),
        ("texts", "a handler returns an object or nothing"),
        ("listState", "the state is an object"),
        ("looseEffects", "effects are an array of objects"),
        ("manyEffects", "a run asks for at most 64 effects"),
    ],
)
async def test_an_output_of_another_shape_is_bad_output(
    bench: Bench, entry: str, problem: str
) -> None:
    result = await bench.run(entry)
    assert (result.status, result.error) == (Status.BAD_OUTPUT, problem)


async def test_an_output_past_256_kib_is_too_big(bench: Bench) -> None:
    result = await bench.run("huge")
    assert (result.status, result.error) == (Status.TOO_BIG, "the output passes 256 KiB")


async def test_numbers_and_keys_are_written_as_rfc_8785_says(bench: Bench) -> None:
    result = await bench.run("numbers")
    assert result.result == '{"A":[1,"\\n"],"a":0,"b":1e+21,"\u20ac":0.1}'.encode()


async def test_loading_lists_the_exported_functions(bench: Bench) -> None:
    result = await bench.run("", Mode.LOAD)
    assert result.result is not None
    assert result.result.startswith(b'["answer","huge","listState",')


async def test_the_output_hash_tells_outputs_apart(bench: Bench) -> None:
    once = await bench.run("answer", Mode.READ, state=b'{"gate":"B2"}')
    again = await bench.run("answer", Mode.READ, state=b'{"gate":"B2"}')
    other = await bench.run("answer", Mode.READ, state=b'{"gate":"B3"}')
    engine = bench.sandbox.engine
    assert once.output_hash(engine) == again.output_hash(engine) != other.output_hash(engine)
