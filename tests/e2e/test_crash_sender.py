"""Kill -9 between the sender's commit and its broadcast, and after it: one transaction is sent."""

import asyncio
import sys
from pathlib import Path

import pytest

from settlement.chain.local import LocalChain
from settlement.protocol.signing import SigningKey
from settlement.types import hex_text, keccak

PROCESS = Path(__file__).parent / "sender_crash_process.py"
POINTS = ("claim-persisted", "claim-broadcast")
KILLED = -9
LONGEST_S = 50


@pytest.mark.anvil
async def test_a_killed_sender_goes_on_with_the_transaction_that_it_began(
    anvil_chain: LocalChain, tmp_path: Path
) -> None:
    async def pay(point: str, *options: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROCESS),
            str(tmp_path / f"{point}.db"),
            anvil_chain.endpoint,
            str(anvil_chain.chain_id),
            point,
            *options,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), LONGEST_S)
        return process.returncode or 0, output.decode().strip()

    async def nonce(point: str) -> int:
        account = hex_text(SigningKey(keccak(point.encode())).address)
        return int(await anvil_chain.rpc.read("eth_getTransactionCount", account, "latest"), 16)

    accounts = [SigningKey(keccak(point.encode())).address for point in POINTS]
    await anvil_chain.fund(*accounts, coins=1)
    killed = await asyncio.gather(*(pay(point, "--kill-at", point) for point in POINTS))
    assert [code for code, _ in killed] == [KILLED] * len(POINTS)
    before = [await nonce(point) for point in POINTS]
    assert before == [0, 1]

    healed = await asyncio.gather(*map(pay, POINTS))
    assert [code for code, _ in healed] == [0] * len(POINTS)
    assert len({transaction for _, transaction in healed}) == len(POINTS)
    assert [await nonce(point) for point in POINTS] == [1] * len(POINTS)
