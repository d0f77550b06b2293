"""An attestation together with the text of its schema, so that its fields can be read anywhere.

An EAS attestation names its schema by a UID that is a hash of the schema's text, resolver and
revocability. Feeds and outcomes carry all three beside the attestation; a text that is not the
named schema's is refused.
"""

from dataclasses import dataclass
from typing import Self

from node.errors import AttestationMalformed, AttestationWrongSchema
from node.tokenscript.eas import EasAttestation
from node.tokenscript.eas_data import decode_fields
from node.tokenscript.eas_types import schema_uid
from node.tokenscript.strict_json import Json, canonical_json, parse_json
from settlement.errors import InputError
from settlement.types import ZERO_ADDRESS, Address, hex_text, parse_address

_KEYS = {"schema", "resolver", "revocable", "attestation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedAttestation:
    """A genuine attestation and its schema; ``fields`` are its data by name."""

    attestation: EasAttestation
    schema: str
    resolver: Address = ZERO_ADDRESS
    revocable: bool = True

    @property
    def fields(self) -> dict[str, Json]:
        """The attested values by field name. Raises AttestationMalformed."""
        return decode_fields(self.schema, self.attestation.data)

    def to_bytes(self) -> bytes:
        """Canonical JSON: ``{"schema", "resolver", "revocable", "attestation"}``."""
        value: Json = {
            "schema": self.schema,
            "resolver": hex_text(self.resolver),
            "revocable": self.revocable,
            "attestation": self.attestation.to_json(),
        }
        return canonical_json(value, "attestation")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read and verify what :meth:`to_bytes` wrote.

        Raises AttestationMalformed, AttestationForged, AttestationWrongSchema.
        """
        try:
            value = parse_json(data, "attestation")
        except InputError as error:
            raise AttestationMalformed(where=error.where, problem=error.problem) from error
        if not isinstance(value, dict) or value.keys() != _KEYS:
            problem = f"expected an object with the keys {', '.join(sorted(_KEYS))}"
            raise AttestationMalformed(where="attestation", problem=problem)
        schema, resolver, revocable = value["schema"], value["resolver"], value["revocable"]
        package = value["attestation"]
        if not isinstance(schema, str) or not isinstance(resolver, str):
            raise AttestationMalformed(where="schema", problem="expected text")
        if not isinstance(revocable, bool) or not isinstance(package, dict):
            raise AttestationMalformed(where="attestation", problem="a field has another type")
        try:
            account = parse_address(resolver, "resolver")
        except InputError as error:
            raise AttestationMalformed(where=error.where, problem=error.problem) from error
        described = cls(
            attestation=EasAttestation.from_json(package),
            schema=schema,
            resolver=account,
            revocable=revocable,
        )
        uid = schema_uid(schema, described.resolver, revocable=revocable)
        if uid != described.attestation.schema:
            raise AttestationWrongSchema(found=described.attestation.schema, expected=uid)
        return described
