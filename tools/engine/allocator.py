"""The allocator of small blocks: what is made together lies together.

QuickJS keeps blocks of up to 504 bytes in a pool for each size, so that what a script makes, and
what a run makes, lies on many pages, and a page is what an instance pays for. Two functions of the
original are replaced, under the layout that all others rely on: eight bytes before a block, of
which the first two are 65535 for a large block, the third is the class of a small one's size, and
the rest belongs to the object.

A small block is the last one given back of its class, or else the next bytes of the region, where
blocks of all classes follow each other. Regions are never given back. A class's free blocks are a
list through their first words; an empty list is one that names its own head, which is how
QuickJS's runtime, whose fields these were, starts out.

While the engine boots, a block may also be asked to lie in one of two regions apart, see layout.py:
the *plan* says of every block, by the number of its making, in which, and the *record* gets where
it came to lie. Both are in the stack's far end, which no boot reaches and no image keeps.
"""

import hashlib
from typing import Final

import wasm
from wasm import I32, Body, Module

TAKE, GIVE_BACK = 6, 11
TAKE_LARGE, RESIZE_LARGE, GIVE_BACK_LARGE = 1644, 606, 1646
_ORIGINALS: Final = {
    TAKE: "fa9967627bf37e5c49743d15314efeeab5912b3ffc67d3fd7a30d7adbfcbb5db",
    GIVE_BACK: "cf9fcb67e2d6d70b28fa45edc264adb87127b541e3ba7039568c7c3190b4f18b",
    TAKE_LARGE: "ae85c296a1b1695d7725f925877675a4ad90cd261a2fec4ae340ecbe32a9881d",
    RESIZE_LARGE: "ede939c920661f8c6263fd1ebc19b0d7f0ae9f751f728dacb1356f0002248918",
    GIVE_BACK_LARGE: "ac2e581cd4a628fa112dc8911d2dbbfedf31d9721af7759c8e1d61ffe03957ed",
}

_MALLOC, _FREE, _OPAQUE = 4, 8, 32
_HEADS: Final = 40
"""Fields of the runtime: one head for each class, eight bytes apart."""
_NEXT, _END = 288, 292
"""Fields of the runtime: where the next block begins, and where the region ends."""
_EMPTY_BLOCK, _EMPTY_HEADER = 544, 536
CLASSES: Final = 31
_SIZES: Final = 1085936
"""Where the original keeps the sizes of its classes, two bytes each."""
_LARGEST: Final = 512
_LARGE: Final = 65535
_LARGE_CLASS: Final = 255
REGION: Final = 16 * 1024
"""Bytes asked for at once. A region's last bytes, fewer than a block's, are lost."""

MOST_BLOCKS: Final = 1 << 16
PLAN, RECORD = 0x10000, 0x20000
"""A byte for each block made while the engine boots, and four bytes."""
LARGE_PLAN, LARGE_RECORD = 0x60000, 0x70000
"""The same for large blocks, which libc's allocator makes."""
_COUNT, _LARGE_COUNT = 0x1000, 0x1004
"""How many blocks were made."""
APART, LARGE_APART = 0x1008, 0x1018
"""Where the regions apart go on and end, two fields each, and where the one of large blocks goes on
and how many bytes it has left."""
WRITTEN, READ = 1, 2
"""What the plan says of a small block: in which of the two regions."""
LARGE_HEADER: Final = 8
"""Before a large block, of which the last four are its length in sixteens and three bits, two of
which say that it and the one before it are in use."""

RUNTIME, ARGUMENT = 0, 1
SIZE, CLASS, HEAD, BLOCK, NUMBER = 2, 3, 4, 5, 6


def replace(module: Module, *, planned: bool) -> None:
    """Put ours in the place of the original's; ``planned`` is for booting. Raises
    UnknownInstruction for another QuickJS."""
    for index, known in _ORIGINALS.items():
        if hashlib.sha256(module.bodies[index].code).hexdigest() != known:
            raise wasm.UnknownInstruction(f"function {index} is not the allocator that is known")
    take, give_back = module.bodies[TAKE], module.bodies[GIVE_BACK]
    one_back = module.type_index(bytes([I32, I32]), bytes([I32]))
    none_back = module.type_index(bytes([I32, I32]), b"")
    if planned:
        module.bodies.append(module.bodies[TAKE_LARGE])
        imported = len(module.imports)
        libc = imported + len(module.bodies) - 1
        large, resize = module.bodies[TAKE_LARGE], module.bodies[RESIZE_LARGE]
        module.bodies[TAKE_LARGE] = Body(large.kind, [(4, I32)], _take_planned(libc))
        code = _resize_planned(imported + TAKE_LARGE, imported + GIVE_BACK_LARGE)
        module.bodies[RESIZE_LARGE] = Body(resize.kind, [(2, I32)], code)
    module.bodies[TAKE] = Body(take.kind, [(5, I32)], _take(one_back, planned=planned))
    module.bodies[GIVE_BACK] = Body(give_back.kind, [(1, I32)], _give_back(none_back))


def settle(memory: bytearray, runtime: int) -> None:
    """Let what is made after the snapshot follow the blocks that lie apart, rather than fill the
    holes of before it."""
    for number in range(CLASSES):
        head = runtime + _HEADS + 8 * number
        memory[head : head + 4] = head.to_bytes(4, "little")
    if any(memory[APART : APART + 4]):
        memory[runtime + _NEXT : runtime + _END + 4] = memory[APART : APART + 8]


def made(memory: bytes) -> list[tuple[int, int]]:
    """Where each small block that was made while booting lies, in their order, and how long it is,
    with its eight bytes in front. Raises UnknownInstruction when the plan was too short."""
    places = [place - 8 for place in _recorded(memory, _COUNT, RECORD)]
    return [(place, size_of(memory[place + 2])) for place in places]


def made_large(memory: bytes) -> list[tuple[int, int]]:
    """The same of the large blocks; those that were given back have no length."""
    found = []
    for place in _recorded(memory, _LARGE_COUNT, LARGE_RECORD):
        head = int.from_bytes(memory[place - 4 : place], "little")
        length = head & ~7 if head & 2 else 0
        found.append((place - LARGE_HEADER, length if length <= REGION else 0))
    return found


def _recorded(memory: bytes, counter: int, record: int) -> list[int]:
    count = int.from_bytes(memory[counter : counter + 4], "little")
    if count > MOST_BLOCKS:
        raise wasm.UnknownInstruction(f"booting makes {count} blocks")
    words = memory[record : record + 4 * count]
    return [int.from_bytes(words[at : at + 4], "little") for at in range(0, 4 * count, 4)]


def size_of(number: int) -> int:
    """The bytes of a small block of this class, with the eight in front."""
    if number < 15:
        return 16 + 8 * number
    return 16 * number - 96 if number < 23 else 32 * number - 448


def _take(one_back: int, *, planned: bool) -> bytes:
    """take(runtime, bytes) -> block, or zero."""
    note = _note() if planned else []
    small = [
        *_class_of_size(),
        *(_planned(one_back) if planned else []),
        *(_get(RUNTIME), _i32(_HEADS), _ADD, _get(CLASS), _i32(3), _SHIFT_LEFT, _ADD, _set(HEAD)),
        *(_get(HEAD), _load(0), _tee(BLOCK), _get(HEAD), _NOT_EQUAL, _IF),
        *(_get(HEAD), _get(BLOCK), _load(0), _store(0), *note, _get(BLOCK), _RETURN, _END_OF),
        *(_get(RUNTIME), _i32(_NEXT), _ADD, _set(HEAD)),
        *_from_region(one_back, note),
    ]
    large = [
        *(_get(RUNTIME), _load(_OPAQUE), _get(ARGUMENT), _i32(8), _ADD),
        *(_get(RUNTIME), _load(_MALLOC), _call_indirect(one_back), _tee(BLOCK), _EQUALS_ZERO, _IF),
        *(_i32(0), _RETURN, _END_OF),
        *(_get(BLOCK), _i32(_LARGE_CLASS), _store_byte(2), _get(BLOCK), _i32(_LARGE)),
        *(_store_half(0), _get(BLOCK), _i32(8), _ADD),
    ]
    return b"".join(
        [
            *(_get(ARGUMENT), _EQUALS_ZERO, _IF, _get(RUNTIME), _i32(_EMPTY_BLOCK), _ADD),
            *(_RETURN, _END_OF),
            *(_get(ARGUMENT), _i32(15), _ADD, _i32(-8), _AND, _tee(SIZE), _i32(_LARGEST)),
            *(_AT_MOST, _IF, *small, _END_OF, *large, _END_OF),
        ]
    )


def _planned(one_back: int) -> list[bytes]:
    """Count the block, and take it from a region apart if the plan says so."""
    return [
        *(_i32(0), _i32(0), _load(_COUNT), _tee(NUMBER), _i32(1), _ADD, _store(_COUNT)),
        *(_get(NUMBER), _load_byte(PLAN), _tee(HEAD), _IF),
        *(_get(HEAD), _i32(3), _SHIFT_LEFT, _i32(APART - 8), _ADD, _set(HEAD)),
        *(*_from_region(one_back, _note()), _END_OF),
    ]


def _note() -> list[bytes]:
    """Record where the block came to lie."""
    return [_get(NUMBER), _i32(2), _SHIFT_LEFT, _get(BLOCK), _store(RECORD)]


def _take_planned(libc: int) -> bytes:
    """take_large(bytes) -> block: libc's, or one cut from what is left of the region of large
    blocks as libc would cut it. Regions are not counted: how many there are is the plan's doing."""
    wanted, number, at, left, block = range(5)
    return b"".join(
        [
            *(_get(wanted), _i32(REGION), _EQUAL, _IF, _get(wanted), _call(libc), _RETURN, _END_OF),
            *(_i32(0), _i32(0), _load(_LARGE_COUNT), _tee(number), _i32(1), _ADD),
            *(_store(_LARGE_COUNT), _get(number), _load_byte(LARGE_PLAN), _IF),
            *(_get(wanted), _i32(19), _ADD, _i32(-16), _AND, _set(wanted)),
            *(_i32(0), _load(LARGE_APART), _set(at), _i32(0), _load(LARGE_APART + 4)),
            *(_get(wanted), _SUBTRACT, _set(left)),
            *(_get(at), _get(wanted), _i32(3), _OR, _store(4)),
            *(_i32(0), _get(at), _get(wanted), _ADD, _store(LARGE_APART)),
            *(_i32(0), _get(left), _store(LARGE_APART + 4)),
            *(_get(at), _get(wanted), _ADD, _get(left), _i32(3), _OR, _store(4)),
            *(_get(at), _i32(LARGE_HEADER), _ADD, _set(block)),
            *(_ELSE, _get(wanted), _call(libc), _set(block), _END_OF),
            *(_get(number), _i32(2), _SHIFT_LEFT, _get(block), _store(LARGE_RECORD)),
            *(_get(block), _END_OF),
        ]
    )


def _resize_planned(take: int, give_back: int) -> bytes:
    """resize(block, bytes) -> block: always another one, as whether libc finds room behind the
    first depends on the plan, and the plan on how many blocks are made."""
    block, wanted, length, fresh = range(4)
    return b"".join(
        [
            *(_get(wanted), _call(take), _set(fresh), _get(block), _IF),
            *(_get(block), _i32(4), _SUBTRACT, _load(0), _i32(-8), _AND, _i32(4), _SUBTRACT),
            *(_tee(length), _get(wanted), _get(length), _get(wanted), _LESS, _SELECT, _set(length)),
            *(_get(fresh), _get(block), _get(length), b"\xfc\x0a\x00\x00"),
            *(_get(block), _call(give_back), _END_OF, _get(fresh), _END_OF),
        ]
    )


def _class_of_size() -> list[bytes]:
    """Sizes are 8 apart up to 128, 16 apart up to 256, then 32."""

    def step(shift: int, base: int) -> list[bytes]:
        up = (1 << shift) - 1
        return [_get(SIZE), _i32(up), _ADD, _i32(shift), _SHIFT_RIGHT, _i32(base), _ADD]

    return [
        *(_get(SIZE), _i32(128), _AT_MOST, _IF_VALUE, *step(3, -2), _ELSE),
        *(_get(SIZE), _i32(256), _AT_MOST, _IF_VALUE, *step(4, 6), _ELSE, *step(5, 14)),
        *(_END_OF, _END_OF, _set(CLASS)),
    ]


def _from_region(one_back: int, note: list[bytes]) -> list[bytes]:
    """The next bytes of the region whose two fields HEAD names, and a new region when they do not
    suffice."""
    return [
        *(_get(CLASS), _i32(1), _SHIFT_LEFT, _load_half(_SIZES), _set(SIZE)),
        *(_get(HEAD), _load(0), _tee(BLOCK), _get(SIZE), _ADD),
        *(_get(HEAD), _load(4), _MORE, _IF),
        *(_get(RUNTIME), _load(_OPAQUE), _i32(REGION), _get(RUNTIME), _load(_MALLOC)),
        *(_call_indirect(one_back), _tee(BLOCK), _EQUALS_ZERO, _IF, _i32(0), _RETURN, _END_OF),
        *(_get(HEAD), _get(BLOCK), _i32(REGION), _ADD, _store(4), _END_OF),
        *(_get(HEAD), _get(BLOCK), _get(SIZE), _ADD, _store(0)),
        *(_get(BLOCK), _i32(0), _store_half(0), _get(BLOCK), _get(CLASS), _store_byte(2)),
        *(_get(BLOCK), _i32(8), _ADD, _set(BLOCK), *note, _get(BLOCK), _RETURN),
    ]


def _give_back(none_back: int) -> bytes:
    """give_back(runtime, block), for any block but none."""
    head = SIZE
    return b"".join(
        [
            *(_get(ARGUMENT), _i32(8), _SUBTRACT, _tee(head), _load_half(0), _i32(_LARGE)),
            *(_EQUAL, _IF),
            *(_get(head), _get(RUNTIME), _i32(_EMPTY_HEADER), _ADD, _NOT_EQUAL, _IF),
            *(_get(RUNTIME), _load(_OPAQUE), _get(head), _get(RUNTIME), _load(_FREE)),
            *(_call_indirect(none_back), _END_OF, _RETURN, _END_OF),
            *(_get(RUNTIME), _i32(_HEADS), _ADD, _get(head), _load_byte(2), _i32(3), _SHIFT_LEFT),
            *(_ADD, _set(head)),
            *(_get(ARGUMENT), _get(head), _load(0), _store(0)),
            *(_get(head), _get(ARGUMENT), _store(0), _END_OF),
        ]
    )


# -- one instruction each ------------------------------------------------------------------------

_ADD, _SUBTRACT, _AND, _OR = b"\x6a", b"\x6b", b"\x71", b"\x72"
_SHIFT_LEFT, _SHIFT_RIGHT = b"\x74", b"\x76"
_EQUALS_ZERO, _EQUAL, _NOT_EQUAL, _MORE, _AT_MOST = b"\x45", b"\x46", b"\x47", b"\x4b", b"\x4d"
_LESS, _SELECT = b"\x49", b"\x1b"
_IF, _IF_VALUE, _ELSE, _END_OF, _RETURN = b"\x04\x40", b"\x04\x7f", b"\x05", b"\x0b", b"\x0f"


def _get(index: int) -> bytes:
    return b"\x20" + wasm.unsigned(index)


def _set(index: int) -> bytes:
    return b"\x21" + wasm.unsigned(index)


def _tee(index: int) -> bytes:
    return b"\x22" + wasm.unsigned(index)


def _i32(value: int) -> bytes:
    return b"\x41" + wasm.signed(value)


def _load(offset: int) -> bytes:
    return b"\x28\x02" + wasm.unsigned(offset)


def _load_half(offset: int) -> bytes:
    return b"\x2f\x01" + wasm.unsigned(offset)


def _load_byte(offset: int) -> bytes:
    return b"\x2d\x00" + wasm.unsigned(offset)


def _store(offset: int) -> bytes:
    return b"\x36\x02" + wasm.unsigned(offset)


def _store_half(offset: int) -> bytes:
    return b"\x3b\x01" + wasm.unsigned(offset)


def _store_byte(offset: int) -> bytes:
    return b"\x3a\x00" + wasm.unsigned(offset)


def _call(index: int) -> bytes:
    return b"\x10" + wasm.unsigned(index)


def _call_indirect(kind: int) -> bytes:
    return b"\x11" + wasm.unsigned(kind) + b"\x00"
