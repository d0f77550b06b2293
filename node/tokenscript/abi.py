"""Contract ABIs and Solidity types: what a script or a schema may name.

Source: Solidity, "Contract ABI Specification", sections "Types" and "JSON".
"""

import re
from dataclasses import dataclass

from node.tokenscript.strict_json import Json, parse_json
from settlement.errors import InputError
from settlement.types import keccak

_ATOM = re.compile(r"(uint|int|bytes|bool|address|string|byte)(\d*)")
_ARRAY = re.compile(r"(.*)\[(\d*)\]$")
_MAX_ARRAY_DIMENSIONS = 4
_MAX_ITEMS = 2_000
_MAX_TUPLE_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AbiParameter:
    """A parameter; ``type`` is canonical, with tuples written out: ``(uint256,address)[]``."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbiFunction:
    """A function of a contract."""

    name: str
    inputs: tuple[AbiParameter, ...]
    outputs: tuple[AbiParameter, ...]
    reads_only: bool

    @property
    def selector(self) -> bytes:
        """The first four bytes of the signature's hash."""
        return selector(self.name, [one.type for one in self.inputs])


def selector(name: str, types: list[str]) -> bytes:
    """The four bytes by which a function is called."""
    return keccak(f"{name}({','.join(types)})".encode())[:4]


def canonical_type(name: str) -> str:
    """The canonical name of an elementary type or an array of them: ``uint`` to ``uint256``.

    Raises InputError for what is not a Solidity type.
    """
    array = _ARRAY.fullmatch(name)
    if array is not None:
        if name.count("[") > _MAX_ARRAY_DIMENSIONS:
            raise InputError(where=f"type {name[:40]}", problem="it has too many dimensions")
        return f"{canonical_type(array[1])}[{_length(array[2], name)}]"
    found = _ATOM.fullmatch(name)
    if found is None:
        raise InputError(where=f"type {name[:40]}", problem="it is not a Solidity type")
    kind, digits = found.groups()
    match kind, digits:
        case (("uint" | "int"), ""):
            return f"{kind}256"
        case "byte", "":
            return "bytes1"
        case (("bytes" | "bool" | "address" | "string"), ""):
            return kind
        case (("uint" | "int"), _) if _in(digits, 8, 256) and int(digits) % 8 == 0:
            return name
        case "bytes", _ if _in(digits, 1, 32):
            return name
        case _:
            raise InputError(where=f"type {name[:40]}", problem="it is not a Solidity type")


def parse_abi(text: str) -> tuple[AbiFunction, ...]:
    """The functions of a JSON ABI; events, errors and the rest are left out."""
    value = parse_json(text, "the ABI")
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        raise InputError(where="the ABI", problem=f"expected a list of at most {_MAX_ITEMS}")
    return tuple(
        _function(item)
        for item in value
        if isinstance(item, dict) and item.get("type", "function") == "function"
    )


def _in(digits: str, low: int, high: int) -> bool:
    return len(digits) <= 3 and not digits.startswith("0") and low <= int(digits) <= high


def _length(digits: str, name: str) -> str:
    if digits and (len(digits) > 6 or digits.startswith("0")):
        raise InputError(where=f"type {name[:40]}", problem="its length is not reasonable")
    return digits


def _function(item: dict[str, Json]) -> AbiFunction:
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(where="the ABI", problem="a function has no name")
    mutability = item.get("stateMutability")
    return AbiFunction(
        name=name,
        inputs=_parameters(item.get("inputs", []), name),
        outputs=_parameters(item.get("outputs", []), name),
        reads_only=mutability in {"view", "pure"} or item.get("constant") is True,
    )


def _parameters(items: Json, where: str) -> tuple[AbiParameter, ...]:
    return tuple(
        AbiParameter(name=str(item.get("name", "")), type=_type(item, where, 0))
        for item in _objects(items, where)
    )


def _objects(items: Json, where: str) -> list[dict[str, Json]]:
    if not isinstance(items, list) or len(items) > _MAX_ITEMS:
        raise InputError(where=f"the ABI of {where}", problem="parameters are not a list")
    found = [item for item in items if isinstance(item, dict)]
    if len(found) != len(items):
        raise InputError(where=f"the ABI of {where}", problem="a parameter is not an object")
    return found


def _type(item: dict[str, Json], where: str, depth: int) -> str:
    name = item.get("type")
    if not isinstance(name, str):
        raise InputError(where=f"the ABI of {where}", problem="a parameter has no type")
    if not name.startswith("tuple"):
        return canonical_type(name)
    if depth > _MAX_TUPLE_DEPTH:
        raise InputError(where=f"the ABI of {where}", problem="tuples are nested too deep")
    # the suffix must itself be a valid array suffix; any element type proves that
    suffix = canonical_type("bool" + name.removeprefix("tuple")).removeprefix("bool")
    parts = _objects(item.get("components", []), where)
    return f"({','.join(_type(part, where, depth + 1) for part in parts)}){suffix}"
