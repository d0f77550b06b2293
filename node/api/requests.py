"""Reading what a caller sent: path, headers and body become typed values, or InputError."""

import json
from typing import Any

from aiohttp import web

from settlement.errors import InputError
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import SignedVoucher
from settlement.protocol.wire import signed_from_header
from settlement.types import Address, Hash, TokenId, parse_address, parse_hash, unsigned

VOUCHER_HEADER = "SL-Voucher"
GRANT_HEADER = "SL-Grant"
REQUEST_ID_HEADER = "SL-Request-Id"
MAX_ARGUMENTS = 16


def token_of(request: web.Request) -> TokenId:
    """The token that the path names: ``{chain}/{contract}/{number}``."""
    return TokenId(
        chain_id=decimal(request.match_info["chain"], 256, "chain id"),
        contract=parse_address(request.match_info["contract"], "token contract"),
        number=decimal(request.match_info["number"], 256, "token number"),
    )


def address_of(request: web.Request, name: str) -> Address:
    """An address in the path."""
    return parse_address(request.match_info[name], name)


def decimal(text: str, bits: int, where: str) -> int:
    """Decimal text as an unsigned integer of ``bits`` bits."""
    if not (text.isascii() and text.isdigit()) or len(text) > 78:
        raise InputError(where=where, problem="expected decimal digits")
    return unsigned(int(text), bits, where)


def query_number(request: web.Request, name: str, default: int, highest: int) -> int:
    """A number in the query, between 0 and ``highest``."""
    text = request.query.get(name)
    if text is None:
        return default
    value = decimal(text, 64, name)
    if value > highest:
        raise InputError(where=name, problem=f"expected at most {highest}")
    return value


def voucher_of(request: web.Request) -> SignedVoucher | None:
    """The voucher in the headers, if there is one."""
    header = request.headers.get(VOUCHER_HEADER)
    return None if header is None else signed_from_header(Voucher, header, VOUCHER_HEADER)


def request_id_of(request: web.Request) -> Hash:
    """The caller's request id; needed on every paid call, so that a retry is the same call."""
    header = request.headers.get(REQUEST_ID_HEADER)
    if header is None:
        raise InputError(where=REQUEST_ID_HEADER, problem="the header is missing")
    return parse_hash(header, REQUEST_ID_HEADER)


def arguments_of(request: web.Request) -> dict[str, str]:
    """The query as the arguments of a read: at most MAX_ARGUMENTS, each name once."""
    if len(request.query) > MAX_ARGUMENTS:
        raise InputError(where="query", problem=f"expected at most {MAX_ARGUMENTS} arguments")
    found = dict(request.query)
    if len(found) != len(request.query):
        raise InputError(where="query", problem="an argument is given twice")
    return found


async def json_body(request: web.Request) -> Any:
    """The body as JSON."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise InputError(where="body", problem="expected JSON") from error
