"""Logs that anybody can cause: broken text is shown, a broken structure is refused."""

from collections.abc import Mapping
from dataclasses import fields

import pytest
from eth_abi.abi import encode

from settlement.chain.deployment import Deployment
from settlement.chain.events import EventDecoder
from settlement.ports.chain_errors import LogUnreadable
from settlement.ports.chain_events import ScriptPublished
from settlement.types import Address, Hash, hex_text, keccak

DEPLOYMENT = Deployment(
    chain_id=31_337,
    first_block=0,
    **{
        field.name: Address(keccak(field.name.encode())[12:])
        for field in fields(Deployment)
        if field.name not in ("chain_id", "first_block")
    },
)
DECODER = EventDecoder.of(DEPLOYMENT)
BLOCK = Hash(b"\x11" * 32)
BROKEN = [b"\xff\xfe", b"wss://\xc3", b"\xed\xa0\x80", b"https://x/\x80y"]


def log(contract: str, event: str, indexed: list[bytes], data: bytes) -> Mapping[str, object]:
    """One log of ``event`` as an endpoint shows it; its signature comes from the artifact."""
    address = next(a for a, name in DEPLOYMENT.contracts().items() if name == contract)
    topic = next(t for t, shape in DECODER.shapes[address].items() if shape.name == event)
    return {
        "address": hex_text(address),
        "topics": [hex_text(each) for each in (topic, *indexed)],
        "data": hex_text(data),
        "blockHash": hex_text(BLOCK),
        "blockNumber": "0x1",
        "transactionHash": hex_text(keccak(b"transaction")),
        "logIndex": "0x0",
    }


def published(uri: bytes) -> Mapping[str, object]:
    data = encode(["bytes", "bytes32"], [uri, keccak(b"script")])
    return log("IssuerRegistry", "ScriptPublished", [keccak(b"class")], data)


@pytest.mark.parametrize("uri", BROKEN)
def test_a_script_address_that_is_no_utf8_is_shown_and_does_not_stop_the_log(uri: bytes) -> None:
    (event,) = DECODER.decode([published(uri)], {BLOCK: 7})

    assert isinstance(event, ScriptPublished)
    assert event.script_uri == uri.decode("utf-8", "replace")
    assert "\ufffd" in event.script_uri


def test_text_that_is_utf8_comes_as_it_was_written() -> None:
    (event,) = DECODER.decode([published("https://ö.example/☂".encode())], {BLOCK: 7})

    assert isinstance(event, ScriptPublished)
    assert event.script_uri == "https://ö.example/☂"


@pytest.mark.parametrize("url", BROKEN)
def test_every_text_of_every_event_may_be_broken(url: bytes) -> None:
    seen = set()
    for contract, shapes in DECODER.shapes.items():
        for shape in shapes.values():
            plain = [item for item in shape.inputs if not item.indexed]
            if not any(item.type == "string" for item in plain):
                continue
            values = [url if i.type == "string" else _zero(i.type) for i in plain]
            types = ["bytes" if i.type == "string" else i.type for i in plain]
            indexed = [bytes(32) for item in shape.inputs if item.indexed]
            name = DEPLOYMENT.contracts()[contract]
            found = log(name, shape.name, indexed, encode(types, values))

            assert len(DECODER.decode([found], {BLOCK: 7})) == 1
            seen.add(shape.name)

    assert {"NodeRegistered", "ScriptPublished"} <= seen


def _zero(solidity: str) -> object:
    match solidity:
        case "address":
            return "0x" + "00" * 20
        case "bool":
            return False
        case _ if solidity.startswith("bytes"):
            return bytes(int(solidity.removeprefix("bytes") or 0))
        case _:
            return 0


def test_data_that_does_not_fit_the_event_is_still_refused() -> None:
    whole = published(b"https://x")
    data = str(whole["data"])
    beyond = (2**255).to_bytes(32, "big") + bytes(64)

    for broken in (data[:-128], "0x", hex_text(beyond)):
        with pytest.raises(LogUnreadable):
            DECODER.decode([{**whole, "data": broken}], {BLOCK: 7})
