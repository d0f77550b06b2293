"""EIP-1559 transactions: their encoding and their signature.

Source: EIP-1559 (type 2 payload), EIP-2718 (envelope), Ethereum yellow paper appendix B (RLP).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, keccak

_TYPE_2 = b"\x02"

Rlp: TypeAlias = "bytes | int | Sequence[Rlp]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An unsigned type 2 transaction. Fees are wei per gas; ``to`` None creates a contract."""

    chain_id: int
    nonce: int
    priority_fee: int
    maximum_fee: int
    gas: int
    to: Address | None
    value: int
    data: bytes

    def signed(self, key: SigningKey) -> tuple[Hash, bytes]:
        """The transaction's hash and its raw bytes, ready for eth_sendRawTransaction."""
        payload: list[Rlp] = [
            self.chain_id,
            self.nonce,
            self.priority_fee,
            self.maximum_fee,
            self.gas,
            self.to or b"",
            self.value,
            self.data,
            [],
        ]
        signature = key.sign_digest(keccak(_TYPE_2 + rlp(payload)))
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:64], "big")
        raw = _TYPE_2 + rlp([*payload, signature[64] - 27, r, s])
        return keccak(raw), raw


def rlp(item: Rlp) -> bytes:
    """Recursive-length prefix encoding; integers as big-endian bytes without leading zeros."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    body = b"".join(map(rlp, item))
    return _prefix(len(body), 0xC0) + body


def _prefix(length: int, base: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(digits)]) + digits
