"""The commands' own manners: options, amounts, output, exit codes, scripts without a network."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from typer.testing import CliRunner

from node.cli import app
from node.client.grants import load_grant
from node.commands import terminal
from node.commands.desk import token_amount
from node.commands.options import token_of
from node.commands.signing import typed_fields
from node.commands.terminal import Declined, Terminal, exit_code, plain
from node.commands.tokens import pairs
from node.errors import GrantMissing, PeerUnreachable
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import LIGHT_SCRYPT_COST, create_keystore, write_password
from settlement.errors import InputError, SmartLayerError, StoreFailed
from settlement.ports.chain_errors import CallReverted, RpcUnreachable
from settlement.types import Address, checksum

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "boarding_pass" / "boarding.tsml.xml"
SOMEBODY = "0x52908400098527886E0F7030069857D2E4169EE7"
SCHEMA = "string flightNumber,string gate"
REVERTED = CallReverted(purpose="p", contract=None, error="E", arguments="", explanation="e")

Say = Callable[..., Any]


@pytest.fixture
def say() -> Say:
    """Run a command; its exit code and output."""
    runner = CliRunner()

    def invoke(*arguments: str) -> Any:
        return runner.invoke(app, list(arguments))

    return invoke


@pytest.fixture
def issuer(tmp_path: Path) -> tuple[Path, Path, Address]:
    password = write_password(tmp_path / "issuer.pw")
    key = create_keystore(tmp_path / "issuer.json", password, cost=LIGHT_SCRYPT_COST)
    return tmp_path / "issuer.json", tmp_path / "issuer.pw", key


def leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    lister: Any = getattr(command, "list_commands", None)
    if lister is None:
        yield path, command
        return
    for name in lister(None):
        member: Any = command.get_command(None, name)  # type: ignore[attr-defined]  # a group's
        assert member is not None
        yield from leaves(member, f"{path} {name}")


def chain_commands() -> dict[str, set[str]]:
    found = leaves(typer.main.get_command(app), "smartlayer")
    return {
        path: {option for each in command.params for option in each.opts}
        for path, command in found
        if path.startswith("smartlayer chain ")
    }


def test_every_command_that_spends_can_be_rehearsed_and_asked_in_json() -> None:
    spending = {path: options for path, options in chain_commands().items() if "--yes" in options}
    assert len(spending) >= 18
    shared = {"--rpc-url", "--deployment", "--keystore", "--password-file", "--dry-run", "--json"}
    assert {path: shared - options for path, options in spending.items() if shared - options} == {}


def test_a_command_that_only_looks_asks_for_no_key() -> None:
    looking = {path for path, options in chain_commands().items() if "--keystore" not in options}
    assert {"smartlayer chain rent quote", "smartlayer chain credit show"} <= looking


def test_every_command_and_every_option_is_explained() -> None:
    groups = ("smartlayer chain", "smartlayer token", "smartlayer grant", "smartlayer attest")
    ours = [
        (path, command)
        for path, command in leaves(typer.main.get_command(app), "smartlayer")
        if path.startswith(groups)
    ]
    assert [path for path, command in ours if not command.help] == []
    options = [(path, option) for path, command in ours for option in command.params]
    assert [(path, o.name) for path, o in options if not getattr(o, "help", None)] == []


@pytest.mark.parametrize(
    ("text", "units"),
    [("1", 10**18), ("0.000000000000000001", 1), ("1,250.5", 1_250_500 * 10**15), ("0", 0)],
)
def test_an_amount_is_a_decimal_number_of_tokens(text: str, units: int) -> None:
    assert token_amount(text) == units


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1.0000000000000000001", ".5", "one", "1.", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        token_amount(text)


def test_a_token_is_named_by_its_path() -> None:
    token = token_of(f"31337/{SOMEBODY}/7")
    assert (token.chain_id, checksum(token.contract), token.number) == (31_337, SOMEBODY, 7)


@pytest.mark.parametrize("text", ["", "1/2", f"x/{SOMEBODY}/7", f"1/{SOMEBODY}/-7", "1/0x12/7"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        token_of(text)


def test_values_are_shown_as_programs_want_them() -> None:
    shown = plain(
        {"who": bytes(20), "what": b"\x01", "small": 7, "large": 2**53, "list": (1, None)}
    )
    assert shown == {
        "who": "0x" + "00" * 20,
        "what": "0x01",
        "small": 7,
        "large": str(2**53),
        "list": [1, None],
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError(where="--amount", problem="it is zero"), terminal.INPUT),
        (
            CallReverted(purpose="p", contract=None, error="E", arguments="", explanation="e"),
            terminal.REFUSED,
        ),
        (GrantMissing(token=b"", interface="gate"), terminal.REFUSED),
        (RpcUnreachable(endpoint="e", problem="p"), terminal.UNREACHABLE),
        (PeerUnreachable(peer=b"", problem="p"), terminal.UNREACHABLE),
        (SmartLayerError(), terminal.OTHER),
    ],
)
def test_an_exit_code_tells_whose_turn_it_is(error: SmartLayerError, code: int) -> None:
    assert exit_code(error) == code


def test_a_store_that_may_recover_counts_as_not_reached() -> None:
    assert exit_code(StoreFailed(problem="full")) == terminal.UNREACHABLE


def test_nothing_is_sent_where_nobody_can_be_asked() -> None:
    with pytest.raises(Declined):
        Terminal().confirm("Send?")
    with pytest.raises(Declined):
        Terminal(as_json=True).confirm("Send?")
    Terminal(yes=True).confirm("Send?")


def test_a_wrong_address_is_a_usage_error_in_words(say: Say) -> None:
    wrong = say("chain", "credit", "show", "--account", "0x12", "--rpc-url", "http://127.0.0.1:1")
    assert wrong.exit_code == 2
    assert "--account" in wrong.output


def test_a_deployment_that_is_not_there_is_an_input_error(say: Say, tmp_path: Path) -> None:
    arguments = ("--rpc-url", "http://127.0.0.1:1", "--deployment", str(tmp_path / "none.json"))
    missing = say("chain", "credit", "show", "--account", SOMEBODY, *arguments, "--json")
    assert missing.exit_code == terminal.INPUT
    assert json.loads(missing.output)["error"]["code"] == "SL-1000"


def test_a_script_is_built_signed_verified_and_described(
    say: Say, tmp_path: Path, issuer: tuple[Path, Path, Address]
) -> None:
    keystore, password_file, key = issuer
    built, signed = tmp_path / "built.xml", tmp_path / "signed.xml"
    uid = json.loads(say("token", "schema", SCHEMA, "--json").output)["uid"]
    values = {"chain_id": "1", "ticket_address": SOMEBODY, "attester": SOMEBODY, "gate_schema": uid}
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    assert say("token", "build", str(TEMPLATE), *sets, "--output", str(built)).exit_code == 0
    key_options = ("--keystore", str(keystore), "--password-file", str(password_file))
    made = say("token", "sign", str(built), *key_options, "--output", str(signed), "--json")
    assert json.loads(made.output)["signer"] == checksum(key)
    found = json.loads(say("token", "verify", str(signed), "--json").output)
    assert (found["signer"], found["service_part"]) == (checksum(key), True)
    told = json.loads(say("token", "describe", str(signed), "--json").output)
    assert told["reads"] == [{"name": "gate", "access": "granted", "price": "read"}]
    assert told == json.loads(say("token", "describe", str(built), "--json").output)


def test_an_altered_script_is_refused_by_its_code(
    say: Say, tmp_path: Path, issuer: tuple[Path, Path, Address]
) -> None:
    keystore, password_file, _ = issuer
    museum = (ROOT / "tests" / "vectors" / "tsml" / "museum_pass.signed.xml").read_bytes()
    altered = tmp_path / "altered.xml"
    altered.write_bytes(museum.replace(b"Museum", b"Musaum", 1))
    refused = say("token", "verify", str(altered), "--json")
    assert refused.exit_code == terminal.REFUSED
    assert json.loads(refused.output)["error"]["code"].startswith("SL-40")
    key_options = ("--keystore", str(keystore), "--password-file", str(password_file))
    again = say("token", "sign", str(altered), *key_options, "--output", str(tmp_path / "x"))
    assert again.exit_code == terminal.REFUSED


def test_no_file_is_overwritten(say: Say, tmp_path: Path) -> None:
    taken = tmp_path / "taken.xml"
    taken.write_text("precious")
    plain_template = tmp_path / "plain.xml"
    plain_template.write_bytes((ROOT / "tests/vectors/tsml/museum_pass.xml").read_bytes())
    refused = say("token", "build", str(plain_template), "--output", str(taken))
    assert refused.exit_code == terminal.INPUT
    assert taken.read_text() == "precious"


def test_a_grant_comes_back_as_the_holder_signed_it(
    say: Say, tmp_path: Path, issuer: tuple[Path, Path, Address]
) -> None:
    keystore, password_file, holder = issuer
    names = Deployment.__dataclass_fields__
    numbers = {"chain_id": 31_337, "first_block": 1}
    contracts = {name: Address(bytes([7] * 20)) for name in names if name not in numbers}
    deployment = Deployment(**numbers, **contracts)  # type: ignore[arg-type]  # fields by name
    deployment.save(tmp_path / "network.json")
    signed = say(
        *("grant", "sign", "--token", f"31337/{SOMEBODY}/1", "--integration", SOMEBODY),
        *("--interface", "gate", "--interface", "flight", "--purpose", "show the gate"),
        *("--deployment", str(tmp_path / "network.json"), "--output", str(tmp_path / "g.json")),
        *("--keystore", str(keystore), "--password-file", str(password_file)),
    )
    assert signed.exit_code == 0, signed.output
    grant = load_grant(tmp_path / "g.json")
    grant.require(deployment.domain, holder)
    assert grant.message.interfaces == ("gate", "flight")


def test_fields_of_an_attestation_are_read_as_their_schema_says() -> None:
    schema = "string a,uint64 b,bool c,uint8[] d"
    texts = {"a": "x", "b": "18446744073709551615", "c": "true", "d": "[1, 2]"}
    assert typed_fields(schema, texts) == {
        "a": "x",
        "b": "18446744073709551615",
        "c": True,
        "d": [1, 2],
    }
    with pytest.raises(InputError):
        typed_fields(schema, {"c": "maybe"})


@pytest.mark.parametrize("texts", [["a"], ["=b"], ["a=1", "a=2"]])
def test_a_pair_has_a_name_and_comes_once(texts: list[str]) -> None:
    with pytest.raises(InputError):
        pairs(texts, "--set")
