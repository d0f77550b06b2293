"""A local chain for tests, the demo and development: anvil where found, else the embedded one.

It listens on the loopback address only, on a free port, and is stopped when the context ends.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Literal, Self

from settlement.chain.calls import send_coin
from settlement.chain.deploy import deploy, plan_for
from settlement.chain.deployment import Deployment
from settlement.chain.listening import free_port, is_taken, listens
from settlement.chain.reader import RpcChainReader, latest_block
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import RpcSender
from settlement.errors import OurError
from settlement.ports.chain_errors import RpcUnreachable
from settlement.ports.chain_records import Terms
from settlement.ports.chain_terms import MONTH
from settlement.protocol.signing import SigningKey
from settlement.types import Address, hex_text, keccak

Kind = Literal["anvil", "embedded"]

COIN = 10**18
LOCAL_CHAIN_ID = 31_337
FAUCET_COINS = 1_000_000
_START_SECONDS = 30
_START_ATTEMPTS = 5
_STOP_SECONDS = 5
_ANVIL_FOLDERS = (
    "node_modules/@foundry-rs/anvil-linux-amd64/bin",
    ".toolchain/foundry/node_modules/@foundry-rs/anvil-linux-amd64/bin",
    ".toolchain/foundry/bin",
    ".toolchain/foundry",
)


@dataclass(kw_only=True, eq=False, repr=False)
class LocalChainFailed(OurError):
    """The local chain's process did not start."""

    code: ClassVar[str] = "SL-8401"
    title: ClassVar[str] = "The local chain did not start"
    fix: ClassVar[str] = "Run {command} by hand to see why: {problem}."

    command: str
    problem: str


def faucet_key() -> SigningKey:
    """The key of the account that every local chain gives coins to. Public: never use it on a
    chain where coins have a price."""
    return SigningKey(keccak(b"smart layer local chain faucet"))


def find_anvil(root: Path) -> Path | None:
    """anvil's program: beside ``root``'s node modules or tool chain, or on PATH."""
    for folder in _ANVIL_FOLDERS:
        program = root / folder / "anvil"
        if program.is_file() and os.access(program, os.X_OK):
            return program
    found = shutil.which("anvil")
    return Path(found) if found else None


class LocalChain:
    """A chain process on the loopback address. Use as an async context manager.

    ``kind`` None takes anvil if it is found under ``root`` or on PATH, else the embedded chain.
    ``log`` is a file that takes the process's output. Entering raises LocalChainFailed if ``port``
    is taken; without a ``port`` another one is tried.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        kind: Kind | None = None,
        chain_id: int = LOCAL_CHAIN_ID,
        port: int | None = None,
        log: Path | None = None,
        anvil_options: Sequence[str] = (),
    ) -> None:
        self._anvil = None if kind == "embedded" else find_anvil(root or Path.cwd())
        if kind == "anvil" and self._anvil is None:
            raise LocalChainFailed(command="anvil", problem="it is neither installed nor on PATH")
        self.kind: Kind = "anvil" if self._anvil else "embedded"
        self.chain_id = chain_id
        self.faucet = faucet_key()
        self._log = log
        self._anvil_options = tuple(anvil_options)
        self._process: asyncio.subprocess.Process | None = None
        self._exits = AsyncExitStack()
        self._wanted_port = port
        self._settle_on(port or free_port())

    def _settle_on(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.rpc = JsonRpc(self.endpoint, self.chain_id, seconds=60)
        self._faucet_sender = RpcSender(self.rpc, self.faucet)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def fund(self, *accounts: Address, coins: int = 100) -> None:
        """Give each account ``coins`` of the chain's own coin, for gas."""
        calls = [send_coin(account, coins * COIN) for account in accounts]
        await asyncio.gather(*(self._faucet_sender.submit(call) for call in calls))

    async def found(
        self,
        founder: SigningKey,
        *,
        period_length: int = MONTH,
        treasury: Address | None = None,
        terms: Terms | None = None,
    ) -> Deployment:
        """Give ``founder`` coins and let it deploy a network whose period 0 opens now."""
        await self.fund(founder.address)
        head = await latest_block(self.rpc)
        plan = plan_for(
            founder.address, head, treasury=treasury, period_length=period_length, terms=terms
        )
        return await deploy(RpcSender(self.rpc, founder), self.chain_id, head, plan)

    def reader(self, deployment: Deployment) -> RpcChainReader:
        """A reader of this chain."""
        return RpcChainReader(self.rpc, deployment)

    def sender(self, key: SigningKey, deployment: Deployment) -> RpcSender:
        """A sender on this chain; keep one per key."""
        return RpcSender(self.rpc, key, deployment=deployment)

    async def now(self) -> int:
        """The newest block's time, unix seconds."""
        return (await latest_block(self.rpc)).timestamp

    async def advance(self, seconds: int) -> int:
        """Let ``seconds`` pass on the chain and mine a block then; returns its time."""
        await self.rpc.once("evm_increaseTime", seconds)
        await self.rpc.once("evm_mine")
        return await self.now()

    async def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks."""
        for _ in range(blocks):
            await self.rpc.once("evm_mine")

    def command(self) -> list[str]:
        """The process's command line."""
        if self._anvil is None:
            module = ["-m", "settlement.chain.embedded"]
            where = ["--port", str(self.port), "--chain-id", str(self.chain_id)]
            return [sys.executable, *module, *where]
        return [
            str(self._anvil),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--chain-id", str(self.chain_id)),
            *("--hardfork", "prague", "--accounts", "1", "--order", "fifo"),
            *self._anvil_options,
        ]

    async def _start(self) -> None:
        for attempt in range(_START_ATTEMPTS):
            if attempt and self._wanted_port is None:
                self._settle_on(free_port())
            if await self._started():
                break
            await self._stop()
        else:
            raise self._failed(f"port {self.port} is taken")
        if self.kind == "anvil":
            wei = hex(FAUCET_COINS * COIN)
            await self.rpc.once("anvil_setBalance", hex_text(self.faucet.address), wei)

    async def _started(self) -> bool:
        """Whether our own process serves the port; not so where somebody else does."""
        if is_taken(self.port):
            return False
        output: int | IO[bytes] = asyncio.subprocess.DEVNULL
        if self._log is not None:
            output = self._exits.enter_context(self._log.open("wb"))
        self._process = await asyncio.create_subprocess_exec(
            *self.command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
        await self._exits.enter_async_context(self.rpc)
        async with asyncio.timeout(_START_SECONDS):
            return await self._answering(self._process)

    async def _answering(self, process: asyncio.subprocess.Process) -> bool:
        while True:
            if process.returncode is not None:
                if is_taken(self.port):
                    return False  # somebody else came first
                raise self._failed(f"it ended with exit code {process.returncode}")
            try:
                await self.rpc.once("eth_chainId")
            except RpcUnreachable:
                pass
            else:
                if await asyncio.to_thread(listens, process.pid, self.port):
                    return True
            await asyncio.sleep(0.02)

    def _failed(self, problem: str) -> LocalChainFailed:
        return LocalChainFailed(command=" ".join(self.command()), problem=problem)

    async def _stop(self) -> None:
        await self._exits.aclose()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
