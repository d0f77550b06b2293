"""``as``: how a value from a chain, a token's number or a user becomes an attribute's value.

The results are JSON values. Amounts (``e18`` and its kin) come out as exact decimal text and go
in as decimal text: "1.5" under e18 is 1500000000000000000 on the chain, and the reverse.
"""

import re
from decimal import Decimal, localcontext

from node.tokenscript.abi_values import MAX_JSON_INTEGER, AbiValue
from node.tokenscript.model import As, MappingOption
from node.tokenscript.strict_json import Json
from settlement.errors import InputError
from settlement.types import Address, checksum, hex_text

_DECIMALS = {As.E18: 18, As.E8: 8, As.E6: 6, As.E4: 4, As.E3: 3, As.E2: 2}
_NUMBER = re.compile(r"-?[0-9]{1,80}(\.[0-9]{1,80})?")
_WORD = 32


def convert(conversion: As, value: AbiValue) -> Json:
    """A decoded value under a conversion; raises InputError where it makes no sense."""
    match conversion, value:
        case As.UTF8, str():
            return value
        case As.UTF8, bytes():
            return _text(value)
        case As.UTF8, int() if not isinstance(value, bool):
            return _text(_digits(value))
        case As.BOOL, int():
            return bool(value)
        case As.ADDRESS, bytes() if len(value) == 20:
            return checksum(Address(value))
        case As.ADDRESS, int() if 0 <= value < 1 << 160 and not isinstance(value, bool):
            return checksum(Address(value.to_bytes(20, "big")))
        case As.BYTES, bytes():
            return hex_text(value)
        case As.BYTES, int() if not isinstance(value, bool):
            return hex_text(value.to_bytes(_WORD, "big", signed=value < 0))
        case ((As.UINT | As.INT), _):
            return json_integer(_integer(value))
        case _, _ if conversion in _DECIMALS:
            return _scaled(_integer(value), _DECIMALS[conversion])
        case _:
            raise InputError(where=f"as={conversion}", problem="the value cannot become that")


def convert_entry(conversion: As, value: Json) -> Json:
    """What a user entered, as it goes to the chain: amounts become integers."""
    decimals = _DECIMALS.get(conversion)
    if decimals is None:
        return value
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if _NUMBER.fullmatch(text) is None:
        raise InputError(where=f"as={conversion}", problem="expected a decimal number as text")
    with localcontext() as context:
        context.prec = 400
        amount = Decimal(text).scaleb(decimals)
    if amount != amount.to_integral_value():
        raise InputError(where=f"as={conversion}", problem=f"more than {decimals} decimals")
    return json_integer(int(amount))


def json_integer(value: int) -> int | str:
    """An integer that is exact in JSON everywhere: beyond 2**53 as decimal text."""
    return value if abs(value) <= MAX_JSON_INTEGER else str(value)


def map_value(options: tuple[MappingOption, ...], value: Json, language: str = "en") -> Json:
    """The wording for a value; the value itself where no option has it as key."""
    key = ("true" if value else "false") if isinstance(value, bool) else str(value)
    for option in options:
        if option.key == key:
            ranked = sorted(option.values, key=lambda one: one.language not in {language, ""})
            return ranked[0].text
    return value


def _integer(value: AbiValue) -> int:
    match value:
        case int():
            return int(value)
        case bytes():
            return int.from_bytes(value, "big")
        case str() if _NUMBER.fullmatch(value) and "." not in value:
            return int(value)
        case _:
            raise InputError(where="the value", problem="it is not an integer")


def _scaled(value: int, decimals: int) -> str:
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(decimals + 1, "0")
    whole, part = digits[:-decimals], digits[-decimals:].rstrip("0")
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def _text(data: bytes) -> str:
    try:
        return data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise InputError(where="as=utf8", problem="the bytes are not UTF-8") from error


def _digits(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big") if value > 0 else b""
