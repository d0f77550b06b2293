"""A month closed by an anchor: ``python -m bench._pay_close FOLDER``; prints one JSON object.

1,000 integrations paid 40 lanes each with 25 vouchers a lane: 1,000,000 vouchers over 40,000 lanes
of 200 nodes. Vouchers are cumulative, so what a node brings to the anchor is the last one of each
lane; the 960,000 before it are covered by it and were never sent.

Timed is all that the anchor does until its root is committed, over SQLite with full sync: every
lane's voucher verified, leased and acknowledged; a draft for each integration; every signed
Statement verified and kept; rows settled, payouts counted, the tree built and committed. The chain
is in memory and accepts at once; keys sign before the clock starts, except the anchor's own.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from settlement.core.month_events import Stage
from settlement.ports.chain import Call
from settlement.ports.chain_events import (
    ChainEvent,
    ChannelOpened,
    PeriodCommitted,
    StatementsAccepted,
)
from settlement.ports.chain_records import AcceptedRow, StatementRow
from settlement.ports.memory_chain import MemoryChain
from settlement.protocol.messages import Statement, Voucher
from settlement.protocol.signed import Signed, SignedVoucher
from settlement.protocol.signing import SigningKey, recover
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Outbox
from settlement.services.settler import Settler
from settlement.store.sqlite import SqliteStore
from settlement.types import ZERO_HASH, Address, Signature, keccak

INTEGRATIONS, LANES, VOUCHERS, NODES, CLASSES = 1_000, 40, 25, 200, 20
CALLERS = 64
PRICE = 10**15
DOMAIN = Domain.of(31_337, Address(b"hub of the benchmark"))
ANCHOR = SigningKey(keccak(b"bench anchor"))
KEYS = [Address(keccak(b"bench node %d" % n)[12:]) for n in range(NODES)]
TOKENS = [keccak(b"bench class %d" % n) for n in range(CLASSES)]


class Hub:
    """The hub's part of a period that nobody disputes; builds calls and says what they cause."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        def build(*arguments: Any) -> Call:
            self.asked.append((name, arguments))
            number = len(self.asked) - 1
            return Call(contract=DOMAIN.hub, data=number.to_bytes(4, "big"), purpose=name)

        return build

    def on_submit(self, _account: Address, call: Call) -> Sequence[ChainEvent]:
        name, arguments = self.asked[int.from_bytes(call.data, "big")]
        if name == "settle_chunk":
            period, rows = arguments
            return [self._accepted(period, rows)]
        if name == "commit_period":
            period, root, total, leaves = arguments
            return [
                PeriodCommitted(
                    anchor=ANCHOR.address,
                    period=period,
                    root=root,
                    sum=total,
                    leaf_count=leaves,
                    final_at=2**40,
                    bond=0,
                )
            ]
        return []

    def _accepted(self, period: int, rows: Sequence[StatementRow]) -> StatementsAccepted:
        accepted = tuple(
            AcceptedRow(signer=_signer(period, r), amount=r.amount, vouchers_root=r.vouchers_root)
            for r in rows
        )
        return StatementsAccepted(
            anchor=ANCHOR.address, period=period, chunk=0, commitment=ZERO_HASH, rows=accepted
        )


def _signer(period: int, row: StatementRow) -> Address:
    vs = int.from_bytes(row.vs, "big")
    s, v = vs & ((1 << 255) - 1), 27 + (vs >> 255)
    message = Statement(
        anchor=ANCHOR.address, period=period, amount=row.amount, vouchers_root=row.vouchers_root
    )
    return recover(DOMAIN, message, Signature(row.r + s.to_bytes(32, "big") + bytes([v])))


def last_vouchers(payers: Sequence[SigningKey]) -> list[SignedVoucher]:
    """The last voucher of every lane, lanes of one integration far from each other."""
    return [
        Signed.by(
            payer,
            DOMAIN,
            Voucher(
                signer=payer.address,
                period=0,
                node=KEYS[(number * LANES + lane) % NODES],
                token_class=TOKENS[lane % CLASSES],
                cumulative=VOUCHERS * PRICE,
            ),
        )
        for lane in range(LANES)
        for number, payer in enumerate(payers)
    ]


async def all_at(callers: int, work: Any, items: Sequence[Any]) -> None:
    """Do ``work`` on all items, ``callers`` of them at once."""
    turns = iter(items)

    async def some() -> None:
        for item in turns:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(some())


async def close(folder: Path) -> dict[str, float]:
    """Close the month; seconds of each part."""
    hub, payers = Hub(), [SigningKey(keccak(b"integration %d" % n)) for n in range(INTEGRATIONS)]
    chain = MemoryChain(on_submit=hub.on_submit)
    vouchers = last_vouchers(payers)
    async with SqliteStore(folder / "anchor.db") as store:
        engine, calendar = Engine(store, SystemClock()), Calendar(chain)
        directory = ChannelDirectory(engine)
        opened = [
            ChannelOpened(
                signer=payer.address,
                owner=payer.address,
                anchor=ANCHOR.address,
                period=0,
                amount=4 * LANES * VOUCHERS * PRICE,
            )
            for payer in payers
        ]
        calendar.observe(chain.mine(*opened))
        await directory.receive(await chain.events(0, 1, frozenset()))
        anchor = Anchor(
            engine=engine,
            domain=DOMAIN,
            key=ANCHOR,
            directory=directory,
            calendar=calendar,
            lease_step=PRICE,
        )
        settler = Settler(
            engine=engine,
            anchor=anchor,
            chain=chain,
            writer=chain,
            calls=hub,
            disputes=hub,
            calendar=calendar,
        )
        took: dict[str, float] = {}
        began = time.perf_counter()
        await all_at(CALLERS, anchor.acknowledge, vouchers)
        took["acknowledge_s"] = time.perf_counter() - began

        async def state(payer: SigningKey) -> None:
            draft = await anchor.draft(payer.address, 0)
            assert draft.amount == LANES * VOUCHERS * PRICE
            await anchor.receive_statement(Signed.by(payer, DOMAIN, draft.statement()))

        began = time.perf_counter()
        await all_at(CALLERS, state, payers)
        took["statements_s"] = time.perf_counter() - began
        began = time.perf_counter()
        await _settle(chain, calendar, settler, Outbox(engine, dict(settler.performers)))
        took["settle_s"] = time.perf_counter() - began
        leaves = await settler.leaves(0)
        assert sum(leaf.amount for leaf in leaves) == INTEGRATIONS * LANES * VOUCHERS * PRICE
        return took | {"leaves": float(len(leaves))}


async def _settle(chain: MemoryChain, calendar: Calendar, settler: Settler, outbox: Outbox) -> None:
    windows = await calendar.windows(0)
    head = chain.advance(windows.settle_from + 1 - (await chain.head()).timestamp)
    calendar.observe(head)
    seen = head.number
    await settler.wake()
    while (await settler.month(0)).stage is not Stage.CHALLENGE:
        await outbox.perform_due()
        newest = await chain.head()
        events = await chain.events(seen + 1, newest.number, frozenset())
        seen = newest.number
        await settler.receive(events)


def main(folder: Path) -> None:
    took = asyncio.run(close(folder))
    seconds = sum(value for name, value in took.items() if name.endswith("_s"))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(took | {"close_s": seconds, "rss_mb": peak_mb}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
