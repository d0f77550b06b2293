"""EIP-712 typed data derived from dataclasses.

Solidity owns the shape of every signed struct (``contracts/interfaces/ISmartLayerMessages.sol``);
the Python class mirrors it field by field, and its type string, type hash and digest are derived
from its own annotations, so that the two cannot drift without a parity test seeing it.

Source: EIP-712, sections "Definition of encodeType", "encodeData" and "hashStruct".
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from settlement.errors import AmountOutOfRange
from settlement.types import Address, Hash, SolidityType, keccak, unsigned

Encoder = Callable[[Any], bytes]

_BY_PYTHON_TYPE: dict[Any, str] = {
    Address: "address",
    Hash: "bytes32",
    str: "string",
    bytes: "bytes",
    bool: "bool",
}


def camel_case(name: str) -> str:
    """``token_class`` to ``tokenClass``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a struct: its names, its Solidity type and how to encode it."""

    attribute: str
    name: str
    solidity: str
    encode: Encoder
    struct: "type[TypedMessage] | None"


@dataclass(frozen=True, kw_only=True)
class TypedMessage:
    """Base of every message that is signed. Subclasses are frozen dataclasses.

    Field types: ``Address``, ``Hash``, ``UintN``, ``bool``, ``str``, ``bytes``, another
    ``TypedMessage``, or ``tuple[T, ...]`` of one of these.
    """

    TYPE_NAME: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for member in members(type(self)):
            member.encode(getattr(self, member.attribute))

    def struct_hash(self) -> Hash:
        """EIP-712 hashStruct of this message."""
        return keccak(
            type_hash(type(self))
            + b"".join([m.encode(getattr(self, m.attribute)) for m in members(type(self))])
        )


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain ``SmartLayer`` version 1 of one hub on one chain, separator cached."""

    chain_id: int
    hub: Address
    separator: Hash

    NAME: ClassVar[str] = "SmartLayer"
    VERSION: ClassVar[str] = "1"

    @classmethod
    def of(cls, chain_id: int, hub: Address) -> Self:
        """Build the domain of the hub at ``hub`` on chain ``chain_id``."""
        type_string = (
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        )
        separator = keccak(
            keccak(type_string.encode())
            + keccak(cls.NAME.encode())
            + keccak(cls.VERSION.encode())
            + chain_id.to_bytes(32, "big")
            + bytes(12)
            + hub
        )
        return cls(chain_id, hub, separator)

    def digest(self, message: TypedMessage) -> Hash:
        """What a key signs: keccak256(0x1901 | separator | hashStruct)."""
        return keccak(b"\x19\x01" + self.separator + message.struct_hash())


def type_name(message_type: type[TypedMessage]) -> str:
    """The Solidity name of the struct; the class's own unless TYPE_NAME says otherwise."""
    return message_type.TYPE_NAME or message_type.__name__


def type_string(message_type: type[TypedMessage]) -> str:
    """EIP-712 encodeType: the struct, then the structs that it refers to, sorted by name."""
    found: dict[str, type[TypedMessage]] = {}
    _collect(message_type, found)
    own = type_name(message_type)
    rest = sorted(name for name in found if name != own)
    return "".join(_own_type_string(found[name]) for name in [own, *rest])


def type_hash(message_type: type[TypedMessage]) -> Hash:
    """keccak256 of the type string."""
    hashable: Any = message_type
    return _cached_type_hash(hashable)


def members(message_type: type[TypedMessage]) -> tuple[Member, ...]:
    """The struct's fields in order, each with its encoder."""
    hashable: Any = message_type
    return _cached_members(hashable)


# A class is hashable whatever its instances are; mypy looks at the instances, hence the Any.
@cache
def _cached_type_hash(message_type: Any) -> Hash:
    return keccak(type_string(message_type).encode())


@cache
def _cached_members(message_type: Any) -> tuple[Member, ...]:
    hints = get_type_hints(message_type, include_extras=True)
    return tuple(_member(field.name, hints[field.name]) for field in fields(message_type))


def _own_type_string(message_type: type[TypedMessage]) -> str:
    inner = ",".join(f"{m.solidity} {m.name}" for m in members(message_type))
    return f"{type_name(message_type)}({inner})"


def _collect(message_type: type[TypedMessage], found: dict[str, type[TypedMessage]]) -> None:
    if type_name(message_type) in found:
        return
    found[type_name(message_type)] = message_type
    for member in members(message_type):
        if member.struct is not None:
            _collect(member.struct, found)


def _member(attribute: str, annotation: Any) -> Member:
    solidity, encode, struct = _resolve(annotation, attribute)
    return Member(attribute, camel_case(attribute), solidity, encode, struct)


def _resolve(annotation: Any, where: str) -> tuple[str, Encoder, type[TypedMessage] | None]:
    origin = get_origin(annotation)
    if origin is tuple or isinstance(annotation, GenericAlias):
        element, ellipsis = get_args(annotation)
        assert ellipsis is ..., f"{where}: only tuple[T, ...] maps to a Solidity array"
        solidity, encode, struct = _resolve(element, where)
        return f"{solidity}[]", lambda items: keccak(b"".join(map(encode, items))), struct
    if origin is Annotated:
        marks = [m for m in get_args(annotation)[1:] if isinstance(m, SolidityType)]
        name = marks[0].name
        bits = int(name.removeprefix("uint"))
        return name, lambda value: unsigned(value, bits, where).to_bytes(32, "big"), None
    if isinstance(annotation, type) and issubclass(annotation, TypedMessage):
        return type_name(annotation), lambda value: value.struct_hash(), annotation
    name = _BY_PYTHON_TYPE[annotation]
    return name, _ATOMS[name](where), None


def _fixed(length: int, left_pad: int) -> Callable[[str], Encoder]:
    def bind(where: str) -> Encoder:
        def encode(value: bytes) -> bytes:
            if len(value) != length:
                raise AmountOutOfRange(where=where, problem=f"expected {length} bytes")
            return bytes(left_pad) + value

        return encode

    return bind


_ATOMS: dict[str, Callable[[str], Encoder]] = {
    "address": _fixed(20, 12),
    "bytes32": _fixed(32, 0),
    "string": lambda _where: lambda value: keccak(value.encode()),
    "bytes": lambda _where: keccak,
    "bool": lambda _where: lambda value: int(value).to_bytes(32, "big"),
}
