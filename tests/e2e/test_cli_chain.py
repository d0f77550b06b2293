"""The chain commands on a real chain: quotes, rehearsals, refusals in words, and what they did."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from settlement.chain.keystore import LIGHT_SCRYPT_COST, create_keystore, write_password
from settlement.types import checksum

PEOPLE = ("founder", "operator", "node", "issuer", "payer", "session")
START_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A chain with a network on it, and people with keys; ``say`` runs a command as one of them."""

    folder: Path
    rpc_url: str
    addresses: dict[str, str]

    def run(self, who: str | None, *arguments: str) -> Any:
        network = ("--rpc-url", self.rpc_url, "--deployment", str(self.folder / "network.json"))
        files = (str(self.folder / f"{who}.json"), str(self.folder / f"{who}.pw"))
        key = () if who is None else ("--keystore", files[0], "--password-file", files[1])
        return CliRunner().invoke(app, ["chain", *arguments, *network, *key])

    def do(self, who: str, *arguments: str) -> dict[str, Any]:
        """Act; the result as JSON, once it has succeeded."""
        done = self.run(who, *arguments, "--yes", "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.output)
        return found

    def look(self, *arguments: str) -> dict[str, Any]:
        shown = self.run(None, *arguments, "--json")
        assert shown.exit_code == 0, shown.output
        found: dict[str, Any] = json.loads(shown.output)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(process: "subprocess.Popen[str]") -> None:
    """Wait until the chain says where it is; by then it has given its coins away."""
    assert process.stdout is not None
    began = time.monotonic()
    line = process.stdout.readline()
    assert "http://127.0.0.1" in line, f"after {time.monotonic() - began:.0f} s: {line}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder, port = tmp_path_factory.mktemp("town"), free_port()
    addresses = {}
    for who in PEOPLE:
        password = write_password(folder / f"{who}.pw")
        key = create_keystore(folder / f"{who}.json", password, cost=LIGHT_SCRYPT_COST)
        addresses[who] = checksum(key)
    fund = [part for who in PEOPLE[:-1] for part in ("--fund", addresses[who])]
    process = subprocess.Popen(
        [sys.executable, "-m", "node.cli", "chain", "local", "--port", str(port), *fund],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        wait_for(process)
        found = Town(folder=folder, rpc_url=f"http://127.0.0.1:{port}", addresses=addresses)
        found.do("founder", "deploy", "--period-length", "600")
        for who in ("operator", "issuer", "payer"):
            found.do("founder", "pay", "--receiver", addresses[who], "--amount", "1000")
        stake = ("--amount", "30000", "--unit", "stk")
        found.do("founder", "pay", "--receiver", addresses["operator"], *stake)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_S)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def registered(town: Town) -> Callable[..., tuple[str, ...]]:
    """The operator's registration, made once; gives its arguments."""

    def arguments(roles: str = "service,anchor") -> tuple[str, ...]:
        return (
            *("register", "--node-keystore", str(town.folder / "node.json")),
            *("--node-password-file", str(town.folder / "node.pw"), "--roles", roles),
            *("--api-url", "http://127.0.0.1:1", "--link-url", "wss://127.0.0.1:2"),
        )

    town.do("operator", *arguments())
    return arguments


@pytest.fixture(scope="module")
def contract(town: Town) -> str:
    made = str(town.do("issuer", "ticket", "deploy")["contract"])
    script = ("--script-hash", "0x" + "11" * 32, "--script-uri", "https://airline.example/t.xml")
    town.do("issuer", "class", "register", "--token", made, *script, "--share", "500")
    return made


def test_a_rehearsal_shows_quote_calls_and_gas_and_sends_nothing(town: Town, contract: str) -> None:
    rent = ("--token", contract, "--instances", "5", "--periods", "2")
    shown = town.run("issuer", "rent", "start", *rent, "--dry-run", "--json")
    found = json.loads(shown.output)
    assert found["takes"] == {"amount": str(10**18), "unit": "SVC"}
    assert found["gas_of_the_first"] > 21_000
    assert [call["data"][:2] for call in found["calls"]] == ["0x", "0x"]
    assert town.look("rent", "show", "--token", contract)["state"] == "none"


def test_without_a_yes_nothing_is_sent(town: Town, contract: str) -> None:
    rent = ("--token", contract, "--instances", "5", "--periods", "2")
    assert town.run("issuer", "rent", "start", *rent, "--json").exit_code == 5
    assert town.look("rent", "show", "--token", contract)["state"] == "none"


def test_rent_is_quoted_started_topped_up_and_shown(town: Town, contract: str) -> None:
    rent = ("--token", contract, "--instances", "5", "--periods", "2")
    assert town.look("rent", "quote", *rent)["price"] == "1 SVC"
    town.do("issuer", "rent", "start", *rent)
    first = town.look("rent", "show", "--token", contract)
    town.do("payer", "rent", "top-up", "--token", contract, "--periods", "3")
    later = town.look("rent", "show", "--token", contract)
    assert (first["state"], later["state"]) == ("active", "active")
    assert later["paid_until"] > first["paid_until"]


def test_a_class_gets_a_new_script_and_a_new_share(town: Town, contract: str) -> None:
    script = ("--script-hash", "0x" + "22" * 32, "--script-uri", "https://airline.example/2.xml")
    done = town.do("issuer", "class", "publish", "--token", contract, *script)
    assert done["events"][0]["script_hash"] == "0x" + "22" * 32
    town.do("issuer", "class", "share", "--token", contract, "--share", "700")
    shown = town.look("class", "show", "--token", contract)
    assert shown["class"]["script_hash"] == "0x" + "22" * 32


def test_only_the_contracts_owner_registers_and_is_told_so(town: Town, contract: str) -> None:
    script = ("--script-hash", "0x" + "33" * 32, "--script-uri", "https://other.example/t.xml")
    refused = town.run("payer", "class", "publish", "--token", contract, *script, "--yes", "--json")
    error = json.loads(refused.output)["error"]
    assert refused.exit_code == 3
    assert error["code"] == "SL-7001"
    assert "is neither owner nor administrator of the token contract" in error["fix"]


def test_a_key_is_registered_once(town: Town, registered: Callable[..., tuple[str, ...]]) -> None:
    refused = town.run("operator", *registered(), "--yes", "--json")
    assert refused.exit_code == 3
    assert "is registered already, by" in json.loads(refused.output)["error"]["fix"]


def test_an_account_without_the_stake_is_told_what_it_lacks(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    refused = town.run("payer", *registered("service"), "--yes", "--json")
    assert refused.exit_code == 2
    assert "base units of STK" in json.loads(refused.output)["error"]["fix"]


def test_a_role_that_does_not_exist_is_an_input_error(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    assert town.run("operator", *registered("king"), "--yes", "--json").exit_code == 2


def test_stake_is_added_thawed_and_not_withdrawn_too_early(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    node = ("--node", town.addresses["node"])
    town.do("operator", "stake", "add", *node, "--amount", "700")
    town.do("operator", "stake", "thaw", *node, "--amount", "200")
    shown = town.look("stake", "show", *node)["node"]
    assert (shown["stake"], shown["thawing"]) == (str(10_500 * 10**18), str(200 * 10**18))
    early = town.run("operator", "stake", "withdraw", *node, "--yes", "--json")
    assert early.exit_code == 3
    assert "thaws until" in json.loads(early.output)["error"]["fix"]
    assert town.look("stake", "list")["count"] == 1


def test_a_channel_is_opened_filled_and_asked_back(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    signer = ("--signer", town.addresses["session"])
    anchor = ("--anchor", town.addresses["node"])
    town.do("payer", "channel", "open", *signer, *anchor, "--amount", "5")
    town.do("payer", "channel", "top-up", *signer, "--amount", "2.5")
    town.do("payer", "channel", "request", *signer, "--amount", "1")
    shown = town.look("channel", "show", *signer)["channel"]
    assert shown["balance"] == str(75 * 10**17)
    assert shown["withdrawal_amount"] == str(10**18)
    again = town.run("payer", "channel", "open", *signer, *anchor, "--amount", "5", "--yes")
    assert again.exit_code == 2
    early = town.run("payer", "channel", "withdraw", *signer, "--yes", "--json")
    assert early.exit_code == 3


def test_credit_that_is_not_there_is_not_withdrawn(town: Town) -> None:
    account = ("--account", town.addresses["operator"])
    assert town.look("credit", "show", *account)["credit"] == "0 SVC"
    refused = town.run("operator", "credit", "withdraw", "--amount", "1", "--yes", "--json")
    assert refused.exit_code == 3


def test_an_account_without_coins_is_told_so(town: Town) -> None:
    paid = ("pay", "--receiver", town.addresses["payer"], "--amount", "0")
    refused = town.run("session", *paid, "--yes", "--json")
    assert refused.exit_code == 4
    assert json.loads(refused.output)["error"]["code"] == "SL-7011"


def test_the_period_and_an_accounts_purse_are_shown(town: Town) -> None:
    period = town.look("period")
    assert period["period"] >= 0
    assert "Period" in period["next"][0]
    shown = town.look("account", "--account", town.addresses["issuer"])
    assert shown["service tokens"].endswith("SVC")


def test_an_endpoint_that_is_down_is_not_reached(town: Town) -> None:
    nowhere = Town(
        folder=town.folder, rpc_url=f"http://127.0.0.1:{free_port()}", addresses=town.addresses
    )
    failed = nowhere.run(None, "period", "--json")
    assert failed.exit_code == 4
    assert json.loads(failed.output)["error"]["retryable"] is True


def test_a_port_that_is_taken_is_not_taken_twice(town: Town) -> None:
    port = town.rpc_url.rpartition(":")[2]
    refused = CliRunner().invoke(app, ["chain", "local", "--port", port])
    assert refused.exit_code == 2
    assert "something listens" in refused.output


def test_a_node_changes_its_payout_commission_and_address(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    node = ("--node", town.addresses["node"])
    moved = ("--api-url", "https://node.example", "--link-url", "wss://node.example/link")
    town.do("operator", "node", "move", *node, *moved)
    town.do("operator", "node", "payout", *node, "--payout", town.addresses["payer"])
    town.do("operator", "node", "commission", *node, "--commission", "500")
    found = town.look("stake", "list")["nodes"][0]
    assert found["api_url"] == "https://node.example"
    early = town.run("operator", "node", "apply-commission", *node, "--yes", "--json")
    assert early.exit_code == 3


def test_stake_is_delegated_to_a_node_and_its_terms_are_shown(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    node = ("--node", town.addresses["node"])
    shown = town.run("operator", "delegation", "stake", *node, "--amount", "3", "--dry-run")
    assert "of the rewards" in shown.output
    town.do("operator", "delegation", "stake", *node, "--amount", "3")
    account = ("--account", town.addresses["operator"])
    assert town.look("delegation", "show", *node, *account)["active"] == "3 STK"
    nothing = town.run("payer", "delegation", "take-back", *node, "--yes", "--json")
    assert nothing.exit_code == 2
    assert "delegates nothing" in json.loads(nothing.output)["error"]["fix"]
    assert town.look("rewards", "show", *node)["due to the node"] == "0 SVC"


def test_anchors_are_approved_and_shown(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    node = town.addresses["node"]
    town.do("operator", "anchors", "approve", "--anchor", node)
    account = ("--account", town.addresses["operator"])
    assert town.look("anchors", "ballot", *account)["approves"] == [node]
    assert town.look("anchors", "show")["serving"] == [node]
    power = town.look("govern", "power", *account)
    assert power["votes with what it staked"] == town.addresses["operator"]


def test_only_the_guardian_pulls_the_brake(town: Town) -> None:
    assert town.look("brake", "show")["new money"] == "let in"
    refused = town.run("payer", "brake", "pull", "--reason", "drill", "--yes", "--json")
    assert refused.exit_code == 3
    long = town.run("payer", "brake", "pull", "--reason", "x" * 33, "--yes", "--json")
    assert long.exit_code == 2


def test_a_period_that_nobody_settled_is_shown_as_such(
    town: Town, registered: Callable[..., tuple[str, ...]]
) -> None:
    pot = ("--anchor", town.addresses["node"], "--period", "0")
    assert town.look("settle", "status", *pot)["pot"]["status"] == "open"
    refused = town.run("operator", "settle", "release-bond", *pot, "--yes", "--json")
    assert refused.exit_code == 3


def test_a_file_of_rows_with_a_bad_field_names_it(town: Town, tmp_path: Path) -> None:
    rows = tmp_path / "uptimes.json"
    rows.write_text(json.dumps([{"token_class": "0x" + "1" * 64, "signatures": ["0x12"]}]))
    earn = ("rent", "earn", "--node", town.addresses["node"], "--period", "0")
    refused = town.run("operator", *earn, "--uptimes", str(rows), "--yes", "--json")
    assert refused.exit_code == 2
    assert "[0].signatures[0]" in json.loads(refused.output)["error"]["fix"]


def test_proposals_are_told_in_words_before_they_are_made(town: Town, tmp_path: Path) -> None:
    def rehearsed(kind: str, *words: str) -> list[str]:
        shared = ("--why", "because", "--file", str(tmp_path / "p.json"), "--dry-run", "--json")
        done = town.run("founder", "govern", f"propose-{kind}", *words, *shared)
        assert done.exit_code == 0, done.output
        found: list[str] = json.loads(done.output)["does"]
        return found

    payer = town.addresses["payer"]
    assert rehearsed("terms", "--set", "rent_price=0.2") == ["rent price 0.1 → 0.2 SVC"]
    assert "→ 0.5 SVC" in rehearsed("rates", "--set", "read_gas=0.5")[0]
    assert "→ 12.5 %" in rehearsed("penalties", "--set", "reward=12.5%")[0]
    assert rehearsed("mint", "--receiver", payer, "--amount", "7") == [f"mint 7 SVC for {payer}"]
    assert "emergency brake" in rehearsed("guardian", "--guardian", payer)[0]
    assert "give stakers 30 %" in rehearsed("fees", "--treasury", payer, "--stakers", "3000")[0]
    assert "veto case" in rehearsed("veto", "--case", "0x" + "11" * 32)[0]
    wrong = ("--why", "w", "--file", str(tmp_path / "q.json"), "--yes", "--json")
    refused = town.run("founder", "govern", "propose-rates", "--set", f"treasury={payer}", *wrong)
    assert refused.exit_code == 2


def test_a_proposals_file_is_not_overwritten_by_another(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "proposal.json"
    file.write_text("{}")
    proposal = ("--set", "rent_price=0.2", "--why", "dearer", "--file", str(file))
    refused = town.run("founder", "govern", "propose-terms", *proposal, "--yes", "--json")
    assert refused.exit_code == 2
    assert "keeps something else" in json.loads(refused.output)["error"]["fix"]
    assert file.read_text() == "{}"
    unread = town.run("founder", "govern", "queue", "--file", str(file), "--yes", "--json")
    assert "is no proposal" in json.loads(unread.output)["error"]["fix"]


def test_a_script_is_priced_at_the_rates_of_the_network(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "script.js"
    file.write_text("export function look() { return { result: 1 }; }")
    asked = ("script", "run", str(file), "--event", "{}", "--entry", "look", "--read", "--json")
    network = ("--rpc-url", town.rpc_url, "--deployment", str(town.folder / "network.json"))
    here, there = (
        json.loads(CliRunner(env={"XDG_CACHE_HOME": str(tmp_path)}).invoke(app, each).output)
        for each in (asked, (*asked, *network))
    )
    assert (here["rates"], there["rates"]) == ("those of a new network", "the network's")
    assert here["price"] == there["price"], "this one has just begun"
