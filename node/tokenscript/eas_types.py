"""What an off-chain attestation signs, by version, and how its UID is made.

Versions differ in the members that they sign. Version 0 was signed under two names over the
years; which one is told by the package's own types, or found by trying. UIDs were made in two
ways: with the schema as its hexadecimal text, later as its 32 bytes.
"""

from dataclasses import dataclass
from functools import lru_cache

from node.errors import AttestationMalformed
from settlement.types import ZERO_ADDRESS, Address, Hash, keccak

DOMAIN_NAME = "EAS Attestation"
MAX_DATA = 64 * 1024
MAX_TIME = (1 << 64) - 1

_TYPES = {
    "version": "uint16",
    "schema": "bytes32",
    "recipient": "address",
    "time": "uint64",
    "expirationTime": "uint64",
    "revocable": "bool",
    "refUID": "bytes32",
    "data": "bytes",
    "salt": "bytes32",
}
_PLAIN = ("schema", "recipient", "time", "expirationTime", "revocable", "refUID", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class EasDomain:
    """The EAS contract under which an attestation is made; ``version`` is the contract's."""

    version: str
    chain_id: int
    contract: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class EasContents:
    """What is attested. ``salt`` is for version 2 only, None before."""

    version: int
    schema: Hash
    recipient: Address
    time: int
    expiration: int
    revocable: bool
    ref_uid: Hash
    data: bytes
    salt: Hash | None

    def __post_init__(self) -> None:
        if self.version not in FORMS:
            raise _malformed("version", "it is none of 0, 1 and 2")
        if (self.salt is None) is (self.version == 2):
            raise _malformed("salt", "version 2 has one, the others have none")
        for name, value in (("time", self.time), ("expirationTime", self.expiration)):
            if not 0 <= value <= MAX_TIME:
                raise _malformed(name, "it does not fit uint64")
        if len(self.data) > MAX_DATA:
            raise _malformed("data", f"it has more than {MAX_DATA} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way of signing: the struct's name and its members in order."""

    primary_type: str
    members: tuple[str, ...]

    @property
    def types(self) -> tuple[tuple[str, str], ...]:
        """Name and Solidity type of each member."""
        return tuple((name, _TYPES[name]) for name in self.members)


FORMS: dict[int, tuple[Form, ...]] = {
    0: (
        Form(primary_type="Attestation", members=_PLAIN),
        Form(primary_type="Attest", members=_PLAIN),
    ),
    1: (Form(primary_type="Attest", members=("version", *_PLAIN)),),
    2: (Form(primary_type="Attest", members=("version", *_PLAIN, "salt")),),
}


def forms_of(
    version: int,
    primary_type: str | None = None,
    members: tuple[tuple[str, str], ...] | None = None,
) -> tuple[Form, ...]:
    """The ways of signing a version that fit what a package says of itself, if anything."""
    found = tuple(
        form
        for form in FORMS.get(version, ())
        if primary_type in {None, form.primary_type} and members in {None, form.types}
    )
    if not found:
        raise _malformed("types", f"version {version} is not signed in this way")
    return found


def digest_of(domain: EasDomain, contents: EasContents, form: Form) -> Hash:
    """The EIP-712 digest that the attester signs."""
    words = _words(contents)
    struct = b"".join([_type_hash(form), *(words[name] for name in form.members)])
    return keccak(b"\x19\x01" + _separator(domain) + keccak(struct))


def uid_of(contents: EasContents) -> Hash:
    """keccak256 over the packed contents, the schema as hexadecimal text.

    It covers neither the attester nor the domain: two attesters of the same contents share it.
    """
    return _packed_hash(contents, b"0x" + contents.schema.hex().encode())


def newer_uid_of(contents: EasContents) -> Hash:
    """The UID as newer SDKs make it, the schema as 32 bytes."""
    return _packed_hash(contents, contents.schema)


def _packed_hash(contents: EasContents, schema: bytes) -> Hash:
    packed = [
        contents.version.to_bytes(2, "big") if contents.version else b"",
        schema,
        contents.recipient,
        ZERO_ADDRESS,
        contents.time.to_bytes(8, "big"),
        contents.expiration.to_bytes(8, "big"),
        bytes([contents.revocable]),
        contents.ref_uid,
        contents.data,
        contents.salt or b"",
        bytes(4),
    ]
    return keccak(b"".join(packed))


def schema_uid(schema: str, resolver: Address, *, revocable: bool) -> Hash:
    """The UID under which the schema registry files a schema string."""
    return keccak(schema.encode() + resolver + bytes([revocable]))


@lru_cache(maxsize=256)
def _separator(domain: EasDomain) -> Hash:
    type_string = (
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    )
    return keccak(
        keccak(type_string.encode())
        + keccak(DOMAIN_NAME.encode())
        + keccak(domain.version.encode())
        + domain.chain_id.to_bytes(32, "big")
        + bytes(12)
        + domain.contract
    )


@lru_cache(maxsize=8)
def _type_hash(form: Form) -> Hash:
    members = ",".join(f"{kind} {name}" for name, kind in form.types)
    return keccak(f"{form.primary_type}({members})".encode())


def _words(contents: EasContents) -> dict[str, bytes]:
    def number(value: int) -> bytes:
        return value.to_bytes(32, "big")

    return {
        "version": number(contents.version),
        "schema": contents.schema,
        "recipient": bytes(12) + contents.recipient,
        "time": number(contents.time),
        "expirationTime": number(contents.expiration),
        "revocable": number(contents.revocable),
        "refUID": contents.ref_uid,
        "data": keccak(contents.data),
        "salt": contents.salt or b"",
    }


def _malformed(where: str, problem: str) -> AttestationMalformed:
    return AttestationMalformed(where=where, problem=problem)
