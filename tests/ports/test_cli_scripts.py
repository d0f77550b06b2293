"""``smartlayer script run``: what a developer sees of a script before any node runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "boarding_pass" / "boarding.tsml.xml"
FILLED_IN = (
    "--set=chain_id=1",
    "--set=ticket_address=0x52908400098527886E0F7030069857D2E4169EE7",
    "--set=attester=0x52908400098527886E0F7030069857D2E4169EE7",
    "--set=gate_schema=0x" + "11" * 32,
)
SCRIPT = """
function sum(many) { let all = 0; for (let i = 0; i < many; i++) all += i; return all; }
function little() { return sum(1000); }
function much() { return sum(9000); }
export async function onTimer(state, event, context) {
  console.log("due", event.due);
  const found = little();
  await null;
  return { state: { ...state, found: found + much() }, effects: [{ type: "notify" }] };
}
export function look(state) { return { result: state }; }
export function spin() { for (;;); }
export function noise() { return { result: [Math.random(), Date.now()] }; }
"""

Say = Callable[..., Any]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """Run ``script run`` on SCRIPT or on the file that is named first; its exit code and output."""
    folder = tmp_path_factory.mktemp("scripts")
    file = folder / "script.js"
    file.write_text(SCRIPT)
    runner = CliRunner(env={"XDG_CACHE_HOME": str(folder)})

    def invoke(*arguments: str, path: Path = file) -> Any:
        return runner.invoke(app, ["script", "run", str(path), *arguments])

    return invoke


def told(answer: Any) -> dict[str, Any]:
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_a_run_shows_result_state_effects_logs_gas_and_price(say: Say) -> None:
    found = told(say("--event", '{"kind":"timer","due":7}', "--state", '{"a":1}', "--json"))
    assert (found["status"], found["entry"], found["mode"]) == ("ok", "onTimer", "update")
    assert found["state"] == {"a": 1, "found": 40_995_000}
    assert found["effects"] == [{"type": "notify"}]
    assert found["logs"] == ["due 7"]
    assert found["exports"] == ["look", "noise", "onTimer", "spin"]
    assert 0 < found["gas"] < found["gas_limit"]
    assert float(found["price"]) > float(found["load_price"]) > 0


def test_the_words_for_people_hold_the_same(say: Say) -> None:
    answer = say("--event", '{"kind":"timer","due":7}')
    assert answer.exit_code == 0
    for words in ("status: ok", "logs: due 7", "gas: ", "price: 0.0", "output hash: 0x"):
        assert words in answer.stdout


def test_a_price_follows_gas_output_and_pages_at_the_default_rates(say: Say) -> None:
    found = told(say("--event", "{}", "--entry", "look", "--read", "--json"))
    parts = 10**9 * found["gas"] + 10**11 * found["output_bytes"] + 10**12 * found["pages"]
    assert round(float(found["price"]) * 10**18) == pytest.approx(parts, rel=1e-9)


def test_a_handler_is_found_by_the_events_kind_or_asked_for(say: Say) -> None:
    answer = say("--event", "{}")
    assert answer.exit_code == 2
    assert "name the function" in answer.stderr


def test_a_run_that_takes_too_long_is_told_like_any_other(say: Say) -> None:
    found = told(say("--event", "{}", "--entry", "spin", "--read", "--json"))
    assert (found["status"], found["gas"]) == ("out_of_gas", 20_000_000)


def test_the_same_question_gets_the_same_answer(say: Say) -> None:
    asked = ("--event", "{}", "--entry", "noise", "--now", "1700000000", "--json")
    assert told(say(*asked)) == told(say(*asked))
    assert told(say(*asked))["result"][1] == 1_700_000_000_000


def test_the_service_part_of_a_token_script_is_run(say: Say, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"kind":"attestation","data":{"gate":"B2"}}')
    found = told(say("--event", f"@{event}", *FILLED_IN, "--json", path=TEMPLATE))
    assert (found["mode"], found["state"]) == ("update", {"gate": "B2"})
    read = told(
        say("--event", "{}", "--entry", "gate", *FILLED_IN, "--state", '{"g":1}', "--json",
            path=TEMPLATE)
    )  # fmt: skip
    assert (read["mode"], read["result"]) == ("read", {"g": 1})


@pytest.mark.parametrize(
    ("option", "value"), [("--event", "{"), ("--event", "@/nowhere"), ("--state", "{} {}")]
)
def test_input_that_is_not_json_is_refused_with_its_option(
    say: Say, option: str, value: str
) -> None:
    given = {"--event": '{"kind":"timer"}', option: value}
    answer = say(*(part for pair in given.items() for part in pair))
    assert answer.exit_code == 2
    assert option in answer.stderr


def test_a_profile_tells_the_functions_that_take_the_gas(say: Say) -> None:
    found = told(say("--event", '{"kind":"timer"}', "--profile", "--json"))
    shares = {share["function"]: share for share in found["profile"]}
    assert found["profile"][0]["function"] == "sum"
    assert shares["sum"]["own_gas"] > 0.9 * found["gas"]
    little, much = shares["little"]["whole_gas"], shares["much"]["whole_gas"]
    assert little + much == pytest.approx(shares["sum"]["whole_gas"], rel=0.02)
    assert much / little == pytest.approx(9, rel=0.2)


def test_a_profile_of_an_endless_run_shows_where_it_spins(say: Say) -> None:
    found = told(say("--event", "{}", "--entry", "spin", "--read", "--profile", "--json"))
    assert found["profile"][0]["function"] == "spin"
    shown = say("--event", "{}", "--entry", "spin", "--read", "--profile")
    assert "own gas" in shown.stdout
    assert "spin" in shown.stdout
