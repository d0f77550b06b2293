"""How deep JSON may nest: 128, for every part, before a run and after it, inside and outside."""

import json
from dataclasses import replace

import pytest

from node.ports.sandbox import (
    MAX_NESTING,
    Mode,
    RunRequest,
    Status,
    TableSandbox,
    nested_too_deep,
    shaped,
)
from node.sandbox import runner as runners
from node.sandbox.host import HostConfig
from node.sandbox.outcome import outcome
from node.sandbox.pool import require_well_formed
from node.sandbox.runner import Runner
from settlement.types import ZERO_HASH, keccak

SCRIPT = b"export function f(state, event, context) { return { result: 1 }; }"
SHAPES = ("[%s]", '{"a":%s}', '[{"a":%s}]')


def nested(shape: str, depth: int) -> bytes:
    """``depth`` levels; ``shape`` adds one or two."""
    text, levels = "1", shape.count("[") + shape.count("{")
    for _ in range(depth // levels):
        text = shape % text
    return (f"[{text}]" if depth % levels else text).encode()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    return Runner(HostConfig(cache=folder))


def request(runner: Runner, **parts: bytes) -> RunRequest:
    plain = RunRequest(
        engine=runner.engine,
        script=SCRIPT,
        script_hash=keccak(SCRIPT),
        entry="f",
        mode=Mode.UPDATE,
        seed=ZERO_HASH,
        now=1,
        gas_limit=Mode.UPDATE.gas_limit,
    )
    return replace(plain, **parts)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", ["state", "event", "context"])
def test_each_input_may_nest_as_deep_as_allowed_and_no_deeper(
    runner: Runner, part: str, shape: str
) -> None:
    allowed = runner.run(request(runner, **{part: nested(shape, MAX_NESTING)}))
    deeper = runner.run(request(runner, **{part: nested(shape, MAX_NESTING + 1)}))
    assert (allowed.status, deeper.status) == (Status.OK, Status.TOO_NESTED)
    assert deeper.gas == 0


@pytest.mark.parametrize("part", ["state", "event", "context"])
def test_the_guest_draws_the_line_where_the_host_does(
    runner: Runner, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [request(runner, **{part: nested("[%s]", MAX_NESTING + more)}) for more in (0, 1)]
    outside = [runner.run(each).status for each in asked]
    monkeypatch.setattr(runners, "nested_too_deep", lambda _text: False)
    assert [runner.run(each).status for each in asked] == outside


@pytest.mark.parametrize("shape", SHAPES)
def test_a_text_is_measured_as_a_parser_would(shape: str) -> None:
    for depth in (1, MAX_NESTING - 1, MAX_NESTING, MAX_NESTING + 1, 5_000):
        assert nested_too_deep(nested(shape, depth)) is (depth > MAX_NESTING)


def test_brackets_in_texts_do_not_count() -> None:
    wide = json.dumps(["[" * 1_000, '\\"{{[[', {"[{" * 500: ["\u20ac[", "\\"]}]).encode()
    assert not nested_too_deep(wide)
    assert not nested_too_deep(b"[" + b",".join([b"[]"] * 1_000) + b"]")


def test_a_request_that_nests_too_deep_is_well_formed_and_an_outcome(runner: Runner) -> None:
    asked = request(runner, event=b"[" * 100_000)
    require_well_formed(asked, runner.engine)
    assert runner.run(asked).status is Status.TOO_NESTED


@pytest.mark.parametrize("line", [2, 3, 5])
def test_words_that_nest_too_deep_are_refused_though_the_guest_said_them(line: int) -> None:
    lines = [b"ok", b'""', b"", b"", b"[]", b"{}"]
    for depth, status in ((MAX_NESTING, Status.OK), (MAX_NESTING + 1, Status.TOO_NESTED)):
        lines[line] = nested('{"a":%s}', depth)
        assert outcome(b"\n".join(lines), mode=Mode.UPDATE, gas=1, pages=1).status is status


async def test_the_stand_in_has_the_same_rule() -> None:
    for depth, status in ((MAX_NESTING, Status.OK), (MAX_NESTING + 1, Status.TOO_NESTED)):
        value = json.loads(nested('{"a":%s}', depth))
        for answer in ({"result": value}, {"state": value}, {"effects": [value]}):
            assert shaped(Mode.UPDATE, answer).status is status
    sandbox = TableSandbox(handlers={"f": lambda *_: None})
    asked = RunRequest(
        engine=sandbox.engine, script=SCRIPT, script_hash=keccak(SCRIPT), entry="f",
        mode=Mode.UPDATE, seed=ZERO_HASH, now=1, gas_limit=1, event=b"[" * 129 + b"]" * 129,
    )  # fmt: skip
    assert (await sandbox.run(asked)).status is Status.TOO_NESTED
