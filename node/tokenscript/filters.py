"""The filter language of selections: ``bonusUsed=TRUE & !(allowance=0)``.

::

    filter      = or
    or          = and *("|" and)
    and         = operand *("&" operand)
    operand     = "!" operand | "(" filter ")" | "(" prefixed ")" | comparison
    prefixed    = ("&" | "|") 2*("(" ... ")")        ; the older form, after RFC 4515
    comparison  = name ("=" | "!=" | "<" | ">" | "<=" | ">=") value
    value       = "${" name "}" | quoted | text up to the next of & | ( )

Comparison is typed by the left side's value: integers as integers of any size, decimals as
decimals, booleans as TRUE and FALSE, times (GeneralizedTime) as instants, hexadecimal bytes and
addresses without regard to case, other text for equality only. Values of two kinds do not
compare. Every name must be defined, also one that the result would not depend on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from node.errors import FilterInvalid

FilterValue = int | bool | str | Decimal
"""What a name may stand for. Text that reads as a number, a time or 0x-bytes is taken as one."""

MAX_LENGTH = 1_024
MAX_DEPTH = 32

_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_OPERATOR = re.compile(r"<=|>=|!=|=|<|>")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.\-]*)\}\s*$")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]*")
_TIME = re.compile(r"(\d{14}|\d{12})(Z|[+-]\d{4})", re.ASCII)
_SPACE = " \t\r\n"


class Operator(StrEnum):
    """How two values are compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    GREATER = ">"
    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``name operator value``; ``reference`` says that ``value`` is a name too."""

    name: str
    operator: Operator
    value: str
    reference: bool
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    operand: "Expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    operands: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    operands: "tuple[Expression, ...]"


Expression = Comparison | Not | All | AnyOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A parsed filter; ``names`` are all that it reads."""

    text: str
    expression: Expression
    names: frozenset[str]

    def matches(self, values: Mapping[str, FilterValue]) -> bool:
        """Evaluate over ``values``; raises FilterInvalid for a name that is not there."""
        for name in sorted(self.names):
            if name not in values:
                raise FilterInvalid(text=self.text, position=1, problem=f"{name} is not defined")
        return _evaluate(self.expression, values, self.text)


def parse_filter(text: str) -> Filter:
    """Parse a filter; raises FilterInvalid with the position (from 1) of the fault."""
    if len(text) > MAX_LENGTH:
        raise FilterInvalid(
            text=text[:40] + "…", position=1, problem=f"it has more than {MAX_LENGTH} characters"
        )
    parser = _Parser(text)
    expression = parser.filter(0)
    parser.skip()
    if parser.at < len(text):
        raise parser.fail("an operator must stand between two operands, and ! takes one")
    return Filter(text=text, expression=expression, names=frozenset(_names(expression)))


class _Parser:
    """Recursive descent; one instance per text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, problem: str) -> FilterInvalid:
        return FilterInvalid(text=self.text, position=self.at + 1, problem=problem)

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1

    def peek(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def filter(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise self.fail(f"it is nested deeper than {MAX_DEPTH}")
        if self.peek() in {"&", "|"}:
            return self._prefixed(depth)
        operands = [self._and(depth)]
        while self.peek() == "|":
            self.at += 1
            operands.append(self._and(depth))
        return operands[0] if len(operands) == 1 else AnyOf(operands=tuple(operands))

    def _and(self, depth: int) -> Expression:
        operands = [self._operand(depth)]
        while self.peek() == "&":
            self.at += 1
            operands.append(self._operand(depth))
        return operands[0] if len(operands) == 1 else All(operands=tuple(operands))

    def _prefixed(self, depth: int) -> Expression:
        operator = self.text[self.at]
        self.at += 1
        operands: list[Expression] = []
        while self.peek() == "(":
            operands.append(self._operand(depth))
        if not operands:
            raise self.fail(f"{operator} needs operands in parentheses")
        kind = All if operator == "&" else AnyOf
        return kind(operands=tuple(operands))

    def _operand(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise self.fail(f"it is nested deeper than {MAX_DEPTH}")
        match self.peek():
            case "!":
                self.at += 1
                return Not(operand=self._operand(depth + 1))
            case "(":
                self.at += 1
                inner = self.filter(depth + 1)
                if self.peek() != ")":
                    raise self.fail("a closing parenthesis is missing, or ! has two operands")
                self.at += 1
                return inner
            case _:
                return self._comparison()

    def _comparison(self) -> Comparison:
        start = self.at
        name = self._token(_NAME, "a name")
        self.skip()
        operator = Operator(self._token(_OPERATOR, "an operator"))
        self.skip()
        value, reference = self._value()
        return Comparison(
            name=name, operator=operator, value=value, reference=reference, position=start + 1
        )

    def _token(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.fail(f"{what} is expected")
        self.at = found.end()
        return found.group()

    def _value(self) -> tuple[str, bool]:
        quote = self.text[self.at : self.at + 1]
        if quote in {'"', "'"}:
            end = self.text.find(quote, self.at + 1)
            if end < 0:
                raise self.fail("a quoted value never ends")
            value = self.text[self.at + 1 : end]
            self.at = end + 1
            return value, False
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in "&|()":
            self.at += 1
        value = self.text[start : self.at].rstrip(_SPACE)
        if not value:
            raise self.fail("a value is expected")
        reference = _REFERENCE.fullmatch(value)
        return (reference.group(1), True) if reference else (value, False)


def _names(expression: Expression) -> list[str]:
    match expression:
        case Comparison(name=name, value=value, reference=reference):
            return [name, value] if reference else [name]
        case Not(operand=operand):
            return _names(operand)
        case All(operands=operands) | AnyOf(operands=operands):
            return [name for operand in operands for name in _names(operand)]


def _evaluate(expression: Expression, values: Mapping[str, FilterValue], text: str) -> bool:
    match expression:
        case Comparison():
            right = values[expression.value] if expression.reference else expression.value
            return _compare(values[expression.name], right, expression, text)
        case Not(operand=operand):
            return not _evaluate(operand, values, text)
        case All(operands=operands):
            return all(_evaluate(operand, values, text) for operand in operands)
        case AnyOf(operands=operands):
            return any(_evaluate(operand, values, text) for operand in operands)


def _compare(left: FilterValue, right: FilterValue, what: Comparison, text: str) -> bool:
    def fail(problem: str) -> FilterInvalid:
        return FilterInvalid(text=text, position=what.position, problem=problem)

    one = _typed(left)
    other = _boolean(right) if isinstance(left, bool) and isinstance(right, str) else _typed(right)
    equality = what.operator in {Operator.EQUAL, Operator.NOT_EQUAL}
    if type(one) is not type(other):
        # two texts of which only one reads as a number are simply not the same text
        if not (equality and isinstance(left, str) and isinstance(right, str)):
            raise fail(f"{_kind(one)} is compared with {_kind(other)}")
        return what.operator is Operator.NOT_EQUAL
    if equality:
        return (one == other) is (what.operator is Operator.EQUAL)
    order = _order(one, other)
    if order is None:
        raise fail(f"{_kind(one)} has no order")
    match what.operator:
        case Operator.LESS:
            return order < 0
        case Operator.GREATER:
            return order > 0
        case Operator.AT_MOST:
            return order <= 0
        case _:
            return order >= 0


_Typed = bool | Decimal | datetime | bytes | str


def _boolean(text: str) -> bool | str:
    match text.upper():
        case "TRUE":
            return True
        case "FALSE":
            return False
        case _:
            return text


def _typed(value: FilterValue) -> _Typed:
    match value:
        case bool() | Decimal():
            return value
        case int():
            return Decimal(value)
        case _:
            return _typed_text(value)


def _typed_text(text: str) -> _Typed:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _HEX.fullmatch(text):
        # the digits, not the bytes: an odd count is text that compares like any other
        return text.lower().encode()
    if _TIME.fullmatch(text):
        return _instant(text) or text
    return text


def _instant(text: str) -> datetime | None:
    digits, zone = (text[:-1], "+0000") if text.endswith("Z") else (text[:-5], text[-5:])
    pattern = "%Y%m%d%H%M%S%z" if len(digits) == 14 else "%Y%m%d%H%M%z"
    try:
        return datetime.strptime(digits + zone, pattern).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _order(left: _Typed, right: _Typed) -> int | None:
    """Negative, zero or positive; None where the kind has no order."""
    match left, right:
        case (Decimal(), Decimal()) | (datetime(), datetime()):
            return (left > right) - (left < right)  # type: ignore[operator]  # one kind, see above
        case _:
            return None


def _kind(value: _Typed) -> str:
    match value:
        case bool():
            return "a boolean"
        case Decimal():
            return "a number"
        case datetime():
            return "a time"
        case bytes():
            return "an address or bytes"
        case str():
            return "text"
