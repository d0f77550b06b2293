"""Receipts: what a mined transaction did, or in words why the contract refused it."""

from dataclasses import replace
from typing import Any

from settlement.chain.events import EventDecoder
from settlement.chain.reverts import explain
from settlement.chain.rpc import Rpc
from settlement.core.sending import Claim, Stage
from settlement.ports.chain import TransactionReceipt
from settlement.ports.chain_errors import BlockNotFound, CallReverted
from settlement.types import ZERO_HASH, Address, Hash, hex_text

Json = dict[str, Any]
_NO_BODIES = False


def mined(claim: Claim, found: Json) -> Claim:
    """The claim as its receipt tells."""
    used = int(found["gasUsed"], 16)
    return replace(
        claim,
        stage=Stage.MINED if int(found["status"], 16) == 1 else Stage.REVERTED,
        transaction=_hash(found["transactionHash"]),
        block=int(found["blockNumber"], 16),
        block_hash=_hash(found["blockHash"]),
        gas_used=used,
        fee=used * int(found.get("effectiveGasPrice", "0x0"), 16),
    )


def remembered(claim: Claim) -> TransactionReceipt:
    """The receipt of a claim whose block the endpoints have pruned: without events."""
    return TransactionReceipt(
        transaction=claim.transaction or ZERO_HASH,
        block=claim.block,
        block_hash=claim.block_hash or ZERO_HASH,
        gas_used=claim.gas_used,
        fee=claim.fee,
        created=None,
        events=(),
    )


class ReceiptReader:
    """Reads receipts for one sender. ``decoder`` None leaves events out."""

    def __init__(self, rpc: Rpc, account: Address, decoder: EventDecoder | None) -> None:
        self._rpc = rpc
        self._account = account
        self._decoder = decoder

    async def receipt(self, claim: Claim, found: Json) -> TransactionReceipt:
        """The port's receipt of a claim. Raises CallReverted where the contract refused."""
        told = mined(claim, found)
        if told.stage is Stage.REVERTED:
            raise await self._failure(told)
        times: dict[Hash, int] = {}
        if self._decoder and found["logs"]:
            header = await self._rpc.agreed("eth_getBlockByHash", found["blockHash"], _NO_BODIES)
            if header is None:  # replaced between the two requests
                raise BlockNotFound(number=told.block)
            times = {_hash(found["blockHash"]): int(header["timestamp"], 16)}
        created = found.get("contractAddress")
        return replace(
            remembered(told),
            created=Address(bytes.fromhex(created[2:])) if created else None,
            events=self._decoder.decode(found["logs"], times) if self._decoder else (),
        )

    async def _failure(self, claim: Claim) -> CallReverted:
        error = explain(b"", "it ran out of gas", claim.contract)
        if claim.gas_used < claim.gas:
            error = explain(b"", "the state has moved on since", claim.contract)
            request = {"from": hex_text(self._account), "data": hex_text(claim.data)}
            if claim.contract is not None:
                request["to"] = hex_text(claim.contract)
            if claim.value:
                request["value"] = hex(claim.value)
            try:
                await self._rpc.agreed("eth_call", request, hex(claim.block - 1))
            except CallReverted as replayed:
                error = replayed
        return replace(
            error,
            purpose=claim.purpose,
            contract=claim.contract,
            transaction=claim.transaction,
        )


def _hash(text: str) -> Hash:
    return Hash(bytes.fromhex(text[2:]))
