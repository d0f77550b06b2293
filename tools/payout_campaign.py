"""``./dev campaign payouts [N]``: N generated periods (10,000): builder, contract, recomputation.

For each period the payouts of the product's builder are compared with a recomputation in rational
numbers, then the contracts' own code is asked on anvil, in batches of calls: whether every chunk of
the payouts stands under the root, whether altered ones do not, and how some lanes are split.
Exit 1 at the first difference, with the seed that makes it again.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from period_sets import Question, built, questions, random_period, recomputed  # noqa: E402

from settlement.chain.abi import artifact  # noqa: E402
from settlement.chain.local import LocalChain, faucet_key  # noqa: E402
from settlement.chain.sender import RpcSender  # noqa: E402
from settlement.ports.chain import Call  # noqa: E402
from settlement.types import Address, hex_text  # noqa: E402

PERIODS = 10_000
AT_ONCE = 400
"""Calls in one request."""
LENS = artifact("MessageHashesLens")


class Differs(Exception):
    """Two of the three do not agree."""


def asked_of(seed: int) -> tuple[list[Question], int]:
    """What to ask of one period, and its lanes. Raises Differs where our own two differ."""
    period = random_period(seed)
    leaves = built(period)
    if {leaf.account: leaf.amount for leaf in leaves} != recomputed(period):
        raise Differs(f"seed {seed}: the builder and the recomputation pay different amounts")
    return list(questions(period, leaves, seed)), len(period.lanes)


async def answer_all(
    session: aiohttp.ClientSession, endpoint: str, lens: Address, asked: list[tuple[int, Question]]
) -> None:
    """Ask the contract. Raises Differs."""
    requests = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "eth_call",
            "params": [
                {
                    "to": hex_text(lens),
                    "data": hex_text(LENS.calldata(question.function, *question.arguments)),
                },
                "latest",
            ],
        }
        for number, (_, question) in enumerate(asked)
    ]
    async with session.post(endpoint, json=requests) as response:
        answers = {each["id"]: each.get("result") for each in await response.json()}
    for number, (seed, question) in enumerate(asked):
        result = answers[number]
        if result is None:
            raise Differs(f"seed {seed}: {question.function} refused {question.arguments}")
        (found,) = LENS.answer(question.function, bytes.fromhex(result[2:]))
        if (tuple(found.values()) if isinstance(found, dict) else found) != question.answer:
            raise Differs(f"seed {seed}: {question.function}{question.arguments} gives {found}")


async def campaign(periods: int, first: int) -> None:
    """Run the campaign and print its figures. Raises Differs."""
    began, calls, lanes = time.monotonic(), 0, 0
    async with LocalChain(root=ROOT, kind="anvil") as chain, aiohttp.ClientSession() as session:
        create = Call(contract=None, data=LENS.creation(), purpose="deploy the lens")
        made = (await RpcSender(chain.rpc, faucet_key()).submit(create)).created
        assert made is not None
        waiting: list[tuple[int, Question]] = []
        for seed in range(first, first + periods):
            found, count = asked_of(seed)
            waiting += [(seed, question) for question in found]
            lanes += count
            if len(waiting) >= AT_ONCE or seed == first + periods - 1:
                await answer_all(session, chain.endpoint, made, waiting)
                calls += len(waiting)
                waiting = []
    seconds = time.monotonic() - began
    print(
        f"{periods:,} periods, {lanes:,} lanes, {calls:,} questions to the contract: "
        f"0 differences, {seconds:.0f} s"
    )


def main() -> int:
    """1 at the first difference."""
    parser = argparse.ArgumentParser(prog="./dev campaign payouts", description=__doc__)
    parser.add_argument("periods", type=int, nargs="?", default=PERIODS)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    wanted = parser.parse_args()
    try:
        asyncio.run(campaign(wanted.periods, wanted.first))
    except Differs as difference:
        print(f"✗ {difference}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
