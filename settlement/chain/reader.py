"""The chain reader over JSON-RPC: headers, logs and typed views of one deployment."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from settlement.chain.abi import artifact, build
from settlement.chain.deployment import Deployment
from settlement.chain.events import TRANSFER, EventDecoder
from settlement.chain.rpc import Rpc
from settlement.errors import InputError
from settlement.ports.chain import Block
from settlement.ports.chain_errors import BlockNotFound, CallReverted, NotDeployed
from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import (
    ChainParameters,
    ChannelAccount,
    ExecutionRates,
    PeriodPot,
    PeriodRent,
    RegisteredClass,
    RegisteredNode,
    RentAccount,
    Terms,
    Windows,
)
from settlement.types import Address, Hash, hex_text

T = TypeVar("T")

NODES_PER_CALL = 100
_REMEMBERED_TIMES = 4_096
_NO_BODIES = False
"""Headers carry the hashes of their transactions only."""


class RpcChainReader:
    """A :class:`settlement.ports.chain.ChainReader` over JSON-RPC.

    All that it reads is agreed on by a majority, where ``rpc`` has several endpoints.
    """

    def __init__(self, rpc: Rpc, deployment: Deployment) -> None:
        self.deployment = deployment
        self._rpc = rpc
        self._decoder = EventDecoder.of(deployment)
        self._times: dict[Hash, int] = {}
        self._periods: tuple[int, int] | None = None

    @property
    def chain_id(self) -> int:
        return self.deployment.chain_id

    async def head(self) -> Block:
        return await latest_block(self._rpc)

    async def block(self, number: int) -> Block:
        found = await self._rpc.agreed("eth_getBlockByNumber", hex(number), _NO_BODIES)
        if found is None:
            raise BlockNotFound(number=number)
        return _block(found)

    async def events(
        self, first: int, last: int, watched: frozenset[Address]
    ) -> Sequence[ChainEvent]:
        contracts = self.deployment.contracts()
        asked = [self._logs(first, last, list(contracts), None)]
        if others := watched - contracts.keys():
            asked.append(self._logs(first, last, sorted(others), TRANSFER))
        # Asked in the same breath: an endpoint (or the one of many behind a common address) that
        # does not have the last block yet would leave its logs out without a word.
        _, *found = await asyncio.gather(self.block(last), *asked)
        logs = [log for some in found for log in some]
        return self._decoder.decode(logs, await self._block_times(logs))

    async def call(self, contract: Address, calldata: bytes, block: int | None = None) -> bytes:
        request = {"to": hex_text(contract), "data": hex_text(calldata)}
        tag = "latest" if block is None else hex(block)
        return bytes.fromhex((await self._rpc.agreed("eth_call", request, tag))[2:])

    async def require_deployed(self) -> None:
        """Raise NotDeployed unless every address of the deployment holds code."""
        expected = self.deployment.contracts() | self.deployment.tokens()
        asked = (self._rpc.agreed("eth_getCode", hex_text(one), "latest") for one in expected)
        codes = await asyncio.gather(*asked)
        for (contract, name), code in zip(expected.items(), codes, strict=True):
            if code in ("0x", "0x0", None):
                raise NotDeployed(name=name, contract=contract)

    async def parameters(self, period: int | None = None) -> ChainParameters:
        genesis, length = await self._clock()
        wanted = (await self._view("Parameters", "currentPeriod")) if period is None else period
        terms = build(Terms, await self._view("Parameters", "termsAt", wanted))
        return ChainParameters(genesis=genesis, period_length=length, period=wanted, terms=terms)

    async def rates(self, period: int | None = None) -> ExecutionRates:
        wanted = (await self._view("Parameters", "currentPeriod")) if period is None else period
        return build(ExecutionRates, await self._view("Parameters", "ratesAt", wanted))

    async def elected_anchors(self, period: int | None = None) -> Sequence[Address]:
        wanted = (await self._view("Parameters", "currentPeriod")) if period is None else period
        return tuple(await self._view("AnchorElection", "activeAnchors", wanted))

    async def windows(self, period: int) -> Windows:
        """The windows of a period as the contract tells them."""
        return build(Windows, await self._view("Parameters", "windowsOf", period))

    async def channel(self, signer: Address) -> ChannelAccount:
        return build(ChannelAccount, await self._view("ChannelHub", "channelOf", signer))

    async def is_settled(self, signer: Address, period: int) -> bool:
        return bool(await self._view("ChannelHub", "isSettled", signer, period))

    async def held_in(self, signer: Address, period: int) -> int:
        return int(await self._view("ChannelHub", "heldIn", signer, period))

    async def pot(self, anchor: Address, period: int) -> PeriodPot:
        return build(PeriodPot, await self._view("ChannelHub", "potOf", anchor, period))

    async def is_paid(self, anchor: Address, period: int, index: int) -> bool:
        return bool(await self._view("ChannelHub", "isPaid", anchor, period, index))

    async def credit(self, account: Address) -> int:
        return int(await self._view("ChannelHub", "creditOf", account))

    async def node(self, key: Address) -> RegisteredNode | None:
        if await self._view("NodeRegistry", "numberOf", key) == 0:
            return None
        return build(RegisteredNode, await self._view("NodeRegistry", "nodeOf", key))

    async def payout_at(self, key: Address, period: int) -> Address:
        return Address(await self._view("NodeRegistry", "payoutAt", key, period))

    async def nodes(self) -> Sequence[RegisteredNode]:
        count = await self._view("NodeRegistry", "nodeCount")
        found: list[RegisteredNode] = []
        while len(found) < count:
            page = await self._view("NodeRegistry", "nodes", len(found) + 1, NODES_PER_CALL)
            if not page:
                break
            found += [build(RegisteredNode, entry) for entry in page]
        return found

    async def token_class(self, class_id: Hash) -> RegisteredClass | None:
        if not await self._view("IssuerRegistry", "isRegistered", class_id):
            return None
        return build(RegisteredClass, await self._view("IssuerRegistry", "classOf", class_id))

    async def revenue(self, class_id: Hash, period: int) -> tuple[Address, int]:
        payout, share = await self._answer("IssuerRegistry", "revenueAt", class_id, period)
        return payout, share

    async def claim_page(self, node: Address, period: int, page: int) -> int:
        """The hub's word of a page of direct claims (:mod:`settlement.core.claim_pages`)."""
        word: int = await self._view("ChannelHub", "claimPage", node, period, page)
        return word

    async def rent(self, class_id: Hash) -> RentAccount:
        return build(RentAccount, await self._view("RentVault", "rentOf", class_id))

    async def rent_in(self, class_id: Hash, period: int) -> PeriodRent:
        rent, spent = await self._answer("RentVault", "rentAt", class_id, period)
        instances = await self._view("RentVault", "instancesAt", class_id, period)
        return PeriodRent(instances=instances, rent=rent, spent=spent)

    async def rent_quote(self, class_id: Hash, instances: int, periods: int) -> tuple[int, int]:
        """What that rent costs now, and until when (unix seconds) it would be paid."""
        amount, expiry = await self._answer("RentVault", "quote", class_id, instances, periods)
        return amount, expiry

    async def owner_of(self, contract: Address, number: int) -> Address | None:
        tickets = artifact("SmartTicket")  # any ERC-721 answers ownerOf alike
        try:
            data = await self.call(contract, tickets.calldata("ownerOf", number))
            return Address(tickets.answer("ownerOf", data)[0])
        except (CallReverted, InputError):
            return None

    async def balance(self, account: Address) -> int:
        return int(await self._view("ServiceToken", "balanceOf", account))

    async def stake_balance(self, account: Address) -> int:
        return int(await self._view("StakeToken", "balanceOf", account))

    async def allowance(self, token: str, holder: Address, spender: Address) -> int:
        """What ``spender`` may take from ``holder``; ``token`` is an artifact's name."""
        return int(await self._view(token, "allowance", holder, spender))

    async def gas_balance(self, account: Address) -> int:
        return int(await self._rpc.agreed("eth_getBalance", hex_text(account), "latest"), 16)

    async def view(self, name: str, function: str, *arguments: object) -> Any:
        """The one answer of any view function of the deployment's contract ``name``."""
        return await self._view(name, function, *arguments)

    async def _view(self, name: str, function: str, *arguments: object) -> Any:
        return (await self._answer(name, function, *arguments))[0]

    async def _answer(self, name: str, function: str, *arguments: object) -> tuple[Any, ...]:
        interface = artifact(name)
        contract = self._address(name)
        data = await self.call(contract, interface.calldata(function, *arguments))
        try:
            return interface.answer(function, data)
        except InputError as error:
            raise NotDeployed(name=name, contract=contract) from error

    def _address(self, name: str) -> Address:
        known = self.deployment.contracts() | self.deployment.tokens()
        return next(address for address, found in known.items() if found == name)

    async def _clock(self) -> tuple[int, int]:
        if self._periods is None:  # both are immutable in the contract
            genesis, length = await asyncio.gather(
                self._view("Parameters", "genesis"), self._view("Parameters", "periodLength")
            )
            self._periods = (genesis, length)
        return self._periods

    async def _logs(
        self, first: int, last: int, contracts: Sequence[Address], topic: Hash | None
    ) -> list[dict[str, Any]]:
        request: dict[str, Any] = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": [hex_text(contract) for contract in contracts],
        }
        if topic is not None:
            request["topics"] = [hex_text(topic)]
        return list(await self._rpc.agreed("eth_getLogs", request))

    async def _block_times(self, logs: Sequence[dict[str, Any]]) -> dict[Hash, int]:
        blocks = {Hash(bytes.fromhex(log["blockHash"][2:])): log for log in logs}
        asked = (self._block_time(log, block_hash) for block_hash, log in blocks.items())
        return dict(zip(blocks, await asyncio.gather(*asked), strict=True))

    async def _block_time(self, log: dict[str, Any], block_hash: Hash) -> int:
        """By the block's header: not every endpoint tells it in the log, so that what one of them
        tells there was compared with nothing."""
        if (known := self._times.get(block_hash)) is not None:
            return known
        block = await self._rpc.agreed("eth_getBlockByHash", hex_text(block_hash), _NO_BODIES)
        if block is None:  # replaced between the two requests
            raise BlockNotFound(number=int(log["blockNumber"], 16))
        if len(self._times) >= _REMEMBERED_TIMES:
            self._times.clear()
        self._times[block_hash] = int(block["timestamp"], 16)
        return self._times[block_hash]


async def latest_block(rpc: Rpc) -> Block:
    """The newest block of an endpoint, before there is any deployment to read."""
    return _block(await rpc.agreed("eth_getBlockByNumber", "latest", _NO_BODIES))


def _block(source: dict[str, Any]) -> Block:
    return Block(
        number=int(source["number"], 16),
        hash=Hash(bytes.fromhex(source["hash"][2:])),
        parent=Hash(bytes.fromhex(source["parentHash"][2:])),
        timestamp=int(source["timestamp"], 16),
        prev_randao=Hash(bytes.fromhex(source["mixHash"][2:])),
    )
