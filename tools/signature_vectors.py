"""Write tests/vectors/signatures.json and tokens.json: what is signed, and each way to play it back
where it was not meant to go.

Made by eth-account alone, from the structs of the committed ABIs: nothing of ours hashes or signs
here, so that forge's tests and Python's are compared with a third party. Run again only when a
signed struct changes; the files are frozen otherwise, and the specification for other languages.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

ROOT = Path(__file__).parents[1]
VECTORS = ROOT / "tests" / "vectors"
LENS = ROOT / "settlement" / "abi" / "MessageHashesLens.json"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SIGNER = Account.from_key(keccak(text="who signs"))
CHAIN, OTHER_CHAIN = 31_337, 1
HUB, OTHER_HUB = "0x" + keccak(text="hub")[12:].hex(), "0x" + keccak(text="other hub")[12:].hex()
DEADLINE = 2_000_000_000

DEPLOYER = "0x" + keccak(text="who deploys the tokens")[12:].hex()
PERMIT = ("owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256")
AUTHORIZATION = (
    *("from:address", "to:address", "value:uint256"),
    *("validAfter:uint256", "validBefore:uint256", "nonce:bytes32"),
)
CANCELLATION = ("authorizer:address", "nonce:bytes32")

Fields = dict[str, Any]


class Struct:
    """A signed struct's name and members, with a value for each."""

    def __init__(self, name: str, members: list[tuple[str, str]], values: Fields) -> None:
        self.name, self.members, self.values = name, members, values

    def digest(self, domain: Fields, values: Fields) -> bytes:
        """What is signed, by eth-account."""
        found = encode_typed_data(domain, self._types(), values)
        return keccak(b"\x19" + found.version + found.header + found.body)

    def signature(self, domain: Fields, values: Fields) -> bytes:
        """The signer's signature, r | s | v."""
        return bytes(
            SIGNER.sign_message(encode_typed_data(domain, self._types(), values)).signature
        )

    def _types(self) -> dict[str, Any]:
        return {self.name: [{"name": name, "type": kind} for name, kind in self.members]}

    def encoded(self, values: Fields) -> tuple[str, list[Any]]:
        """The type and value of the struct for the ABI."""
        kinds = ",".join(kind for _, kind in self.members)
        return f"({kinds})", [values[name] for name, _ in self.members]


def value_of(label: str, kind: str) -> Any:
    """A value that uses the whole width of its type."""
    word = keccak(text=label)
    if kind == "address":
        return "0x" + word[12:].hex()
    if kind == "bytes32":
        return word
    return int.from_bytes(word, "big") % (1 << int(kind.removeprefix("uint")))


def changed(value: Any) -> Any:
    """Another value of the same type, one bit away."""
    if isinstance(value, str):
        return value[:-1] + format(int(value[-1], 16) ^ 1, "x")
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value ^ 1


def malformed(signature: bytes) -> Iterator[tuple[str, bytes]]:
    """Forms of a signature that nobody may accept: other ones of the same key's, and of no key."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    high = (ORDER - s).to_bytes(32, "big")
    yield "high s", r + high + bytes([55 - v])
    for wrong in (0, 1, 26, 29, 255):
        yield f"v is {wrong}", signature[:64] + bytes([wrong])
    parity = (v - 27) << 255
    yield "64 bytes, compact", r + (s | parity).to_bytes(32, "big")
    yield "64 bytes, without v", signature[:64]
    yield "66 bytes", signature + b"\0"
    yield "empty", b""
    yield "all zero", bytes(65)
    yield "r is zero", bytes(32) + signature[32:]
    yield "s is zero", r + bytes(32) + bytes([v])
    yield "r is the order", ORDER.to_bytes(32, "big") + signature[32:]


def shown(values: Fields) -> Fields:
    """Field values as text, so that no reader rounds them."""
    return {
        name: "0x" + value.hex() if isinstance(value, bytes) else str(value)
        for name, value in values.items()
    }


def messages() -> Iterator[Struct]:
    """Every struct that is hashed on chain."""
    for entry in json.loads(LENS.read_text())["abi"]:
        if entry["type"] == "function" and entry["name"].startswith("hash"):
            name = entry["name"].removeprefix("hash")
            members = [(each["name"], each["type"]) for each in entry["inputs"][1]["components"]]
            values = {field: value_of(f"{name}.{field}", kind) for field, kind in members}
            yield Struct(name, members, values)


def message_cases() -> Iterator[Fields]:
    """Each message as it was signed, then everywhere else."""
    for struct in messages():
        home = {"name": "SmartLayer", "version": "1", "chainId": CHAIN, "verifyingContract": HUB}
        signature = struct.signature(home, struct.values)

        def case(
            what: str,
            domain: Fields = home,
            values: Fields = struct.values,
            given: bytes = signature,
            struct: Struct = struct,
        ) -> Fields:
            kind, encoded = struct.encoded(values)
            selector = keccak(text=f"hash{struct.name}(address,{kind})")[:4]
            call = selector + encode(["address", kind], [domain["verifyingContract"], encoded])
            return {
                "struct": struct.name,
                "case": what,
                "valid": what == "as signed",
                "chainId": domain["chainId"],
                "hub": domain["verifyingContract"],
                "fields": shown(values),
                "digest": "0x" + struct.digest(domain, values).hex(),
                "call": "0x" + call.hex(),
                "signature": "0x" + given.hex(),
            }

        yield case("as signed")
        yield case("another chain", {**home, "chainId": OTHER_CHAIN})
        yield case("another hub", {**home, "verifyingContract": OTHER_HUB})
        for field in struct.values:
            other = {**struct.values, field: changed(struct.values[field])}
            yield case(f"another {field}", values=other)
        for what, given in malformed(signature):
            yield case(what, given=given)


def token_structs() -> Iterator[tuple[str, int, str, Struct]]:
    """What the two tokens take: token, the deployer's nonce, function, struct."""
    spender, nonce = value_of("spender", "address"), value_of("nonce", "bytes32")
    permit = {"owner": SIGNER.address, "spender": spender, "value": 5 * 10**18}
    permit |= {"nonce": 0, "deadline": DEADLINE}
    transfer = {"from": SIGNER.address, "to": spender, "value": 7 * 10**18}
    transfer |= {"validAfter": 0, "validBefore": DEADLINE, "nonce": nonce}
    cancel = {"authorizer": SIGNER.address, "nonce": nonce}
    for token, created, function, name, members, values in (
        ("Smart Layer Stake", 0, "permit", "Permit", PERMIT, permit),
        ("Smart Layer Service", 1, "permit", "Permit", PERMIT, permit),
        *(
            ("Smart Layer Service", 1, name[0].lower() + name[1:], name, AUTHORIZATION, transfer)
            for name in ("TransferWithAuthorization", "ReceiveWithAuthorization")
        ),
        (
            "Smart Layer Service",
            1,
            "cancelAuthorization",
            "CancelAuthorization",
            CANCELLATION,
            cancel,
        ),
    ):
        pairs = [(field.split(":")[0], field.split(":")[1]) for field in members]
        yield token, created, function, Struct(name, pairs, values)


def token_cases() -> Iterator[Fields]:
    """Permits and authorizations as they were signed, then everywhere else, as calls of a token."""
    for token, created, function, struct in token_structs():
        # rlp of (deployer, nonce): a list of 22 bytes, the nonce 0 being the empty string
        nonce = bytes([0x80 if created == 0 else created])
        address = keccak(b"\xd6\x94" + bytes.fromhex(DEPLOYER[2:]) + nonce)[12:]
        home = {"name": token, "version": "1", "chainId": CHAIN}
        home |= {"verifyingContract": "0x" + address.hex()}
        signature = struct.signature(home, struct.values)

        def case(
            what: str,
            values: Fields = struct.values,
            given: bytes = signature,
            chain: int = CHAIN,
            token: str = token,
            function: str = function,
            struct: Struct = struct,
            home: Fields = home,
        ) -> Fields:
            kinds = [kind for _, kind in struct.members if kind]
            arguments = [values[name] for name, _ in struct.members]
            if function == "permit":  # its nonce is the contract's own
                del kinds[3], arguments[3]
            split = [given[64], given[:32], given[32:64]]
            text = f"{function}({','.join([*kinds, 'uint8', 'bytes32', 'bytes32'])})"
            data = encode([*kinds, "uint8", "bytes32", "bytes32"], [*arguments, *split])
            return {
                "token": token,
                "address": home["verifyingContract"],
                "struct": struct.name,
                "case": what,
                "valid": what == "as signed",
                "chainId": chain,
                "fields": shown(values),
                "digest": "0x" + struct.digest({**home, "chainId": chain}, values).hex(),
                "call": "0x" + (keccak(text=text)[:4] + data).hex(),
                "signature": "0x" + given.hex(),
            }

        yield case("as signed")
        yield case("another chain", chain=OTHER_CHAIN)
        for field in struct.values:
            if (function, field) == ("permit", "nonce"):
                continue
            other = {**struct.values, field: changed(struct.values[field])}
            yield case(f"another {field}", values=other)
        for what, given in malformed(signature):
            if len(given) == 65:
                yield case(what, given=given)


def write(name: str, source: str, cases: list[Fields]) -> None:
    """One file, a list for each member of the cases: so forge can read it too."""
    head: Fields = {"madeBy": source, "signer": SIGNER.address.lower(), "deployer": DEPLOYER}
    columns = {key: [case[key] for case in cases] for key in cases[0]}
    (VECTORS / name).write_text(json.dumps(head | columns, indent=1) + "\n")
    print(f"{name}: {len(cases)} cases, {sum(case['valid'] for case in cases)} of them valid")


def main() -> None:
    """Write both files."""
    write("signatures.json", "eth-account", list(message_cases()))
    write("tokens.json", "eth-account", list(token_cases()))


if __name__ == "__main__":
    main()
