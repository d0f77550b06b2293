"""The guest's words are judged, since a script may have tampered with what writes them."""

from dataclasses import replace

import pytest

from node.ports.sandbox import STAND_IN_ENGINE, Mode, RunResult, Status, effects_belong
from node.sandbox.outcome import outcome, request_text
from settlement.types import Hash, keccak


def judged(words: bytes, mode: Mode = Mode.UPDATE) -> RunResult:
    return outcome(words, mode=mode, gas=7, pages=30)


def test_words_in_order_become_a_result() -> None:
    result = judged(b'ok\n""\n{"a":1}\n[2]\n["said"]\n{"type":"x"}\n{"type":"y"}')
    assert result == RunResult(
        status=Status.OK,
        gas=7,
        pages=30,
        state=b'{"a":1}',
        result=b"[2]",
        logs=("said",),
        effects=(b'{"type":"x"}', b'{"type":"y"}'),
    )


def test_a_failed_run_has_its_words_and_logs_but_no_output() -> None:
    result = judged(b'error\n"Error: no"\n{"a":1}\n2\n["said"]')
    assert (result.status, result.error, result.logs) == (Status.ERROR, "Error: no", ("said",))
    assert (result.state, result.result, result.effects) == (None, None, ())


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"ok",
        b'out_of_gas\n""\n\n\n[]',
        b'timeout\n""\n\n\n[]',
        b"ok\nnot json\n\n\n[]",
        b'ok\n""\n[1]\n\n[]',
        b'ok\n""\n{"a":\n\n[]',
        b'ok\n""\n\n\n{}',
        b'ok\n""\n\n\n[]\n5',
        b'ok\n""\n\n\n[]' + b"\n{}" * 65,
        b'ok\n""\n\n\xff\n[]',
        b'ok\n"\xff"\n\n\n[]',
        b'ok\n""\n{"a":"\xff"}\n\n[]',
        b'ok\n""\n\n\n[]\n',
    ],
)
def test_words_out_of_form_are_bad_output(words: bytes) -> None:
    result = judged(words)
    assert result.status is Status.BAD_OUTPUT
    assert (result.gas, result.pages, result.state) == (7, 30, None)


def test_a_read_that_forges_a_state_is_bad_output() -> None:
    assert judged(b'ok\n""\n{}\n\n[]', Mode.READ).status is Status.BAD_OUTPUT


def test_an_output_is_measured_in_bytes() -> None:
    text = '"' + "\u20ac" * 100_000 + '"'
    assert judged(b'ok\n""\n\n' + text.encode() + b"\n[]").status is Status.TOO_BIG


def test_logs_past_their_bound_are_dropped() -> None:
    result = judged(b'ok\n""\n\n\n["' + b"x" * 9000 + b'"]')
    assert (result.status, result.logs) == (Status.OK, ())


def test_the_request_is_one_json_text_with_its_parts_as_they_came() -> None:
    text = request_text(
        entry='a"b',
        mode=Mode.READ,
        seed=bytes(range(32)),
        parts=(b'{"s":1}', b"null", b"{}"),
    )
    assert text == (
        b'{"mode":"read","seed":[50462976,117835012,185207048,252579084],"entry":"a\\"b",'
        b'"state":{"s":1},"event":null,"context":{}}'
    )


# -- what is signed about a run --------------------------------------------------------------------


def test_the_output_hash_covers_the_engine_the_gas_and_the_pages() -> None:
    result = RunResult(status=Status.OK, gas=7, pages=3, effects=(b'{"kind":"x"}',))
    changed = [replace(result, gas=8), replace(result, pages=4), replace(result, effects=())]
    hashes = {each.output_hash(STAND_IN_ENGINE) for each in (result, *changed)}
    assert len({*hashes, result.output_hash(Hash(bytes(32)))}) == 5


def test_effects_are_checked_without_the_rest_of_the_output() -> None:
    result = RunResult(status=Status.OK, gas=7, effects=(b'{"kind":"x"}',), result=b"1")
    output, whole = result.output(STAND_IN_ENGINE), result.output_hash(STAND_IN_ENGINE)
    assert effects_belong(result.effects, output, whole)
    assert not effects_belong((), output, whole)
    assert not effects_belong(result.effects, output[:192], keccak(output[:192]))
