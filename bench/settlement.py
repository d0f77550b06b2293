"""Settlement: the gas of whole transactions on anvil, calldata and the fixed 21,000 included.

A month of 1,000 integrations and 200 payees is settled with the transactions that an anchor sends:
four chunks of Statements, one commit, two distributions. Payees' credit exists before, as after any
first month; what its first distribution costs is told beside it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import Figure
from settlement.chain.calls import ANCHOR, SERVICE, Calls, compact
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.local import LocalChain
from settlement.chain.sender import RpcSender
from settlement.core.claim_pages import lane_id
from settlement.core.month import PAYOUTS_PER_CHUNK
from settlement.ports.chain import Call
from settlement.ports.chain_records import (
    ChainParameters,
    DirectClaimRow,
    OwedLane,
    PaidLane,
    Payout,
    PayoutProof,
    ProofNode,
    StatementRow,
)
from settlement.protocol.merkle_sum import Tree, payout_leaf
from settlement.protocol.messages import Acknowledgement, Statement, Voucher
from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, keccak

ROOT = Path(__file__).resolve().parents[1]
UNIT = 10**18
INTEGRATIONS = 1_000
PAYEES = 200
CHUNK = 300
LANES = 50
DEPOSIT = 100 * UNIT
STAKE = 1_000_000 * UNIT
CLASS = Hash(keccak(b"bench class"))
FOUNDER, ANCHOR_KEY, NODE, PAYER = (
    SigningKey(keccak(b"bench " + name)) for name in (b"founder", b"anchor", b"node", b"payer")
)


def _account(name: str) -> Address:
    return Address(keccak(name.encode())[12:])


@dataclass
class Bench:
    """One chain, and the gas of all that was sent to it."""

    chain: LocalChain
    calls: Calls
    disputes: DisputeCalls
    founder: RpcSender
    anchor: RpcSender
    parameters: ChainParameters
    sent: list[int] = field(default_factory=list)

    async def send(self, sender: RpcSender, call: Call) -> int:
        """Send and return the gas of the whole transaction."""
        receipt = await sender.submit(call)
        self.sent.append(receipt.gas_used)
        return receipt.gas_used

    async def until(self, moment: int) -> None:
        """Let the chain's clock reach ``moment``."""
        await self.chain.advance(max(1, moment - await self.chain.now()))

    def row(self, key: SigningKey, period: int, amount: int) -> StatementRow:
        root = Hash(keccak(key.address))
        message = Statement(
            anchor=ANCHOR_KEY.address, period=period, amount=amount, vouchers_root=root
        )
        r, vs = compact(key.sign(self.calls.deployment.domain, message))
        return StatementRow(amount=amount, vouchers_root=root, r=r, vs=vs)

    async def settle(self, period: int, rows: Sequence[StatementRow]) -> list[int]:
        """Settle in chunks; the gas of each."""
        await self.until(self.parameters.windows_of(period).settle_from)
        chunks = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
        return [await self.send(self.anchor, self.calls.settle_chunk(period, c)) for c in chunks]

    async def commit(self, period: int, payouts: Sequence[Payout]) -> int:
        root = _tree(payouts).root
        call = self.calls.commit_period(period, root.hash, root.sum, len(payouts))
        return await self.send(self.anchor, call)

    async def distribute(self, period: int, payouts: Sequence[Payout]) -> list[int]:
        """Distribute in the chunks of an anchor's settler; the gas of each."""
        await self.chain.advance(self.parameters.terms.challenge_window)
        tree, gas = _tree(payouts), []
        for first in range(0, len(payouts), PAYOUTS_PER_CHUNK):
            part = payouts[first : first + PAYOUTS_PER_CHUNK]
            siblings = [
                ProofNode(hash=n.hash, sum=n.sum) for n in tree.range_proof(first, len(part))
            ]
            call = self.calls.distribute(ANCHOR_KEY.address, period, first, part, siblings)
            gas.append(await self.send(self.founder, call))
        return gas

    def acknowledged(self, key: SigningKey, period: int, amount: int) -> tuple[Hash, Hash]:
        message = Acknowledgement(
            signer=key.address,
            period=period,
            node=NODE.address,
            token_class=CLASS,
            acknowledged=amount,
            lease_cap=amount,
        )
        return compact(ANCHOR_KEY.sign(self.calls.deployment.domain, message))


async def measure() -> AsyncIterator[Figure]:
    """Needs anvil; the embedded chain's gas would be the same and take longer."""
    async with LocalChain(root=ROOT, kind="anvil") as chain:
        bench = await found(chain)
        payers = [SigningKey(keccak(b"integration %d" % n)) for n in range(INTEGRATIONS)]
        opened = [await open_channel(bench, payer.address, DEPOSIT) for payer in payers]
        await open_channel(bench, PAYER.address, 1_000 * DEPOSIT)
        topped = await bench.send(
            bench.founder, bench.calls.top_up_channel(PAYER.address, UNIT + 1)
        )
        yield _figure("open", max(opened), None, "one channel, deposit approved before")
        yield _figure("top_up", topped, None, "an approved deposit")
        first = payees(0, 200 * UNIT)
        await bench.settle(0, [bench.row(PAYER, 0, 200 * UNIT)])
        await bench.commit(0, first)
        new_payees = await bench.distribute(0, first)
        async for figure in month(bench, payers, new_payees[0] // PAYOUTS_PER_CHUNK):
            yield figure
        async for figure in disputed(bench, payers):
            yield figure
        yield _figure(
            "largest_tx",
            max(bench.sent),
            5_000_000,
            f"the first distribution to {PAYOUTS_PER_CHUNK} new payees, founding aside; a chain "
            "takes 16.7 M",
        )


async def found(chain: LocalChain) -> Bench:
    """A network with one anchor and one service node; the founder pays for everything."""
    deployment = await chain.found(FOUNDER, treasury=_account("bench treasury"))
    await chain.fund(ANCHOR_KEY.address)
    founder = chain.sender(FOUNDER, deployment)
    calls = Calls(deployment)
    await founder.submit(calls.approve_stake(2 * STAKE))
    for key, roles in ((ANCHOR_KEY, ANCHOR), (NODE, SERVICE)):
        await founder.submit(
            calls.register_node(
                key=key.address,
                key_proof=calls.key_proof(key, FOUNDER.address),
                payout=_account(f"payout of {key.address.hex()}"),
                roles=roles,
                api_url="http://127.0.0.1",
                link_url="ws://127.0.0.1",
                stake=STAKE,
            )
        )
    await founder.submit(calls.approve_deposit(10**6 * DEPOSIT))
    return Bench(
        chain=chain,
        calls=calls,
        disputes=DisputeCalls(deployment),
        founder=founder,
        anchor=chain.sender(ANCHOR_KEY, deployment),
        parameters=await chain.reader(deployment).parameters(),
    )


async def open_channel(bench: Bench, signer: Address, amount: int) -> int:
    """Open a channel with the founder's money."""
    call = bench.calls.open_channel(
        signer=signer, owner=FOUNDER.address, anchor=ANCHOR_KEY.address, amount=amount
    )
    return await bench.send(bench.founder, call)


def payees(short: int, total: int) -> list[Payout]:
    """200 payouts of ``total``, in order; the node's is ``short`` less and another's more."""
    accounts = [_account(f"payee {n}") for n in range(PAYEES - 1)]
    node = _account(f"payout of {NODE.address.hex()}")
    each = total // PAYEES
    found = dict.fromkeys(accounts, each) | {node: each - short}
    found[accounts[0]] += total - sum(found.values())
    return [Payout(account=a, amount=found[a]) for a in sorted(found)]


def _tree(payouts: Sequence[Payout]) -> Tree:
    return Tree.of([payout_leaf(payout.account, payout.amount) for payout in payouts])


async def month(
    bench: Bench, payers: Sequence[SigningKey], new_payee: int
) -> AsyncIterator[Figure]:
    """Period 1, as an anchor sends it."""
    amounts = [UNIT + 12_345_678_901 * n for n in range(INTEGRATIONS)]
    rows = [bench.row(payer, 1, paid) for payer, paid in zip(payers, amounts, strict=True)]
    settled = await bench.settle(1, rows)
    payouts = payees(0, sum(amounts))
    committed = await bench.commit(1, payouts)
    distributed = await bench.distribute(1, payouts)
    yield _figure(
        "settle_per_integration",
        settled[0] / CHUNK,
        12_500,
        f"{CHUNK} rows; a prototype reached 12.2 k, x402's batched claim 21.7 k per channel",
    )
    yield _figure(
        "distribute_per_payee",
        distributed[0] / PAYOUTS_PER_CHUNK,
        8_500,
        f"a chunk of {PAYOUTS_PER_CHUNK} payees in their second month ({new_payee:,} in the "
        "first); prototype 8.2 k",
    )
    yield _figure(
        "month_1000x200",
        sum(settled) + committed + sum(distributed),
        16_000_000,
        f"{len(settled)} settleChunk, commitPeriod, {len(distributed)} distribute; by pair 644 M",
    )


async def disputed(bench: Bench, payers: Sequence[SigningKey]) -> AsyncIterator[Figure]:
    """A root that underpays in period 2; nothing settled in period 3."""
    total = 200 * UNIT
    await bench.settle(2, [bench.row(PAYER, 2, total)])
    payouts = payees(UNIT // 2, total)
    await bench.commit(2, payouts)
    r, vs = bench.acknowledged(PAYER, 2, 2 * UNIT)
    lane = OwedLane(
        signer=PAYER.address,
        token_class=CLASS,
        acknowledged=2 * UNIT,
        lease_cap=2 * UNIT,
        r=r,
        vs=vs,
    )
    node = _account(f"payout of {NODE.address.hex()}")
    index = next(i for i, payout in enumerate(payouts) if payout.account == node)
    siblings = tuple(
        ProofNode(hash=n.hash, sum=n.sum) for n in _tree(payouts).range_proof(index, 1)
    )
    proof = PayoutProof(first_index=index, payouts=(payouts[index],), siblings=siblings)
    call = bench.disputes.challenge(ANCHOR_KEY.address, 2, NODE.address, [lane], proof)
    gas = await bench.send(bench.founder, call)
    yield _figure(
        "challenge_one",
        gas,
        60_000,
        f"one lane, a proof among {PAYEES} payouts; prototype 51 k. Next: "
        "packed siblings, and evidence that is decoded by hand",
    )
    await bench.until(bench.parameters.windows_of(3).settle_until)
    rows = [direct_row(bench, payer, UNIT + n) for n, payer in enumerate(payers[: LANES + 1])]
    await bench.send(bench.founder, bench.calls.claim_direct(NODE.address, 3, rows[:1]))
    first = PaidLane(
        lane=lane_id(rows[0].signer, 3, NODE.address, CLASS), amount=rows[0].cumulative
    )
    again = bench.calls.claim_direct(NODE.address, 3, rows[1:], page=0, paid=[first])
    gas = await bench.send(bench.founder, again)
    yield _figure(
        "direct_claim_per_lane",
        gas / LANES,
        36_000,
        f"{LANES} lanes of {LANES} integrations, one slot for all of them; prototype 31 to 36 k",
    )


def direct_row(bench: Bench, payer: SigningKey, amount: int) -> DirectClaimRow:
    """A lane of period 3 with both signatures."""
    voucher = Voucher(
        signer=payer.address, period=3, node=NODE.address, token_class=CLASS, cumulative=amount
    )
    voucher_r, voucher_vs = compact(payer.sign(bench.calls.deployment.domain, voucher))
    r, vs = bench.acknowledged(payer, 3, amount)
    return DirectClaimRow(
        signer=payer.address,
        token_class=CLASS,
        cumulative=amount,
        acknowledged=amount,
        lease_cap=amount,
        voucher_r=voucher_r,
        voucher_vs=voucher_vs,
        acknowledgement_r=r,
        acknowledgement_vs=vs,
    )


def _figure(name: str, gas: float, target: float | None, reference: str) -> Figure:
    return Figure(
        name=f"gas.{name}", value=gas, unit="gas", target=target, reference=reference, at_most=True
    )
