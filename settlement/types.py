"""Value types shared by every room: addresses, hashes, amounts, token names.

Bytes stay bytes inside; they are hexadecimal text only at an edge. Amounts are integers in the
Service Token's base unit (18 decimals). Widths equal Solidity's, and a value that does not fit
raises :class:`settlement.errors.AmountOutOfRange`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, NewType

import sha3

from settlement.errors import AmountOutOfRange, InputError

Address = NewType("Address", bytes)
"""20 bytes: an account, a contract, or a key's address."""

Hash = NewType("Hash", bytes)
"""32 bytes."""

Signature = NewType("Signature", bytes)
"""65 bytes, r | s | v with low s and v in {27, 28}."""


@dataclass(frozen=True, slots=True)
class SolidityType:
    """Names the Solidity type that an annotated Python type stands for."""

    name: str


Uint8 = Annotated[int, SolidityType("uint8")]
Uint16 = Annotated[int, SolidityType("uint16")]
Uint32 = Annotated[int, SolidityType("uint32")]
Uint64 = Annotated[int, SolidityType("uint64")]
Uint96 = Annotated[int, SolidityType("uint96")]
Uint128 = Annotated[int, SolidityType("uint128")]
Uint256 = Annotated[int, SolidityType("uint256")]

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash(bytes(32))
BASIS_POINTS = 10_000
"""Shares are in basis points: 10,000 is the whole."""


def keccak(data: bytes) -> Hash:
    """Keccak-256 through libkeccak's C extension (the pure Python backend is 100 times slower)."""
    return Hash(sha3.keccak_256(data).digest())


def parse_bytes(text: str, length: int, where: str) -> bytes:
    """Read 0x-prefixed hexadecimal text of exactly ``length`` bytes, or raise InputError."""
    if len(text) != 2 + 2 * length or not text.startswith("0x"):
        raise InputError(where=where, problem=f"expected 0x and {2 * length} hexadecimal digits")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise InputError(where=where, problem="a digit is not hexadecimal") from error


def parse_address(text: str, where: str = "address") -> Address:
    """Read an address; a mixed-case one must carry a right EIP-55 checksum."""
    value = Address(parse_bytes(text, 20, where))
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksum(value) != text:
        raise InputError(where=where, problem="the EIP-55 checksum is wrong; a digit was mistyped")
    return value


def parse_hash(text: str, where: str = "hash") -> Hash:
    """Read 32 bytes of 0x-prefixed hexadecimal text."""
    return Hash(parse_bytes(text, 32, where))


@lru_cache(maxsize=4_096)
def checksum(address: Address) -> str:
    """The EIP-55 text form of an address."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble in "89abcdef" else digit
        for digit, nibble in zip(digits, mask, strict=False)
    )


def hex_text(data: bytes) -> str:
    """0x-prefixed lower-case hexadecimal text."""
    return "0x" + data.hex()


def unsigned(value: int, bits: int, where: str) -> int:
    """Return ``value`` if it fits an unsigned integer of ``bits`` bits, or raise."""
    if not 0 <= value < 1 << bits:
        raise AmountOutOfRange(where=where, problem=f"{value!r} does not fit uint{bits}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClass:
    """A token contract on one chain; what an issuer registers and pays rent for."""

    chain_id: Uint256
    contract: Address

    @property
    def id(self) -> Hash:
        """keccak256(abi.encode(chainId, contract)), the ``tokenClass`` of every message."""
        return keccak(self.chain_id.to_bytes(32, "big") + bytes(12) + self.contract)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenId:
    """One smart token: a class and the ERC-721 number in it."""

    chain_id: Uint256
    contract: Address
    number: Uint256

    @property
    def token_class(self) -> TokenClass:
        return TokenClass(chain_id=self.chain_id, contract=self.contract)

    @property
    def id(self) -> Hash:
        """keccak256(abi.encode(chainId, contract, tokenId)), the ``token`` of every message."""
        return keccak(
            self.chain_id.to_bytes(32, "big")
            + bytes(12)
            + self.contract
            + self.number.to_bytes(32, "big")
        )

    @property
    def path(self) -> str:
        """The token's place in the API: ``{chain}/{contract}/{number}``."""
        return f"{self.chain_id}/{checksum(self.contract)}/{self.number}"
