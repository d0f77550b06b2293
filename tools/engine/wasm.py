"""The WebAssembly binary format, as much of it as rewriting one module needs.

Source: WebAssembly core specification 2.0, chapter 5. A module is a list of sections; a function
body is a list of :class:`Instruction`, each with its operands decoded where the rewriter looks at
them and its bytes kept where it does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAGIC: Final = b"\0asm\1\0\0\0"
TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT = 1, 2, 3, 4, 5, 6, 7
START, ELEMENT, CODE, DATA, DATA_COUNT = 8, 9, 10, 11, 12

I32, I64, F64 = 0x7F, 0x7E, 0x7C
EMPTY: Final = 0x40

UNREACHABLE, BLOCK, LOOP, IF, ELSE, END = 0x00, 0x02, 0x03, 0x04, 0x05, 0x0B
BR, BR_IF, BR_TABLE, RETURN, CALL, CALL_INDIRECT = 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11
MEMORY_SIZE, MEMORY_GROW, REF_FUNC, PREFIX = 0x3F, 0x40, 0xD2, 0xFC
MEMORY_INIT, MEMORY_COPY, MEMORY_FILL = 0xFC08, 0xFC0A, 0xFC0B


class UnknownInstruction(Exception):
    """The module uses something that this rewriter was not taught; better to stop than to guess."""


def unsigned(value: int) -> bytes:
    """LEB128 of a non-negative integer."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed(value: int) -> bytes:
    """LEB128 of a signed integer."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        done = (value == 0 and not low & 0x40) or (value == -1 and bool(low & 0x40))
        out.append(low if done else low | 0x80)
        if done:
            return bytes(out)


def vector(items: list[bytes]) -> bytes:
    """A count and the items."""
    return unsigned(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    return unsigned(len(text.encode())) + text.encode()


@dataclass(slots=True)
class Reader:
    """A cursor over bytes."""

    data: bytes
    at: int = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if byte & 0x40 else value

    def name(self) -> str:
        return self.take(self.unsigned()).decode()

    @property
    def done(self) -> bool:
        return self.at >= len(self.data)


@dataclass(frozen=True, slots=True)
class FunctionType:
    parameters: bytes
    results: bytes

    def encode(self) -> bytes:
        return (
            b"\x60"
            + vector([bytes([kind]) for kind in self.parameters])
            + vector([bytes([kind]) for kind in self.results])
        )


@dataclass(frozen=True, slots=True)
class Instruction:
    """``code`` is the opcode (0xFCnn when prefixed), ``raw`` all its bytes; ``operand`` is the
    label, function or type index, where there is one."""

    code: int
    raw: bytes
    operand: int = 0


@dataclass(slots=True)
class Body:
    """A function: its type, its locals as (count, kind) groups, and its bytes after them."""

    kind: int
    groups: list[tuple[int, int]]
    code: bytes

    @property
    def local_count(self) -> int:
        return sum(count for count, _ in self.groups)

    def encode(self) -> bytes:
        groups = vector([unsigned(count) + bytes([kind]) for count, kind in self.groups])
        return unsigned(len(groups) + len(self.code)) + groups + self.code


@dataclass(frozen=True, slots=True)
class Import:
    module: str
    name: str
    kind: int


@dataclass(slots=True)
class Module:
    """The parts of a module that the rewriter reads. Tables and elements keep their own bytes."""

    types: list[FunctionType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    exports: dict[str, tuple[int, int]] = field(default_factory=dict)
    table: bytes = b""
    pages: int = 0
    elements: list[int] = field(default_factory=list)
    element_offset: int = 0
    data: bytes = b""

    def type_index(self, parameters: bytes, results: bytes) -> int:
        """The index of a function type, added when it is new."""
        wanted = FunctionType(parameters, results)
        if wanted not in self.types:
            self.types.append(wanted)
        return self.types.index(wanted)


def parse(binary: bytes) -> Module:
    """Read a module that imports functions only and has one table segment, as QuickJS does."""
    if not binary.startswith(MAGIC):
        raise UnknownInstruction("not a WebAssembly module, version 1")
    module, reader, kinds = Module(), Reader(binary, len(MAGIC)), list[int]()
    while not reader.done:
        section = reader.byte()
        body = Reader(reader.take(reader.unsigned()))
        if section == FUNCTION:
            kinds = [body.unsigned() for _ in range(body.unsigned())]
        elif section == CODE:
            body.unsigned()
            module.bodies = [_body(body, kind) for kind in kinds]
        else:
            _read_section(module, section, body)
    return module


def _read_section(module: Module, section: int, body: Reader) -> None:
    match section:
        case 1:
            module.types = [_type(body) for _ in range(body.unsigned())]
        case 2:
            module.imports = [_import(body) for _ in range(body.unsigned())]
        case 4:
            module.table = body.data
        case 5:
            _, _, module.pages = body.unsigned(), body.byte(), body.unsigned()
        case 7:
            for _ in range(body.unsigned()):
                text = body.name()
                module.exports[text] = (body.byte(), body.unsigned())
        case 8:
            raise UnknownInstruction("a start function")
        case 9:
            module.element_offset, module.elements = _elements(body)
        case 11:
            module.data = body.data


def _type(body: Reader) -> FunctionType:
    if body.byte() != 0x60:
        raise UnknownInstruction("a type that is not a function's")
    return FunctionType(body.take(body.unsigned()), body.take(body.unsigned()))


def _import(body: Reader) -> Import:
    module, text = body.name(), body.name()
    if body.byte() != 0:
        raise UnknownInstruction("an import that is not a function")
    return Import(module, text, body.unsigned())


def _elements(body: Reader) -> tuple[int, list[int]]:
    if (body.unsigned(), body.unsigned(), body.byte()) != (1, 0, 0x41):
        raise UnknownInstruction("table segments other than one active list of functions")
    offset = body.signed()
    if body.byte() != END:
        raise UnknownInstruction("a table offset that is computed")
    return offset, [body.unsigned() for _ in range(body.unsigned())]


def _body(body: Reader, kind: int) -> Body:
    inner = Reader(body.take(body.unsigned()))
    groups = [(inner.unsigned(), inner.byte()) for _ in range(inner.unsigned())]
    return Body(kind, groups, inner.data[inner.at :])


def instructions(code: bytes) -> Iterator[Instruction]:
    """Decode a function body to its final ``end``."""
    reader = Reader(code)
    while not reader.done:
        start = reader.at
        op = reader.byte()
        operand = 0
        if op == PREFIX:
            op = PREFIX << 8 | reader.unsigned()
            _skip_prefixed(op, reader)
        elif op in (BLOCK, LOOP, IF):
            reader.signed()
        elif op in (BR, BR_IF, CALL, REF_FUNC) or 0x20 <= op <= 0x26:
            operand = reader.unsigned()
        else:
            operand = _skip_plain(op, reader)
        yield Instruction(op, code[start : reader.at], operand)


def _skip_plain(op: int, reader: Reader) -> int:
    if op == BR_TABLE:
        for _ in range(reader.unsigned() + 1):
            reader.unsigned()
    elif op == CALL_INDIRECT:
        kind = reader.unsigned()
        reader.unsigned()
        return kind
    elif 0x28 <= op <= 0x3E:
        reader.unsigned()
        reader.unsigned()
    elif op in (MEMORY_SIZE, MEMORY_GROW):
        reader.byte()
    elif op in (0x41, 0x42):
        reader.signed()
    elif op == 0x43:
        reader.take(4)
    elif op == 0x44:
        reader.take(8)
    elif not (op in (0x00, 0x01, ELSE, END, RETURN, 0x1A, 0x1B) or 0x45 <= op <= 0xC4):
        raise UnknownInstruction(f"opcode {op:#x}")
    return 0


def _skip_prefixed(op: int, reader: Reader) -> None:
    if op == MEMORY_COPY:
        reader.take(2)
    elif op == MEMORY_FILL:
        reader.byte()
    elif not PREFIX << 8 <= op <= (PREFIX << 8 | 7):
        raise UnknownInstruction(f"opcode {op:#x}")
