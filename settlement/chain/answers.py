"""What an endpoint answered, in one form: only the fields that we use, each of its own shape.

Clients add fields of their own to blocks, receipts and logs, and an endpoint that lies may say in
them what it likes. What has this form holds nothing that was not compared (``ballot``), and reads
without another look: hex in lower case, numbers without leading zeros, addresses of 20 bytes and
hashes of 32, no log that a reorganisation removed.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from settlement.errors import InputError
from settlement.ports.chain_errors import AnswerMisshapen

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_ADDRESS_BYTES = 20
_HASH_BYTES = 32
_MOST_TOPICS = 4

_Read = Callable[[Any, str], Any]
"""From a value and where it stands to its one form. Raises InputError."""


def normal(method: str, value: Any) -> Any:
    """The answer to ``method`` in its one form; that of a method we do not know as it is.

    Raises AnswerMisshapen.
    """
    read = _FORMS.get(method)
    try:
        return value if read is None else read(value, "answer")
    except InputError as error:
        problem = f"{error.where}: {error.problem}"
        raise AnswerMisshapen(method=method, problem=problem) from error


def _quantity(value: Any, where: str) -> str:
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise InputError(where=where, problem="expected a number of at most 256 bits in hex")
    return hex(int(value, 16))


def _bytes(value: Any, where: str) -> str:
    if not isinstance(value, str) or _BYTES.fullmatch(value) is None:
        raise InputError(where=where, problem="expected bytes in hex")
    return value.lower()


def _exactly(length: int) -> _Read:
    def read(value: Any, where: str) -> str:
        text = _bytes(value, where)
        if len(text) != 2 + 2 * length:
            raise InputError(where=where, problem=f"expected {length} bytes in hex")
        return text

    return read


_address, _hash = _exactly(_ADDRESS_BYTES), _exactly(_HASH_BYTES)


def _code(value: Any, where: str) -> str:
    """Clients write "no code" in three ways."""
    return "0x" if value in (None, "0x0") else _bytes(value, where)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(where=where, problem="expected a list")
    return value


def _topics(value: Any, where: str) -> list[str]:
    topics = _list(value, where)
    if len(topics) > _MOST_TOPICS:
        raise InputError(where=where, problem=f"expected at most {_MOST_TOPICS}")
    return [_hash(topic, where) for topic in topics]


_BLOCK: Mapping[str, _Read] = {
    "number": _quantity,
    "hash": _hash,
    "parentHash": _hash,
    "timestamp": _quantity,
    "mixHash": _hash,
}
_BLOCK_MAY: Mapping[str, _Read] = {"baseFeePerGas": _quantity}
_LOG: Mapping[str, _Read] = {
    "address": _address,
    "topics": _topics,
    "data": _bytes,
    "blockNumber": _quantity,
    "blockHash": _hash,
    "transactionHash": _hash,
    "logIndex": _quantity,
}
_RECEIPT: Mapping[str, _Read] = {
    "transactionHash": _hash,
    "blockHash": _hash,
    "blockNumber": _quantity,
    "status": _quantity,
    "gasUsed": _quantity,
}
_RECEIPT_MAY: Mapping[str, _Read] = {"effectiveGasPrice": _quantity, "contractAddress": _address}
_OF_ITS_RECEIPT = ("transactionHash", "blockHash", "blockNumber")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where=where, problem="expected an object")
    return value


def _fields(
    source: Mapping[str, Any], must: Mapping[str, _Read], may: Mapping[str, _Read]
) -> dict[str, Any]:
    found = {name: read(source.get(name), name) for name, read in must.items()}
    given = {name: source[name] for name in may if source.get(name) is not None}
    return found | {name: may[name](value, name) for name, value in given.items()}


def _block(value: Any, where: str) -> dict[str, Any] | None:
    return None if value is None else _fields(_object(value, where), _BLOCK, _BLOCK_MAY)


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)


def _logs(value: Any, where: str) -> list[dict[str, Any]]:
    """The logs that stand, in the chain's order."""
    sources = [_object(log, where) for log in _list(value, where)]
    standing = [_fields(log, _LOG, {}) for log in sources if not log.get("removed")]
    if len(set(map(_place, standing))) < len(standing):
        raise InputError(where=where, problem="expected one log in a place")
    return sorted(standing, key=_place)


def _receipt(value: Any, where: str) -> dict[str, Any] | None:
    if value is None:
        return None
    source = _object(value, where)
    if source.get("blockNumber") is None:
        return {"blockNumber": None}  # not mined yet
    receipt = _fields(source, _RECEIPT, _RECEIPT_MAY)
    logs = _logs(source.get("logs"), "logs")
    if any(log[name] != receipt[name] for log in logs for name in _OF_ITS_RECEIPT):
        raise InputError(where="logs", problem="expected those of this transaction")
    return receipt | {"logs": logs}


_FORMS: Mapping[str, _Read] = {
    "eth_call": _bytes,
    "eth_chainId": _quantity,
    "eth_estimateGas": _quantity,
    "eth_getBalance": _quantity,
    "eth_getBlockByHash": _block,
    "eth_getBlockByNumber": _block,
    "eth_getCode": _code,
    "eth_getLogs": _logs,
    "eth_getTransactionCount": _quantity,
    "eth_getTransactionReceipt": _receipt,
}
