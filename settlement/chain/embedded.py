"""The embedded chain's JSON-RPC server, for machines without anvil.

``python -m settlement.chain.embedded --port 8545`` serves what our reader and sender, and common
wallets' libraries, ask for, on the loopback address. Development only: no peers, no disk.
"""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from settlement.chain.embedded_chain import (
    EmbeddedChain,
    ExecutionReverted,
    MinedBlock,
    MinedTransaction,
    Request,
    TransactionRefused,
)
from settlement.chain.embedded_json import (
    block_json,
    logs_json,
    receipt_json,
    topics_match,
    transaction_json,
)
from settlement.chain.local import COIN, FAUCET_COINS, LOCAL_CHAIN_ID, faucet_key
from settlement.errors import InputError
from settlement.types import Address, Hash, hex_text

LARGEST_REQUEST = 16 * 1024 * 1024
PRIORITY_FEE = 10**9
_METHOD_NOT_FOUND, _INVALID, _REVERTED, _REFUSED = -32_601, -32_602, 3, -32_003

Method = Callable[..., Any]


class EmbeddedRpc:
    """JSON-RPC methods over an :class:`EmbeddedChain`."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.chain = chain
        self._methods: Mapping[str, Method] = {
            "web3_clientVersion": lambda: "smart-layer-embedded/1",
            "net_version": lambda: str(chain.chain_id),
            "eth_chainId": lambda: hex(chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_blockNumber": lambda: hex(len(chain.blocks) - 1),
            "eth_gasPrice": lambda: hex(self._base_fee() + PRIORITY_FEE),
            "eth_maxPriorityFeePerGas": lambda: hex(PRIORITY_FEE),
            "eth_feeHistory": self._fee_history,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBalance": lambda who, tag="latest": hex(
                self._state(tag).get_balance(_raw(who))
            ),
            "eth_getCode": lambda who, tag="latest": hex_text(self._state(tag).get_code(_raw(who))),
            "eth_getStorageAt": self._storage,
            "eth_getTransactionCount": self._transaction_count,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: hex_text(chain.send(_raw(raw))),
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getLogs": self._logs,
            "evm_increaseTime": self._increase_time,
            "evm_setNextBlockTimestamp": lambda when: chain.set_next_time(_number(when)),
            "evm_mine": lambda *_: hex(chain.mine().header.block_number),
            "evm_snapshot": lambda: hex(chain.snapshot()),
            "evm_revert": lambda number: chain.revert(_number(number)),
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one HTTP request, single or batched."""
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.json_response(_failure(None, -32_700, "the body is not JSON"))
        if isinstance(body, list):
            return web.json_response([self.answer(one) for one in body])
        return web.json_response(self.answer(body))

    def answer(self, request: Any) -> dict[str, Any]:
        """The JSON-RPC answer to one request."""
        if not isinstance(request, dict):
            return _failure(None, -32_600, "a request is a JSON object")
        number, name = request.get("id"), request.get("method")
        method = self._methods.get(str(name))
        if method is None:
            return _failure(number, _METHOD_NOT_FOUND, f"no method {name}")
        try:
            result = method(*request.get("params", ()))
        except ExecutionReverted as error:
            data = hex_text(error.output)
            return _failure(number, _REVERTED, f"execution reverted: {error.reason}", data)
        except TransactionRefused as error:
            return _failure(number, _REFUSED, error.problem)
        except InputError as error:
            return _failure(number, _INVALID, error.problem)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            return _failure(number, _INVALID, f"{name}: {error!r}")
        return {"jsonrpc": "2.0", "id": number, "result": result}

    # Blocks

    def _index(self, tag: Any) -> int:
        match tag:
            case "latest" | "pending" | "safe" | "finalized":
                return len(self.chain.blocks) - 1
            case "earliest":
                return 0
            case _:
                return _number(tag)

    def _state(self, tag: Any) -> Any:
        index = self._index(tag)
        if index >= len(self.chain.blocks):
            raise InputError(where="block", problem="unknown block")
        return self.chain.state(index)

    def _base_fee(self) -> int:
        return int(self.chain.head.header.base_fee_per_gas)

    def _block_by_number(self, tag: Any, bodies: Any = None) -> dict[str, Any] | None:
        index = self._index(tag)
        return (
            block_json(self.chain.blocks[index], bodies) if index < len(self.chain.blocks) else None
        )

    def _block_by_hash(self, digest: str, bodies: Any = None) -> dict[str, Any] | None:
        for index in range(len(self.chain.blocks) - 1, -1, -1):
            if self.chain.blocks[index].header.hash == _raw(digest):
                return block_json(self.chain.blocks[index], bodies)
        return None

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:
        last = self._index(newest)
        first = max(0, last - _number(count) + 1)
        headers = [self.chain.blocks[index].header for index in range(first, last + 1)]
        fees = [hex(header.base_fee_per_gas) for header in headers]
        rewards = [[hex(PRIORITY_FEE) for _ in percentiles or ()] for _ in headers]
        return {
            "oldestBlock": hex(first),
            "baseFeePerGas": [*fees, fees[-1]],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "reward": rewards if percentiles else None,
        }

    def _increase_time(self, seconds: Any) -> int:
        self.chain.set_next_time(self.chain.now() + _number(seconds))
        return self.chain.skipped_seconds

    # State and calls

    def _balance(self, who: str, tag: Any = "latest") -> str:
        return hex(self._state(tag).get_balance(_raw(who)))

    def _code(self, who: str, tag: Any = "latest") -> str:
        return hex_text(self._state(tag).get_code(_raw(who)))

    def _storage(self, who: str, slot: Any, tag: Any = "latest") -> str:
        value = self._state(tag).get_storage(_raw(who), _number(slot))
        return hex_text(value.to_bytes(32, "big"))

    def _transaction_count(self, who: str, tag: Any = "latest") -> str:
        account = Address(_raw(who))
        if tag == "pending":
            return hex(self.chain.pending_nonce(account))
        return hex(self._state(tag).get_nonce(account))

    def _call(self, source: Mapping[str, Any], tag: Any = "latest", _: Any = None) -> str:
        index = self._index(tag)
        if index >= len(self.chain.blocks):
            raise InputError(where="block", problem="unknown block")
        return hex_text(self.chain.call(_request(source), index))

    def _estimate(self, source: Mapping[str, Any], _: Any = None) -> str:
        return hex(self.chain.estimate(_request(source)))

    # Transactions

    def _place(self, digest: str) -> tuple[MinedTransaction, MinedBlock] | None:
        index = self.chain.found.get(Hash(_raw(digest)))
        if index is None:
            return None
        block = self.chain.blocks[index]
        return (block.content, block) if block.content is not None else None

    def _transaction(self, digest: str) -> dict[str, Any] | None:
        place = self._place(digest)
        if place is not None:
            return transaction_json(place[0].transaction, place[1])
        for waiting in self.chain.waiting():
            if waiting.hash == _raw(digest):
                return transaction_json(waiting, None)
        return None

    def _receipt(self, digest: str) -> dict[str, Any] | None:
        place = self._place(digest)
        if place is None:
            return None
        return receipt_json(*place)

    def _logs(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        first = self._index(wanted.get("fromBlock", "latest"))
        last = min(self._index(wanted.get("toBlock", "latest")), len(self.chain.blocks) - 1)
        address = wanted.get("address")
        contracts = None
        if address is not None:
            contracts = {
                text.lower() for text in ([address] if isinstance(address, str) else address)
            }
        topics: Sequence[Any] = wanted.get("topics") or ()
        return [
            log
            for block in self.chain.blocks[first : last + 1]
            for log in logs_json(block)
            if (contracts is None or log["address"] in contracts)
            and topics_match(topics, log["topics"])
        ]


def _request(source: Mapping[str, Any]) -> Request:
    target = source.get("to")
    limit = Request(sender=Address(bytes(20)), target=None, data=b"").gas
    return Request(
        sender=Address(_raw(source["from"])) if source.get("from") else Address(bytes(20)),
        target=Address(_raw(target)) if target else None,
        data=_raw(source.get("input") or source.get("data") or "0x"),
        value=_number(source.get("value", 0)),
        gas=min(_number(source.get("gas", limit)), limit),
    )


def _raw(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise InputError(where="parameters", problem=f"{text!r} is not 0x-prefixed hexadecimal")
    return bytes.fromhex(text[2:])


def _number(value: Any) -> int:
    return int(value, 0) if isinstance(value, str) else int(value)


def _failure(number: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}


async def serve(port: int, chain_id: int) -> None:
    """Serve a fresh chain on the loopback address until cancelled; the faucet holds its coins."""
    chain = EmbeddedChain(chain_id=chain_id, allocation={faucet_key().address: FAUCET_COINS * COIN})
    application = web.Application(client_max_size=LARGEST_REQUEST)
    application.router.add_post("/", EmbeddedRpc(chain).handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: where to listen, and as which chain."""
    parser = argparse.ArgumentParser(description="A local chain in one Python process.")
    parser.add_argument("--port", type=int, default=8545)
    parser.add_argument("--chain-id", type=int, default=LOCAL_CHAIN_ID)
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.chain_id))


if __name__ == "__main__":
    main()
