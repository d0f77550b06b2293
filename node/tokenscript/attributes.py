"""Resolving attributes: what to ask a chain, and what its answer means. No I/O.

A service takes :func:`resolution_order`, and for each attribute either :func:`plan_call`, its
own ``eth_call`` at an anchored block, and :func:`decode_result`; or, where no chain is needed
(:func:`needs_chain`), :func:`resolve_locally`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from node.errors import AttributeFailed
from node.tokenscript.abi import AbiFunction, AbiParameter, selector
from node.tokenscript.abi_values import AbiValue, decode, encode, from_json, parse_type, to_json
from node.tokenscript.conversions import convert, convert_entry, json_integer, map_value
from node.tokenscript.model import (
    Argument,
    As,
    Attribute,
    Call,
    Contract,
    Data,
    Event,
    FromAttribute,
    FromTokenId,
    Origin,
    Storage,
    Syntax,
    TokenScript,
    UserEntry,
)
from node.tokenscript.strict_json import Json
from settlement.errors import InputError
from settlement.types import Address, TokenId, checksum

_OUTPUT_BY_CONVERSION = {
    As.UTF8: "string",
    As.BOOL: "bool",
    As.ADDRESS: "address",
    As.BYTES: "bytes",
    As.INT: "int256",
}
_OUTPUT_BY_SYNTAX = {
    Syntax.BOOLEAN: "bool",
    Syntax.TEXT: "string",
    Syntax.ASCII: "string",
    Syntax.TIME: "string",
    Syntax.INTEGER: "uint256",
    Syntax.NUMERIC: "uint256",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known when an attribute is resolved.

    ``owner`` is the token's holder, if known; ``values`` are other attributes by name;
    ``entries`` what a caller gave for user entries, by attribute name.
    """

    token: TokenId
    owner: Address | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    entries: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EthereumCall:
    """A read of a contract, and the types of what it returns."""

    chain_id: int
    contract: Address
    calldata: bytes
    outputs: tuple[AbiParameter, ...]


def needs_chain(attribute: Attribute) -> bool:
    """Whether its value comes from a contract."""
    return isinstance(attribute.origins[0], Call | Event | Storage)


def plan_call(script: TokenScript, attribute: Attribute, known: Known) -> EthereumCall:
    """The call whose answer gives an attribute's value; raises AttributeFailed."""
    origin = attribute.origins[0]
    if not isinstance(origin, Call):
        raise _fail(attribute, "it does not come from a call")
    contract = script.contract(origin.contract)
    if contract is None:
        raise _fail(attribute, "its contract is not declared")
    chain_id, address = _place(attribute, contract, known.token)
    function = _function(contract, origin)
    types = _argument_types(attribute, origin, function)
    try:
        values = [
            from_json(parse_type(kind), _argument(attribute, argument, known), argument.type)
            for kind, argument in zip(types, origin.arguments, strict=True)
        ]
        calldata = selector(origin.function, types) + encode(types, values)
    except InputError as error:
        raise _fail(attribute, f"{error.where}: {error.problem}") from error
    return EthereumCall(
        chain_id=chain_id,
        contract=address,
        calldata=calldata,
        outputs=function.outputs if function else (_guess(attribute, origin),),
    )


def decode_result(attribute: Attribute, call: EthereumCall, data: bytes) -> Json:
    """The attribute's value from what the call returned; raises AttributeFailed."""
    origin = attribute.origins[0]
    assert isinstance(origin, Call), "plan_call made the call"
    if not data:
        raise _fail(attribute, "the contract returned nothing")
    try:
        # some contracts return more than their ABI says
        values = decode([one.type for one in call.outputs], data, exact=False)
        value = _convert(origin, call.outputs, values)
    except InputError as error:
        raise _fail(attribute, f"{error.where}: {error.problem}") from error
    return map_value(origin.mapping, value)


def resolve_locally(attribute: Attribute, known: Known) -> Json:
    """The value of an attribute that needs no chain; raises AttributeFailed."""
    origin = attribute.origins[0]
    try:
        return _local(attribute, origin, known)
    except InputError as error:
        raise _fail(attribute, f"{error.where}: {error.problem}") from error


def dependencies(attribute: Attribute) -> frozenset[str]:
    """The names of other values that an attribute is made from (special ones too)."""
    origin = attribute.origins[0]
    match origin:
        case Call(arguments=arguments) | Data(arguments=arguments):
            paths = [one.reference or one.local_reference for one in arguments]
            return frozenset(path.split(".")[0] for path in paths if path)
        case FromAttribute(reference=reference):
            return frozenset({reference})
        case Event() | FromTokenId() | UserEntry() | Storage():
            return frozenset()
        case _:
            assert_never(origin)


def resolution_order(script: TokenScript, names: Iterable[str]) -> tuple[Attribute, ...]:
    """The attributes named, and those that they need, each after what it needs.

    Raises AttributeFailed for a circle, and for a name that the script does not have.
    """
    order: dict[str, Attribute] = {}
    pending: set[str] = set()

    def visit(name: str, wanted_by: str) -> None:
        attribute = script.attribute(name)
        if attribute is None:
            raise AttributeFailed(attribute=wanted_by, problem=f"{name} is not declared")
        if name in pending:
            raise _fail(attribute, "it is made from itself")
        if name in order:
            return
        pending.add(name)
        for other in sorted(dependencies(attribute)):
            if script.attribute(other) is not None:
                visit(other, name)
        pending.discard(name)
        order[name] = attribute

    for name in names:
        visit(name, name)
    return tuple(order.values())


def _fail(attribute: Attribute, problem: str) -> AttributeFailed:
    return AttributeFailed(attribute=attribute.name, problem=problem)


def _place(attribute: Attribute, contract: Contract, token: TokenId) -> tuple[int, Address]:
    """The contract on the token's chain; a contract that is on one chain only, there."""
    here = contract.on(token.chain_id)
    if here is not None:
        return token.chain_id, here
    if len(contract.addresses) == 1:
        only = contract.addresses[0]
        return only.chain_id, only.address
    raise _fail(attribute, f"{contract.name} has no address on chain {token.chain_id}")


def _function(contract: Contract, origin: Call) -> AbiFunction | None:
    """The function in the contract's ABI that takes the call's arguments."""
    wanted = [argument.type for argument in origin.arguments]
    for function in contract.functions:
        types = [one.type for one in function.inputs]
        if function.name == origin.function and len(types) == len(wanted):
            fits = [
                asked == kind or (asked in {"struct", "abi"} and kind.startswith("("))
                for asked, kind in zip(wanted, types, strict=True)
            ]
            if all(fits):
                return function
    return None


def _argument_types(attribute: Attribute, origin: Call, function: AbiFunction | None) -> list[str]:
    if function is not None:
        return [one.type for one in function.inputs]
    types = [argument.type for argument in origin.arguments]
    if "struct" in types or "abi" in types:
        raise _fail(attribute, "a struct argument needs the contract's ABI")
    return types


def _guess(attribute: Attribute, origin: Call) -> AbiParameter:
    """What a function without ABI returns, by the conversion or else the attribute's syntax."""
    if origin.conversion is As.ABI:
        raise _fail(attribute, "as=abi needs the contract's ABI")
    if origin.conversion is not None:
        kind = _OUTPUT_BY_CONVERSION.get(origin.conversion, "uint256")
    elif attribute.syntax is not None:
        kind = _OUTPUT_BY_SYNTAX[attribute.syntax]
    else:
        raise _fail(attribute, "neither as, syntax nor ABI says what the function returns")
    return AbiParameter(name="", type=kind)


def _argument(attribute: Attribute, argument: Argument, known: Known) -> Json:
    if argument.constant is not None:
        return argument.constant
    path = argument.reference or argument.local_reference or ""
    return _reference(attribute, path, known)


def _reference(attribute: Attribute, path: str, known: Known) -> Json:
    match path:
        case "tokenId":
            return json_integer(known.token.number)
        case "contractAddress":
            return checksum(known.token.contract)
        case "chainId":
            return json_integer(known.token.chain_id)
        case "ownerAddress":
            if known.owner is None:
                raise _fail(attribute, "the owner is not known")
            return checksum(known.owner)
    for source in (known.values, known.entries):
        if path in source:
            return source[path]
    head, *rest = path.split(".")
    value = known.values.get(head)
    for step in rest:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        raise _fail(attribute, f"{path} is not known")
    return value


def _convert(origin: Call, outputs: tuple[AbiParameter, ...], values: list[AbiValue]) -> Json:
    if origin.select is not None:
        chosen = [at for at, one in enumerate(outputs) if one.name == origin.select]
        if not chosen:
            raise InputError(where="select", problem=f"no output is named {origin.select}")
        outputs, values = (outputs[chosen[0]],), [values[chosen[0]]]
    if origin.conversion not in {None, As.ABI}:
        if len(values) != 1:
            raise InputError(where="as", problem="the function returns more than one value")
        assert origin.conversion is not None
        return convert(origin.conversion, values[0])
    plain = [to_json(parse_type(one.type), v) for one, v in zip(outputs, values, strict=True)]
    if len(plain) == 1:
        return plain[0]
    return {one.name or str(at): plain[at] for at, one in enumerate(outputs)}


def _local(attribute: Attribute, origin: Origin, known: Known) -> Json:
    match origin:
        case FromTokenId(bitmask=mask, conversion=conversion, mapping=mapping):
            return map_value(mapping, convert(conversion, _masked(known.token.number, mask)))
        case UserEntry(conversion=conversion):
            if attribute.name not in known.entries:
                raise _fail(attribute, "the caller must give it")
            return convert_entry(conversion, known.entries[attribute.name])
        case Data(arguments=arguments):
            values = [_argument(attribute, one, known) for one in arguments]
            return values[0] if len(values) == 1 else values
        case FromAttribute(reference=reference, mapping=mapping):
            return map_value(mapping, _reference(attribute, reference, known))
        case Call():
            raise _fail(attribute, "it comes from a call")
        case Event():
            raise _fail(attribute, "events are not read yet")
        case Storage():
            raise _fail(attribute, "storage slots are not read")
        case _:
            assert_never(origin)


def _masked(number: int, mask: int | None) -> int:
    """The bits under the mask, moved down to where the mask begins."""
    if mask is None:
        return number
    return (number & mask) >> ((mask & -mask).bit_length() - 1)
