"""The embedded chain's blocks, transactions, receipts and logs in JSON-RPC's form.

Source: the Ethereum JSON-RPC specification (execution-apis).
"""

from collections.abc import Sequence
from typing import Any

from settlement.chain.embedded_chain import MinedBlock, MinedTransaction
from settlement.types import hex_text

_NO_BLOOM = "0x" + "00" * 256


def block_json(block: MinedBlock, bodies: Any) -> dict[str, Any]:
    """A block, with its transactions whole or as hashes."""
    header, content = block.header, block.content
    transactions: list[Any] = []
    if content is not None:
        shown = transaction_json(content.transaction, block)
        transactions = [shown if bodies else shown["hash"]]
    return {
        "number": hex(header.block_number),
        "hash": hex_text(header.hash),
        "parentHash": hex_text(header.parent_hash),
        "nonce": hex_text(header.nonce),
        "sha3Uncles": hex_text(header.uncles_hash),
        "logsBloom": hex_text(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": hex_text(header.transaction_root),
        "stateRoot": hex_text(header.state_root),
        "receiptsRoot": hex_text(header.receipt_root),
        "miner": hex_text(header.coinbase),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": hex_text(header.extra_data),
        "size": hex(1_000),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "mixHash": hex_text(header.mix_hash),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "transactions": transactions,
        "uncles": [],
    }


def receipt_json(content: MinedTransaction, block: MinedBlock) -> dict[str, Any]:
    """The receipt of the one transaction of a block."""
    transaction, header = content.transaction, block.header
    created = None
    if not transaction.to:
        created = hex_text(content.computation.msg.storage_address)
    price = min(
        transaction.max_fee_per_gas,
        header.base_fee_per_gas + transaction.max_priority_fee_per_gas,
    )
    return {
        "transactionHash": hex_text(transaction.hash),
        "transactionIndex": "0x0",
        "blockHash": hex_text(header.hash),
        "blockNumber": hex(header.block_number),
        "from": hex_text(transaction.sender),
        "to": hex_text(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": hex(content.receipt.gas_used),
        "gasUsed": hex(content.receipt.gas_used),
        "effectiveGasPrice": hex(price),
        "contractAddress": created,
        "logs": logs_json(block),
        "logsBloom": _NO_BLOOM,
        "status": hex(0 if content.computation.is_error else 1),
        "type": "0x2",
    }


def logs_json(block: MinedBlock) -> list[dict[str, Any]]:
    """A block's logs."""
    if block.content is None:
        return []
    return [
        {
            "address": hex_text(log.address),
            "topics": [hex_text(topic.to_bytes(32, "big")) for topic in log.topics],
            "data": hex_text(log.data),
            "blockNumber": hex(block.header.block_number),
            "blockHash": hex_text(block.header.hash),
            "blockTimestamp": hex(block.header.timestamp),
            "transactionHash": hex_text(block.content.transaction.hash),
            "transactionIndex": "0x0",
            "logIndex": hex(index),
            "removed": False,
        }
        for index, log in enumerate(block.content.receipt.logs)
    ]


def topics_match(wanted: Sequence[Any], topics: Sequence[str]) -> bool:
    """Whether a log's topics pass an eth_getLogs filter: None is any, a list is any of."""
    if len(wanted) > len(topics):
        return False
    for want, topic in zip(wanted, topics, strict=False):
        if want is None:
            continue
        allowed = [want] if isinstance(want, str) else want
        if topic not in {text.lower() for text in allowed}:
            return False
    return True


def transaction_json(transaction: Any, block: MinedBlock | None) -> dict[str, Any]:
    """A transaction; one that waits has no block."""
    return {
        "hash": hex_text(transaction.hash),
        "type": "0x2",
        "chainId": hex(transaction.chain_id),
        "nonce": hex(transaction.nonce),
        "from": hex_text(transaction.sender),
        "to": hex_text(transaction.to) if transaction.to else None,
        "value": hex(transaction.value),
        "gas": hex(transaction.gas),
        "gasPrice": hex(transaction.max_fee_per_gas),
        "maxFeePerGas": hex(transaction.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(transaction.max_priority_fee_per_gas),
        "input": hex_text(transaction.data),
        "accessList": [],
        "v": hex(transaction.y_parity),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
        "blockHash": hex_text(block.header.hash) if block else None,
        "blockNumber": hex(block.header.block_number) if block else None,
        "transactionIndex": "0x0" if block else None,
    }
