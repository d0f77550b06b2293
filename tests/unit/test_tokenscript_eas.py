"""EAS off-chain attestations: reading, verifying, making."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from node.errors import (
    AttestationError,
    AttestationExpired,
    AttestationForged,
    AttestationMalformed,
    AttestationWrongAttester,
    AttestationWrongSchema,
)
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.eas import EasAttestation, sign_offchain
from node.tokenscript.eas_data import decode_fields, encode_fields, parse_schema
from node.tokenscript.eas_types import EasDomain, schema_uid
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, hex_text

FILE = json.loads((Path(__file__).parent.parent / "vectors" / "eas.json").read_text())
VECTORS = FILE["vectors"]
SCHEMA = FILE["schema"]
AIRLINE = SigningKey(bytes([5]) * 32)
DOMAIN = EasDomain(version="1.2.0", chain_id=31337, contract=Address(b"\xa1" * 20))


@pytest.fixture(params=VECTORS, ids=lambda vector: vector["title"])
def vector(request: pytest.FixtureRequest) -> dict:
    return copy.deepcopy(request.param)


def delay(**changes: object) -> EasAttestation:
    """The airline's attestation of a delay, with changes."""
    values: dict = {
        "schema": Hash(b"\xb2" * 32),
        "recipient": Address(b"\xc3" * 20),
        "time": 1_700_000_000,
        "expiration": 1_800_000_000,
        "revocable": True,
        "ref_uid": ZERO_HASH,
        "data": encode_fields(SCHEMA, VECTORS[0]["fields"]),
        "salt": Hash(b"\xd4" * 32),
        "key": AIRLINE,
    }
    return sign_offchain(DOMAIN, **{**values, **changes})


def test_an_attestation_signed_elsewhere_is_genuine(vector: dict) -> None:
    attestation = EasAttestation.from_json(vector["package"])
    assert hex_text(attestation.attester) == vector["attester"]
    assert hex_text(attestation.published_uid) == vector["package"]["sig"]["uid"]
    assert decode_fields(SCHEMA, attestation.data) == vector["fields"]


def test_our_own_is_byte_for_byte_what_the_other_library_signed() -> None:
    theirs = next(
        v for v in VECTORS if v["title"].startswith("version 2, UID over the schema as t")
    )
    assert delay().to_json()["sig"]["signature"] == theirs["package"]["sig"]["signature"]
    assert delay() == EasAttestation.from_json(theirs["package"])


def test_an_attestation_survives_its_json_form(vector: dict) -> None:
    attestation = EasAttestation.from_json(vector["package"])
    assert EasAttestation.from_json(json.dumps(attestation.to_json())) == attestation


def test_the_same_contents_have_one_uid_however_it_was_published() -> None:
    uids = {}
    for vector in VECTORS:
        attestation = EasAttestation.from_json(vector["package"])
        uids.setdefault(attestation.contents, set()).add(attestation.uid)
    assert [len(found) for found in uids.values()] == [1, 1, 1]


def test_the_early_sdk_that_named_the_primary_type_wrongly_is_understood() -> None:
    package = copy.deepcopy(next(v for v in VECTORS if "legacy Attest," in v["title"])["package"])
    package["sig"]["primaryType"] = "Attestation"
    assert EasAttestation.from_json(package).attester == AIRLINE.address


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "0x" + "b3" * 32),
        ("recipient", "0x" + "c4" * 20),
        ("time", "1700000001"),
        ("expirationTime", "0"),
        ("revocable", False),
        ("refUID", "0x" + "01" * 32),
        ("data", "0x00"),
    ],
)
def test_each_changed_member_is_a_forgery(vector: dict, field: str, value: object) -> None:
    vector["package"]["sig"]["message"][field] = value
    with pytest.raises(AttestationForged):
        EasAttestation.from_json(vector["package"])


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "1.3.0"), ("chainId", "1"), ("verifyingContract", "0x" + "a2" * 20)],
)
def test_a_changed_domain_is_a_forgery(vector: dict, key: str, value: str) -> None:
    vector["package"]["sig"]["domain"][key] = value
    with pytest.raises(AttestationForged, match="not signed by the attester"):
        EasAttestation.from_json(vector["package"])


def test_another_signer_than_the_one_named_is_a_forgery(vector: dict) -> None:
    vector["package"]["signer"] = "0x" + "11" * 20
    with pytest.raises(AttestationForged):
        EasAttestation.from_json(vector["package"])


def test_a_malleable_signature_is_a_forgery(vector: dict) -> None:
    signature = vector["package"]["sig"]["signature"]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    signature["s"] = f"0x{order - int(signature['s'], 16):064x}"
    signature["v"] = 55 - signature["v"]
    with pytest.raises(AttestationForged, match="upper half"):
        EasAttestation.from_json(vector["package"])


def test_a_uid_of_other_contents_is_a_forgery(vector: dict) -> None:
    vector["package"]["sig"]["uid"] = "0x" + "00" * 32
    with pytest.raises(AttestationForged, match="UID"):
        EasAttestation.from_json(vector["package"])


def remove(*path: str) -> Callable[[dict], None]:
    def edit(package: dict) -> None:
        for step in path[:-1]:
            package = package[step]
        del package[path[-1]]

    return edit


def put(value: object, *path: str) -> Callable[[dict], None]:
    def edit(package: dict) -> None:
        for step in path[:-1]:
            package = package[step]
        package[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        remove("sig"),
        remove("signer"),
        remove("sig", "uid"),
        remove("sig", "signature", "r"),
        remove("sig", "message", "data"),
        put("Other", "sig", "domain", "name"),
        put([], "sig", "domain"),
        put(-1, "sig", "message", "time"),
        put(1.5, "sig", "message", "time"),
        put(True, "sig", "message", "time"),
        put(str(1 << 64), "sig", "message", "time"),
        put("yes", "sig", "message", "revocable"),
        put("0xzz", "sig", "message", "data"),
        put("0x0", "sig", "message", "data"),
        put("0x" + "00" * 70_000, "sig", "message", "data"),
        put(3, "sig", "version"),
        put("Grant", "sig", "types"),
        put({"Attest": [], "More": []}, "sig", "types"),
        put({"Attest": [{"name": "data", "type": "bytes"}]}, "sig", "types"),
        put(0, "sig", "signature", "v"),
    ],
)
def test_what_cannot_be_read_is_refused(edit: Callable[[dict], None]) -> None:
    package = copy.deepcopy(VECTORS[-1]["package"])
    edit(package)
    with pytest.raises(AttestationError):
        EasAttestation.from_json(package)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"sig": 1}', "[" * 100_000, '{"a":1,"a":2}', "NaN"]
)
def test_text_that_is_no_package_is_malformed(text: str) -> None:
    with pytest.raises(AttestationMalformed):
        EasAttestation.from_json(text)


def test_a_wanted_attestation_passes() -> None:
    delay().require(
        schema=Hash(b"\xb2" * 32), attester=AIRLINE.address, now=1_700_000_000, chain_id=31337
    )


def test_another_schema_is_refused() -> None:
    with pytest.raises(AttestationWrongSchema):
        delay().require(schema=ZERO_HASH, attester=AIRLINE.address, now=1_700_000_000)


def test_another_attester_is_refused() -> None:
    other = delay(key=SigningKey(bytes([6]) * 32))
    with pytest.raises(AttestationWrongAttester):
        other.require(schema=other.schema, attester=AIRLINE.address, now=1_700_000_000)


@pytest.mark.parametrize("now", [1_699_999_999, 1_800_000_000, 1_900_000_000])
def test_outside_its_time_it_is_refused(now: int) -> None:
    with pytest.raises(AttestationExpired):
        delay().require(schema=delay().schema, attester=AIRLINE.address, now=now)


def test_without_expiration_it_never_expires() -> None:
    lasting = delay(expiration=0)
    lasting.require(schema=lasting.schema, attester=AIRLINE.address, now=1 << 60)


def test_one_made_for_another_chain_is_refused() -> None:
    with pytest.raises(AttestationForged, match="chain 31337"):
        delay().require(
            schema=delay().schema, attester=AIRLINE.address, now=1_700_000_000, chain_id=1
        )


def test_salt_keeps_equal_contents_apart() -> None:
    assert delay().uid != delay(salt=Hash(b"\xd5" * 32)).uid


def test_the_compact_list_of_shared_links_is_read() -> None:
    package = next(
        v for v in VECTORS if v["title"].startswith("version 1, UID over the schema as t")
    )
    sig, signer = package["package"]["sig"], package["package"]["signer"]
    message, signature = sig["message"], sig["signature"]
    compact = [
        "1.2.0", 31337, sig["domain"]["verifyingContract"],
        signature["r"], signature["s"], signature["v"], signer, sig["uid"],
        message["schema"], message["recipient"], 1_700_000_000, 1_800_000_000,
        "0", True, message["data"], 0, 1,
    ]  # fmt: skip
    assert EasAttestation.from_compact(compact) == EasAttestation.from_json(package["package"])
    with pytest.raises(AttestationMalformed):
        EasAttestation.from_compact(compact[:10])


def test_a_schema_uid_covers_text_resolver_and_revocability() -> None:
    uids = {
        schema_uid("bool a", ZERO_ADDRESS, revocable=True),
        schema_uid("bool b", ZERO_ADDRESS, revocable=True),
        schema_uid("bool a", Address(b"\1" * 20), revocable=True),
        schema_uid("bool a", ZERO_ADDRESS, revocable=False),
    }
    assert len(uids) == 4


@pytest.mark.parametrize(
    "schema", ["", "bool", "bool a,", "bool a,bool a", "float x", "bool a b", "bool a," * 100]
)
def test_a_schema_that_cannot_be_read_is_refused(schema: str) -> None:
    with pytest.raises(AttestationMalformed):
        parse_schema(schema)


def test_data_of_another_schema_is_refused() -> None:
    with pytest.raises(AttestationMalformed):
        decode_fields("bool on", delay().data)


def test_values_that_do_not_fit_the_schema_are_refused() -> None:
    for values in ({}, {"on": 1}, {"on": True, "off": False}):
        with pytest.raises(AttestationMalformed):
            encode_fields("bool on", values)


def described() -> DescribedAttestation:
    uid = schema_uid(SCHEMA, ZERO_ADDRESS, revocable=True)
    return DescribedAttestation(attestation=delay(schema=uid), schema=SCHEMA)


def test_an_attestation_travels_with_its_schema() -> None:
    again = DescribedAttestation.from_bytes(described().to_bytes())
    assert again == described()
    assert again.fields == VECTORS[0]["fields"]


def test_a_text_that_is_not_the_named_schema_is_refused() -> None:
    other = described().to_bytes().replace(b"string flightNumber", b"string flightName")
    with pytest.raises(AttestationWrongSchema):
        DescribedAttestation.from_bytes(other)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", described().to_bytes().replace(b'"0x0000', b'"0x')]
)
def test_a_described_attestation_that_cannot_be_read_is_malformed(data: bytes) -> None:
    with pytest.raises(AttestationMalformed):
        DescribedAttestation.from_bytes(data)
