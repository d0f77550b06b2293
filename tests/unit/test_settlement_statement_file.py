"""A month's statement as a file: it proves itself, and no field of it can be altered unseen."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from settlement.client.channel import ChannelClient
from settlement.core.payouts import PayoutLeaf
from settlement.core.refusals import DraftExceedsPromises
from settlement.core.statement_file import (
    CommittedPot,
    StatementFile,
    StatementFileWrong,
    file_from_json,
    file_to_json,
    verify,
)
from settlement.core.statements import LaneAmount, StatementDraft, draft_of
from settlement.errors import InputError
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.merkle_sum import root as root_of
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
KEY = SigningKey(keccak(b"integration"))
ANCHOR = Address(b"a" * 20)
NODES = [Address(bytes([n + 1]) * 20) for n in range(3)]
CLASS = keccak(b"tickets")
LEAVES = tuple(PayoutLeaf(account=Address(bytes([n + 9]) * 20), amount=40 + n) for n in range(3))
TOP = root_of([leaf.node() for leaf in LEAVES])
POT = CommittedPot(root=TOP.hash, total=TOP.sum, payouts=LEAVES)


def draft(*amounts: int) -> StatementDraft:
    lanes = [
        LaneAmount(node=node, token_class=CLASS, amount=amount)
        for node, amount in zip(NODES, amounts, strict=False)
    ]
    return draft_of(ANCHOR, KEY.address, 5, lanes)


async def a_month() -> StatementFile:
    """Three lanes; of the first one's three calls two have receipts."""
    purse = ChannelClient(key=KEY, domain=DOMAIN, store=MemoryStore(), clock=VirtualClock())
    for number in range(3):
        request_id = keccak(b"call %d" % number)
        await purse.voucher(NODES[0], CLASS, 10, 5, request_id=request_id)
    for call in (await purse.pending())[:2]:
        await purse.receipt(call, 10)
    for node in NODES[1:]:
        await purse.voucher(node, CLASS, 20, 5)
    return await purse.statement_file(draft(30, 20, 15), ANCHOR, POT)


async def test_a_kept_month_proves_what_was_paid_with_and_without_receipts() -> None:
    file = await a_month()
    back = file_from_json(json.loads(json.dumps(file_to_json(file))))
    assert back == file
    found = verify(back)
    assert (found.amount, found.lanes, found.period) == (65, 3, 5)
    assert (found.receipts, found.without_receipt) == (2, 45)
    assert found.paid_out == 123
    assert verify(replace(file, pot=None)).paid_out is None


async def test_receipts_of_one_lane_never_stand_for_another_lanes_calls() -> None:
    file = await a_month()
    boastful = replace(file.lanes[0], receipted=2**127, receipts=2**62)
    found = verify(replace(file, lanes=(boastful, *file.lanes[1:])))
    assert found.without_receipt == 20 + 15
    nobodys = tuple(replace(lane, receipted=0, receipts=0) for lane in file.lanes)
    assert verify(replace(file, lanes=nobodys)).without_receipt == found.amount


async def test_a_verdict_says_what_the_file_does_not_prove() -> None:
    file = await a_month()
    receipts, pot = verify(file).notes
    assert "owner's own word" in receipts
    assert "compare them with the chain" in pot
    assert "no committed root" in verify(replace(file, pot=None)).notes[1]


async def test_a_draft_beyond_the_promises_makes_no_file() -> None:
    purse = ChannelClient(key=KEY, domain=DOMAIN, store=MemoryStore(), clock=VirtualClock())
    await purse.voucher(NODES[0], CLASS, 10, 5)
    with pytest.raises(DraftExceedsPromises):
        await purse.statement_file(draft(11), ANCHOR)


ALTERATIONS: dict[str, Callable[[StatementFile], StatementFile]] = {
    "another chain": lambda f: replace(f, chain_id=1),
    "another hub": lambda f: replace(f, hub=Address(b"x" * 20)),
    "another channel": lambda f: replace(f, signer=ANCHOR),
    "a lane left out": lambda f: replace(f, lanes=f.lanes[:-1]),
    "a lane twice": lambda f: replace(f, lanes=(*f.lanes, f.lanes[0])),
    "a lane made smaller": lambda f: replace(
        f, lanes=(replace(f.lanes[0], amount=1), *f.lanes[1:])
    ),
    "a lane beyond its voucher": lambda f: replace(
        f, lanes=(*f.lanes[:2], replace(f.lanes[2], amount=21))
    ),
    "a voucher of another lane": lambda f: replace(
        f, lanes=(replace(f.lanes[0], voucher=f.lanes[1].voucher), *f.lanes[1:])
    ),
    "a smaller statement": lambda f: replace(
        f,
        statement=replace(f.statement, message=replace(f.statement.message, amount=64)),
    ),
    "another anchor": lambda f: replace(
        f,
        statement=replace(f.statement, message=replace(f.statement.message, anchor=NODES[0])),
    ),
    "a payout left out": lambda f: replace(f, pot=replace(POT, payouts=LEAVES[:2])),
    "a payout raised": lambda f: replace(
        f, pot=replace(POT, payouts=(replace(LEAVES[0], amount=41), *LEAVES[1:]))
    ),
    "payouts in another order": lambda f: replace(f, pot=replace(POT, payouts=LEAVES[::-1])),
    "no payouts": lambda f: replace(f, pot=replace(POT, payouts=())),
    "another sum": lambda f: replace(f, pot=replace(POT, total=122)),
}


@pytest.mark.parametrize("name", ALTERATIONS)
async def test_an_altered_file_is_refused(name: str) -> None:
    with pytest.raises(StatementFileWrong):
        verify(ALTERATIONS[name](await a_month()))


async def test_a_pot_below_the_statement_is_refused() -> None:
    one = (PayoutLeaf(account=ANCHOR, amount=64),)
    top = root_of([one[0].node()])
    small = CommittedPot(root=top.hash, total=64, payouts=one)
    with pytest.raises(StatementFileWrong):
        verify(replace(await a_month(), pot=small))


@pytest.mark.parametrize("field", ["format", "chainId", "hub", "signer", "statement", "lanes"])
async def test_a_damaged_file_is_refused_by_its_field(field: str) -> None:
    body: dict[str, Any] = file_to_json(await a_month())
    with pytest.raises(InputError):
        file_from_json({**body, field: 7})
    del body[field]
    with pytest.raises(InputError):
        file_from_json(body)


def test_the_command_verifies_a_file_without_a_network(tmp_path: Path) -> None:
    file = tmp_path / "month.json"
    file.write_text(json.dumps(file_to_json(asyncio.run(a_month()))))
    told = CliRunner().invoke(app, ["statement", "verify", "--file", str(file), "--json"])
    assert told.exit_code == 0, told.output
    shown = json.loads(told.output)
    assert (shown["base_units"], shown["committed_total"]) == ("65", "123")
    assert shown["notes"] == list(verify(asyncio.run(a_month())).notes)
    file.write_text(file.read_text().replace('"65"', '"66"'))
    refused = CliRunner().invoke(app, ["statement", "verify", "--file", str(file), "--json"])
    assert refused.exit_code == 3
    assert json.loads(refused.output)["error"]["code"] == "SL-2027"
