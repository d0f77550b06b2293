"""The filter language of selections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import FilterInvalid
from node.tokenscript.filters import parse_filter

VALUES = {
    "zero": 0,
    "big": 1 << 200,
    "open": True,
    "closed": False,
    "owner": "0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD",
    "same": "0xabcdefabcdefabcdefabcdefabcdefabcdefabcd",
    "kickoff": "20180614180000+0300",
    "room": "east wing",
    "amount": "1.50",
    "nine": "9",
}


@pytest.mark.parametrize(
    "text",
    [
        "zero=0",
        "zero<=0",
        "big>115792089237316195423570985008687",
        "nine<10",
        "open=TRUE",
        "closed=false",
        "owner=0xabcdefabcdefabcdefabcdefabcdefabcdefabcd",
        "owner=${same}",
        "kickoff=20180614150000Z",
        "kickoff<20180614150001Z",
        "room=east wing",
        "room='east wing' & amount=1.5",
        "room!=5",
        "amount>1 & amount<1.51",
        "!zero=1",
        "!(zero=1 | closed=TRUE)",
        "(&(zero=0)(open=TRUE))",
        "(|(zero=1)(open=TRUE))",
        "(!(zero=1))",
        "zero=1 | zero=0 & open=TRUE",
    ],
)
def test_a_filter_that_holds(text: str) -> None:
    assert parse_filter(text).matches(VALUES)


@pytest.mark.parametrize(
    "text",
    ["zero!=0", "zero>0", "open=FALSE", "room=east", "nine>10", "(zero=1 | zero=2) & open=TRUE"],
)
def test_a_filter_that_does_not_hold(text: str) -> None:
    assert not parse_filter(text).matches(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zero",
        "zero=",
        "=0",
        "zero=0)",
        "(zero=0",
        "zero=0 &",
        "! zero=0 )",
        "&",
        "(&)",
        "zero='x",
    ],
)
def test_text_that_is_not_a_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterInvalid):
        parse_filter(text)


def test_not_takes_one_operand() -> None:
    with pytest.raises(FilterInvalid, match="! has two operands"):
        parse_filter("(!(zero=0)(open=TRUE))")


def test_an_undefined_name_is_an_error_even_where_it_would_not_matter() -> None:
    with pytest.raises(FilterInvalid, match="nobody is not defined"):
        parse_filter("zero=0 | nobody=1").matches(VALUES)


@pytest.mark.parametrize(
    "text", ["zero=TRUE", "open=1", "open<TRUE", "room<z", "owner<0x00", "big=room"]
)
def test_values_of_two_kinds_or_without_order_do_not_compare(text: str) -> None:
    with pytest.raises(FilterInvalid):
        parse_filter(text).matches(VALUES)


def test_nesting_is_bounded() -> None:
    with pytest.raises(FilterInvalid, match="nested deeper"):
        parse_filter("(" * 200 + "zero=0" + ")" * 200)
    with pytest.raises(FilterInvalid, match="nested deeper"):
        parse_filter("!" * 200 + "zero=0")


@given(st.integers(), st.integers())
def test_integers_compare_as_integers(left: int, right: int) -> None:
    for symbol, expected in (("<", left < right), ("=", left == right), (">=", left >= right)):
        assert parse_filter(f"n{symbol}{right}").matches({"n": left}) is expected
        assert parse_filter(f"n{symbol}{right}").matches({"n": str(left)}) is expected


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_typed_error(text: str) -> None:
    position = 1
    try:
        parse_filter(text)
    except FilterInvalid as error:
        position = error.position
    assert 1 <= position <= len(text) + 1
