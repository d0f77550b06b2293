"""The operator's ape scripts, as processes, against a chain given by its RPC address and an
account given by its alias, as on a testnet."""

import asyncio
import importlib.util
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from settlement.chain.calls import create_ticket_contract
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import LIGHT_SCRYPT_COST, create_keystore, load_key, write_password
from settlement.chain.local import LocalChain, find_anvil
from settlement.protocol.merkle_sum import Tree, payout_leaf
from settlement.protocol.messages import Statement
from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, checksum, hex_text, keccak

ROOT = Path(__file__).resolve().parents[2]
SEPOLIA = 11_155_111
SESSION = SigningKey(keccak(b"session"))
TOKEN = 10**18

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(importlib.util.find_spec("ape") is None, reason="eth-ape is not installed"),
    pytest.mark.skipif(find_anvil(ROOT) is None, reason="anvil is not installed (npm ci)"),
]


class Operator:
    """Somebody with an ape account called ``operator`` and a chain's RPC address."""

    def __init__(self, chain: LocalChain, folder: Path) -> None:
        self.chain = chain
        self.folder = folder
        self.deployment = folder / "deployment.json"

    async def begin(self) -> None:
        accounts = self.folder / "ape" / "accounts"
        accounts.mkdir(parents=True)
        self.passphrase = self.folder / "passphrase"
        password = write_password(self.passphrase)
        self.account = create_keystore(accounts / "operator.json", password, cost=LIGHT_SCRYPT_COST)
        await self.chain.fund(self.account)

    async def run(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """Run a script with --json; returns its object."""
        account = ("--account", "operator", "--passphrase-file", str(self.passphrase), "--yes")
        return self._read(await self.process(*words, "--json", *account), expect)

    async def look(self, *words: str) -> dict[str, Any]:
        """Run a script that needs no account."""
        return self._read(await self.process(*words, "--json"), 0)

    @staticmethod
    def _read(done: tuple[int, str, str], expect: int) -> dict[str, Any]:
        code, out, told = done
        assert code == expect, (out, told)
        found: dict[str, Any] = json.loads(out)
        return found

    async def process(self, *words: str) -> tuple[int, str, str]:
        shared = [
            *("--network", f"ethereum:sepolia:{self.chain.endpoint}"),
            *("--deployment", str(self.deployment)),
        ]
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("ape")), "run", *words, *shared),
            cwd=ROOT,
            env={**os.environ, "APE_DATA_FOLDER": str(self.folder / "ape")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, told = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), told.decode()


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with LocalChain(root=ROOT, kind="anvil", chain_id=SEPOLIA) as chain:
        found = Operator(chain, tmp_path)
        await found.begin()
        yield found


def node_files(folder: Path) -> tuple[SigningKey, Sequence[str]]:
    key_file, password_file = folder / "node.json", folder / "node.password"
    create_keystore(key_file, write_password(password_file), cost=LIGHT_SCRYPT_COST)
    options = ["--node-keystore", str(key_file), "--node-password-file", str(password_file)]
    return load_key(key_file, password_file), options


def events_of(result: dict[str, Any]) -> list[str]:
    return [event["event"] for event in result["events"]]


async def test_an_operator_founds_joins_and_leaves_a_network(operator: Operator) -> None:
    dry = await operator.run("deploy", "--period-length", "600", "--dry-run")
    assert dry["dry_run"] is True
    assert not operator.deployment.exists()
    await operator.run("deploy", "--period-length", "600")
    deployment = Deployment.load(operator.deployment)
    assert deployment.chain_id == SEPOLIA
    again = await operator.run("deploy", expect=2)
    assert "exists" in again["error"]["fix"]

    key, files = node_files(operator.folder)
    node = checksum(key.address)
    urls = ["--api-url", "http://127.0.0.1:1", "--link-url", "ws://127.0.0.1:2"]
    rehearsed = await operator.run("register", "node", *files, *urls, "--dry-run")
    assert len(rehearsed["would_do"]) == 2
    reader = operator.chain.reader(deployment)
    assert await reader.nodes() == []
    joined = await operator.run("register", "node", *files, *urls, "--roles", "service,anchor")
    assert events_of(joined) == ["NodeRegistered"]
    taken = await operator.run("register", "node", *files, *urls, expect=3)
    assert taken["error"]["details"]["error"] == "NodeRegistry_KeyTaken"
    assert "registered already" in taken["error"]["fix"]
    listed = await operator.look("stake", "list")
    assert [entry["key"] for entry in listed["nodes"]] == [node]

    assert events_of(await operator.run("stake", "add", "--node", node, "--amount", "7.5")) == [
        "StakeAdded"
    ]
    assert events_of(await operator.run("stake", "leave", "--node", node)) == [
        "ThawRequested",
        "NodeLeft",
    ]
    early = await operator.run("stake", "withdraw", "--node", node, expect=3)
    assert re.search(r"thaws until \d{4}-\d\d-\d\d", early["error"]["fix"])
    await operator.chain.advance(600)
    assert events_of(await operator.run("stake", "withdraw", "--node", node)) == ["ThawWithdrawn"]


async def test_an_issuer_registers_and_pays_rent_in_words_it_understands(
    operator: Operator,
) -> None:
    await operator.run("deploy", "--period-length", "600")
    account = load_key(operator.folder / "ape/accounts/operator.json", operator.passphrase)
    deployment = Deployment.load(operator.deployment)
    created = await operator.chain.sender(account, deployment).submit(
        create_ticket_contract(operator.account)
    )
    assert created.created is not None
    token = ["--token", checksum(created.created)]
    script = operator.folder / "ticket.tsml"
    script.write_text("<a/>")
    uri = ["--script-uri", "https://airline.example/ticket.tsml", "--script", str(script)]
    early = await operator.run(
        "rent", "start", *token, "--instances", "2", "--periods", "3", expect=3
    )
    assert early["error"]["details"]["error"] == "RentVault_UnknownClass"
    registered = await operator.run("register", "class", *token, *uri, "--share", "1000")
    assert events_of(registered) == ["ClassRegistered", "ScriptPublished"]
    published = registered["events"][1]
    assert published["script_hash"] == hex_text(keccak(b"<a/>"))
    rented = await operator.run("rent", "start", *token, "--instances", "2", "--periods", "3")
    assert events_of(rented) == ["RentStarted"]
    assert events_of(await operator.run("rent", "top-up", *token, "--periods", "1")) == [
        "RentToppedUp"
    ]
    assert (await operator.look("rent", "show", *token))["state"] == "active"


async def test_a_period_is_settled_by_hand(operator: Operator) -> None:
    await operator.run("deploy", "--period-length", "600")
    deployment = Deployment.load(operator.deployment)
    # The anchor's node key is the ape account itself: settling is the node key's own act.
    account = load_key(operator.folder / "ape/accounts/operator.json", operator.passphrase)
    anchor = checksum(operator.account)
    await operator.run(
        *("register", "node", "--roles", "service,anchor"),
        *("--node-keystore", str(operator.folder / "ape/accounts/operator.json")),
        *("--node-password-file", str(operator.passphrase)),
        *("--api-url", "http://127.0.0.1:1", "--link-url", "ws://127.0.0.1:2"),
    )
    signer = checksum(SESSION.address)
    opened = ["--signer", signer, "--anchor", anchor, "--amount", "5"]
    assert events_of(await operator.run("channel", "open", *opened)) == ["ChannelOpened"]

    lanes = keccak(b"lanes")
    statement = Statement(anchor=account.address, period=0, amount=TOKEN, vouchers_root=lanes)
    rows = operator.folder / "statements.json"
    rows.write_text(
        json.dumps(
            [
                {
                    "amount": str(TOKEN),
                    "vouchers_root": hex_text(lanes),
                    "signature": hex_text(SESSION.sign(deployment.domain, statement)),
                }
            ]
        )
    )
    payouts = operator.folder / "payouts.json"
    paid = [(Address(bytes([9]) * 20), TOKEN - 3), (Address(bytes([8]) * 20), 3)]
    payouts.write_text(json.dumps([{"account": checksum(a), "amount": str(n)} for a, n in paid]))

    files = ["--period", "0", "--statements", str(rows)]
    early = await operator.run("settle", "chunk", *files, expect=3)
    assert early["error"]["details"]["error"] == "ChannelHub_OutsideWindow"
    reader = operator.chain.reader(deployment)
    windows = await reader.windows(0)
    await operator.chain.advance(windows.settle_from - await operator.chain.now())
    assert events_of(await operator.run("settle", "chunk", *files)) == ["StatementsAccepted"]
    files = ["--period", "0", "--payouts", str(payouts)]
    committed = await operator.run("settle", "commit", *files)
    tree = Tree.of([payout_leaf(account, amount) for account, amount in paid])
    assert committed["root"] == hex_text(Hash(tree.root.hash))
    assert sorted(events_of(committed)) == ["BondLocked", "PeriodCommitted"]

    pot = ["--anchor", anchor]
    await operator.run("settle", "distribute", *pot, *files, expect=3)
    await operator.chain.advance(windows.direct_until - await operator.chain.now())
    assert events_of(await operator.run("settle", "distribute", *pot, *files)) == [
        "PayoutsDistributed"
    ]
    assert [await reader.credit(account) for account, _ in paid] == [n for _, n in paid]
    released = await operator.run("settle", "release-bond", *pot, "--period", "0")
    assert sorted(events_of(released)) == ["BondReleased", "BondUnlocked"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["channel", "open", "--signer", "0x12"], "expected 0x and 40 hexadecimal digits"),
        (["stake", "add", "--amount", "1.0000000000000000001"], "up to 18 decimals"),
        (["stake", "add", "--amount", "-1"], "expected a number of tokens"),
        (["rent", "start", "--periods", "0"], "not in the range"),
        (["deploy", "--period-length", "5"], "not in the range"),
    ],
)
async def test_wrong_input_is_answered_with_a_sentence(
    operator: Operator, words: list[str], sentence: str
) -> None:
    code, out, told = await operator.process(*words)
    assert code == 2
    assert sentence in out + told
