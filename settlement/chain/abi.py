"""The committed contract artifacts: calldata out, answers, logs and reverts in.

An artifact is ``settlement/abi/{Contract}.json`` (abi, bytecode), written by the compile script.
Values cross this border in our types: addresses and hashes are bytes, structs are the dataclasses
of :mod:`settlement.ports.chain_records`, enums are theirs. Source: Solidity's ABI specification.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from settlement.errors import InputError
from settlement.types import Address, Hash, keccak

T = TypeVar("T")

_CAPITAL = re.compile(r"(?<!^)([A-Z])")
_ARRAY = re.compile(r"\[\d*\]$")


def snake_case(name: str) -> str:
    """``tokenClass`` to ``token_class``; a trailing underscore is dropped."""
    return _CAPITAL.sub(r"_\1", name).lower().rstrip("_")


@dataclass(frozen=True, slots=True)
class Component:
    """One argument, answer or struct member. ``type`` is canonical, tuples written out."""

    name: str
    type: str
    indexed: bool
    members: tuple["Component", ...]

    @property
    def is_array(self) -> bool:
        return self.type.endswith("]")


@dataclass(frozen=True, slots=True)
class Shape:
    """A function, event or custom error: its name, what goes in and what comes out."""

    name: str
    inputs: tuple[Component, ...]
    outputs: tuple[Component, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(item.type for item in self.inputs)})"

    @property
    def topic(self) -> Hash:
        return keccak(self.signature.encode())

    @property
    def selector(self) -> bytes:
        return self.topic[:4]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract's interface and creation code."""

    name: str
    bytecode: bytes
    constructor: tuple[Component, ...]
    functions: Mapping[str, Shape]
    """By name; an overloaded function is found by its whole signature only."""
    events: Mapping[Hash, Shape]
    errors: Mapping[bytes, Shape]

    def calldata(self, function: str, *arguments: object) -> bytes:
        """Selector and encoded arguments. Raises InputError for an argument that does not fit."""
        shape = self.functions[function]
        return shape.selector + _encoded(shape.inputs, arguments, f"{self.name}.{function}")

    def creation(self, *arguments: object) -> bytes:
        """Creation code with its constructor's arguments. Raises InputError."""
        if not self.bytecode:
            raise InputError(where=self.name, problem="the artifact has no bytecode; compile first")
        return self.bytecode + _encoded(self.constructor, arguments, f"{self.name} constructor")

    def answer(self, function: str, data: bytes) -> tuple[Any, ...]:
        """The decoded answer of a view call; structs come as mappings. Raises InputError."""
        where = f"{self.name}.{function}"
        return _decoded(self.functions[function].outputs, data, where)


@cache
def artifact(name: str) -> Artifact:
    """The committed artifact of a contract."""
    text = files("settlement").joinpath("abi", f"{name}.json").read_text()
    source = json.loads(text)
    shapes = [(entry["type"], _shape(entry)) for entry in source["abi"]]
    constructor = next((shape.inputs for kind, shape in shapes if kind == "constructor"), ())
    functions = [shape for kind, shape in shapes if kind == "function"]
    names = [shape.name for shape in functions]
    by_name = {shape.name: shape for shape in functions if names.count(shape.name) == 1}
    return Artifact(
        name=name,
        bytecode=bytes.fromhex(source["bytecode"].removeprefix("0x")),
        constructor=constructor,
        functions=by_name | {shape.signature: shape for shape in functions},
        events={shape.topic: shape for kind, shape in shapes if kind == "event"},
        errors={shape.selector: shape for kind, shape in shapes if kind == "error"},
    )


def decode_inputs(shape: Shape, data: bytes) -> dict[str, Any]:
    """The arguments of an error or of a log without indexed ones, by name in snake case."""
    values = _decoded(shape.inputs, data, shape.name)
    return dict(zip([snake_case(item.name) for item in shape.inputs], values, strict=True))


def decode_log(shape: Shape, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    """An event's arguments by name in snake case. Raises InputError where they do not fit."""
    indexed = [item for item in shape.inputs if item.indexed]
    plain = [item for item in shape.inputs if not item.indexed]
    if len(topics) != len(indexed) + 1:
        raise InputError(where=shape.name, problem=f"{len(topics)} topics")
    found = dict(zip([i.name for i in plain], _decoded(plain, data, shape.name), strict=True))
    for item, topic in zip(indexed, topics[1:], strict=True):
        found[item.name] = _decoded([item], topic, shape.name)[0]
    return {snake_case(item.name): found[item.name] for item in shape.inputs}


def build(record: type[T], values: Mapping[str, Any]) -> T:
    """A record from decoded values with the same names; nested structs and enums included."""
    hashable: Any = record
    hints = _hints(hashable)
    return record(**{name: _typed(hints[name], value) for name, value in values.items()})


@cache
def _hints(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


def _typed(annotation: Any, value: Any) -> Any:
    if get_origin(annotation) is tuple:
        element = get_args(annotation)[0]
        return tuple(_typed(element, item) for item in value)
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return annotation(value)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return build(annotation, value)
    return value


def _shape(entry: Mapping[str, Any]) -> Shape:
    return Shape(
        name=entry.get("name", ""),
        inputs=tuple(map(_component, entry.get("inputs", ()))),
        outputs=tuple(map(_component, entry.get("outputs", ()))),
    )


def _component(entry: Mapping[str, Any]) -> Component:
    members = tuple(map(_component, entry.get("components", ())))
    solidity = entry["type"]
    if solidity.startswith("tuple"):
        solidity = f"({','.join(m.type for m in members)}){solidity.removeprefix('tuple')}"
    return Component(entry["name"], solidity, entry.get("indexed", False), members)


def _encoded(items: Sequence[Component], values: Sequence[object], where: str) -> bytes:
    if len(items) != len(values):
        raise InputError(where=where, problem=f"{len(values)} arguments for {len(items)}")
    try:
        return encode([item.type for item in items], [_plain(value) for value in values])
    except (EncodingError, TypeError, ValueError) as error:
        raise InputError(where=where, problem=str(error)) from error


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(_plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _decoded(items: Sequence[Component], data: bytes, where: str) -> tuple[Any, ...]:
    try:
        values = decode([item.type for item in items], data)
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(where=where, problem=str(error)) from error
    return tuple(_ours(item, value) for item, value in zip(items, values, strict=True))


def _ours(item: Component, value: Any) -> Any:
    if item.is_array:
        element = replace(item, type=_ARRAY.sub("", item.type))
        return tuple(_ours(element, one) for one in value)
    if item.members:
        names = [snake_case(member.name) for member in item.members]
        inner = [_ours(m, one) for m, one in zip(item.members, value, strict=True)]
        return dict(zip(names, inner, strict=True))
    if item.type == "address":
        return Address(bytes.fromhex(value[2:]))
    return value
