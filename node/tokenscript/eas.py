"""Off-chain attestations of the Ethereum Attestation Service, versions 0, 1 and 2.

An :class:`EasAttestation` that came through :func:`EasAttestation.from_json` or ``from_compact``
is genuine: its UID was computed anew and its attester recovered from the signature. Whether it
is wanted, and valid now, :meth:`EasAttestation.require` decides.

Source: EAS SDK, ``offchain/offchain.ts`` (types, UID); EIP-712. The domain is EAS's own:
name "EAS Attestation", the version of the EAS contract, its chain and address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from node.errors import (
    AttestationExpired,
    AttestationForged,
    AttestationWrongAttester,
    AttestationWrongSchema,
)
from node.tokenscript import eas_json
from node.tokenscript.eas_types import (
    EasContents,
    EasDomain,
    Form,
    digest_of,
    forms_of,
    newer_uid_of,
    uid_of,
)
from node.tokenscript.signature import DigestSigner
from node.tokenscript.strict_json import Json
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import recover_digest
from settlement.types import Address, Hash, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EasAttestation:
    """A genuine off-chain attestation. Times are in seconds; ``expiration`` 0 is never.

    ``uid`` is the same for the same contents, whoever wrote the package; with the attester it
    tells one attestation from another. ``published_uid`` is the UID that the package carries,
    under which a revocation would be filed.
    """

    domain: EasDomain
    contents: EasContents
    form: Form
    uid: Hash
    published_uid: Hash
    attester: Address
    signature: Signature

    @property
    def schema(self) -> Hash:
        return self.contents.schema

    @property
    def recipient(self) -> Address:
        return self.contents.recipient

    @property
    def time(self) -> int:
        return self.contents.time

    @property
    def expiration(self) -> int:
        return self.contents.expiration

    @property
    def data(self) -> bytes:
        return self.contents.data

    @classmethod
    def from_json(cls, package: str | bytes | Mapping[str, Json]) -> Self:
        """Read and verify the SDK's JSON form, ``{"sig": …, "signer": …}``.

        Raises AttestationMalformed or AttestationForged.
        """
        return cls._verified(eas_json.read_package(package))

    @classmethod
    def from_compact(cls, items: list[Json]) -> Self:
        """Read and verify the SDK's compact list, as in shared links; raises as from_json."""
        return cls._verified(eas_json.read_compact(items))

    @classmethod
    def _verified(cls, claim: eas_json.Claim) -> Self:
        contents = claim.contents
        uid = uid_of(contents)
        if claim.uid not in {uid, newer_uid_of(contents)}:
            raise AttestationForged(problem="its UID is not that of its contents")
        for form in forms_of(contents.version, claim.primary_type, claim.members):
            try:
                attester = recover_digest(
                    digest_of(claim.domain, contents, form), claim.signature, "attestation"
                )
            except SignatureInvalid as error:
                raise AttestationForged(problem=error.problem) from error
            if attester == claim.signer:
                return cls(
                    domain=claim.domain,
                    contents=contents,
                    form=form,
                    uid=uid,
                    published_uid=claim.uid,
                    attester=attester,
                    signature=claim.signature,
                )
        raise AttestationForged(problem="it was not signed by the attester that it names")

    def to_json(self) -> dict[str, Json]:
        """The SDK's JSON form; ``from_json`` of it is equal to this."""
        return eas_json.write_package(
            self.domain, self.contents, self.form, self.published_uid, self.attester, self.signature
        )

    def require(
        self, *, schema: Hash, attester: Address, now: int, chain_id: int | None = None
    ) -> None:
        """Raise unless it is of this schema, by this attester and valid at ``now`` (seconds).

        With ``chain_id``, its domain must be on that chain, so that one made for a test network
        is worth nothing elsewhere. Raises AttestationWrongSchema, AttestationWrongAttester,
        AttestationExpired or AttestationForged.
        """
        if chain_id is not None and self.domain.chain_id != chain_id:
            raise AttestationForged(problem=f"it was made for chain {self.domain.chain_id}")
        if self.schema != schema:
            raise AttestationWrongSchema(found=self.schema, expected=schema)
        if self.attester != attester:
            raise AttestationWrongAttester(found=self.attester, expected=attester)
        if self.expiration and now >= self.expiration:
            raise self._invalid_at(now, "it has expired")
        if now < self.time:
            raise self._invalid_at(now, "it is dated in the future")

    def _invalid_at(self, now: int, problem: str) -> AttestationExpired:
        return AttestationExpired(
            problem=problem, time=self.time, expiration=self.expiration, now=now
        )


def sign_offchain(
    domain: EasDomain,
    *,
    schema: Hash,
    recipient: Address,
    time: int,
    expiration: int,
    revocable: bool,
    ref_uid: Hash,
    data: bytes,
    salt: Hash,
    key: DigestSigner,
) -> EasAttestation:
    """Make a version 2 attestation. ``salt`` keeps equal contents apart; draw it at random."""
    contents = EasContents(
        version=2,
        schema=schema,
        recipient=recipient,
        time=time,
        expiration=expiration,
        revocable=revocable,
        ref_uid=ref_uid,
        data=data,
        salt=salt,
    )
    form = forms_of(2)[0]
    digest = digest_of(domain, contents, form)
    signature = key.sign_digest(digest)
    return EasAttestation(
        domain=domain,
        contents=contents,
        form=form,
        uid=uid_of(contents),
        published_uid=uid_of(contents),
        attester=recover_digest(digest, signature, "attestation"),
        signature=signature,
    )
