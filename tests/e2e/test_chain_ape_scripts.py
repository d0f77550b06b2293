"""The ape scripts through ape's own command line, against a chain given by its RPC address and an
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

from settlement.chain.abi import artifact
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
WHY = ("--why", "Disks became dearer.")

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(importlib.util.find_spec("ape") is None, reason="eth-ape is not installed"),
    pytest.mark.skipif(find_anvil(ROOT) is None, reason="anvil is not installed (npm ci)"),
]


class Operator:
    """Somebody with an ape account called ``operator`` and a chain's RPC address."""

    def __init__(self, chain: LocalChain, folder: Path, ape: asyncio.subprocess.Process) -> None:
        self.chain = chain
        self.ape = ape
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
        return self._read(await self.process(*words, "--json", *self.signs), expect)

    @property
    def signs(self) -> tuple[str, ...]:
        """The options of a script that sends."""
        return ("--account", "operator", "--passphrase-file", str(self.passphrase), "--yes")

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
        """Run a script; its exit code and what it printed."""
        line = [
            *("run", *words, "--network", f"ethereum:sepolia:{self.chain.endpoint}"),
            *("--deployment", str(self.deployment)),
        ]
        assert self.ape.stdin is not None
        assert self.ape.stdout is not None
        self.ape.stdin.write(json.dumps(line).encode() + b"\n")
        async with asyncio.timeout(60):
            answer = await self.ape.stdout.readline()
        code, out, told = json.loads(answer)
        return code, out, told


async def start_ape(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tests/support/ape_session.py")),
        cwd=ROOT,
        env={**os.environ, "APE_DATA_FOLDER": str(folder / "ape")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 20,
    )


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with LocalChain(root=ROOT, kind="anvil", chain_id=SEPOLIA) as chain:
        found = Operator(chain, tmp_path, await start_ape(tmp_path))
        try:
            await found.begin()
            yield found
        finally:
            assert found.ape.stdin is not None
            found.ape.stdin.close()
            await found.ape.wait()


def node_files(folder: Path, name: str = "node") -> tuple[SigningKey, Sequence[str]]:
    key_file, password_file = folder / f"{name}.json", folder / f"{name}.password"
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


async def test_holders_of_stake_propose_vote_and_change_the_terms(operator: Operator) -> None:
    await operator.run("deploy", "--period-length", "600", "--governed")
    account, file = checksum(operator.account), ["--file", str(operator.folder / "rent.json")]
    power = await operator.look("govern", "power", "--account", account)
    assert power["votes"].endswith("STK")
    refused = await operator.run(
        "govern", "propose-terms", "--set", "rent=1", *WHY, *file, expect=2
    )
    assert "the names are" in refused["error"]["fix"]
    await operator.chain.advance(2)  # votes count from the second after they came to be
    change = ["--set", "rent_price=0.12", "--set", "protocol_share=2.5"]
    dry = await operator.run("govern", "propose-terms", *change, *WHY, *file, "--dry-run")
    words = ["protocol's share 2 → 2.5 %", "rent price 0.1 → 0.12 SVC"]
    assert dry["does"] == words
    assert not (operator.folder / "rent.json").exists()
    proposed = await operator.run("govern", "propose-terms", *change, *WHY, *file)
    assert (proposed["does"], proposed["proposal"]) == (words, dry["proposal"])
    shown = await operator.look("govern", "show", *file)
    assert (shown["state"], shown["text"]) == ("pending", WHY[1])
    deployment = Deployment.load(operator.deployment)
    governor, reader = artifact("NetworkGovernor"), operator.chain.reader(deployment)
    waits = {
        name: int.from_bytes(await reader.call(deployment.governor, governor.calldata(name)), "big")
        for name in ("votingDelay", "votingPeriod")
    }
    await operator.chain.advance(waits["votingDelay"] + 2)
    await operator.run("govern", "vote", *file, "--support", "for", "--reason", "it costs more")
    early = await operator.run("govern", "queue", *file, expect=3)
    assert early["error"]["details"]["error"] == "GovernorUnexpectedProposalState"
    await operator.chain.advance(waits["votingPeriod"] + 2)
    await operator.run("govern", "queue", *file)
    early = await operator.run("govern", "execute", *file, expect=3)
    assert early["error"]["details"]["error"] == "TimelockUnexpectedOperationState"
    await operator.chain.advance(600)
    await operator.run("govern", "execute", *file)
    assert (await operator.look("govern", "show", *file))["state"] == "executed"
    await operator.chain.advance(3 * 600)
    assert (await reader.parameters()).terms.rent_price == TOKEN * 12 // 100


async def test_stake_is_delegated_elects_and_earns(operator: Operator) -> None:
    await operator.run("deploy", "--period-length", "600")
    key, files = node_files(operator.folder)
    node = ["--node", checksum(key.address)]
    urls = ["--api-url", "http://127.0.0.1:1", "--link-url", "ws://127.0.0.1:2"]
    await operator.run("register", "node", *files, *urls, "--roles", "service,anchor")
    lent = await operator.run("delegation", "stake", *node, "--amount", "100")
    assert events_of(lent) == ["StakeDelegated"]
    account = ["--account", checksum(operator.account)]
    assert (await operator.look("delegation", "show", *node, *account))["active"] == "100 STK"
    approved = await operator.run("elect", "approve", "--anchor", checksum(key.address))
    assert events_of(approved) == ["BallotCast"]
    assert (await operator.look("elect", "ballot", *account))["approves"] == [node[1]]
    assert (await operator.look("elect", "show"))["serving"] == [node[1]]
    await operator.chain.advance(600)
    voter = ["--voter", checksum(operator.account)]
    assert events_of(await operator.run("elect", "count", *voter)) == ["BallotCounted"]
    nothing = await operator.run("rewards", "collect", expect=3)
    assert "Nothing is due yet" in nothing["error"]["fix"]
    assert (await operator.look("rewards", "show", *node))["due to the node"] == "0 SVC"
    next_key, next_files = node_files(operator.folder, "next")
    renamed = [word.replace("--node-", "--new-") for word in next_files]
    rotated = await operator.run("operate", "rotate-key", *node, *renamed)
    assert rotated["new_key"] == checksum(next_key.address)
    taken = await operator.run("delegation", "take-back", *node)
    assert events_of(taken) == ["StakeUndelegated"]
    early = await operator.run("delegation", "withdraw", *node, expect=3)
    assert "thaw" in early["error"]["fix"]
    assert (await operator.look("brake", "show"))["new money"] == "let in"


WRONG = (
    (("channel", "open", "--signer", "0x12"), "expected 0x and 40 hexadecimal digits"),
    (("stake", "add", "--amount", "1.0000000000000000001"), "up to 18 decimals"),
    (("stake", "add", "--amount", "-1"), "expected a number of tokens"),
    (("rent", "start", "--periods", "0"), "not in the range"),
    (("deploy", "--period-length", "5"), "not in the range"),
    (("govern", "vote", "--support", "perhaps"), "is not one of"),
)


async def test_wrong_input_is_answered_with_a_sentence(operator: Operator) -> None:
    for words, sentence in WRONG:
        code, out, told = await operator.process(*words)
        assert code == 2
        assert sentence in out + told


async def test_a_script_is_a_program_of_ape(operator: Operator) -> None:
    ape = str(Path(sys.executable).with_name("ape"))
    process = await asyncio.create_subprocess_exec(
        *(ape, "run", "stake", "--help"),
        cwd=ROOT,
        env={**os.environ, "APE_DATA_FOLDER": str(operator.folder / "ape")},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert b"Add stake to a node" in out
