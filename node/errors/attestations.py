"""EAS attestations that are refused (SL-42xx)."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import PeerError


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationError(PeerError):
    """An attestation was refused; it changed nothing."""

    code: ClassVar[str] = "SL-4200"
    title: ClassVar[str] = "The attestation was refused"


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationMalformed(AttestationError):
    """The attestation's form, fields or data cannot be read."""

    code: ClassVar[str] = "SL-4201"
    title: ClassVar[str] = "The attestation cannot be read"
    fix: ClassVar[str] = "Correct {where}: {problem}."

    where: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationForged(AttestationError):
    """Its signature or its UID does not belong to its contents."""

    code: ClassVar[str] = "SL-4202"
    title: ClassVar[str] = "The attestation is forged"
    fix: ClassVar[str] = "Ask the attester for the attestation itself: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationExpired(AttestationError):
    """It is not valid at the time asked for (all times in seconds)."""

    code: ClassVar[str] = "SL-4203"
    title: ClassVar[str] = "The attestation is not valid at this time"
    fix: ClassVar[str] = "Ask the attester for a current one: {problem}."

    problem: str
    time: int
    expiration: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationRevoked(AttestationError):
    """Its attester withdrew it on chain."""

    code: ClassVar[str] = "SL-4204"
    title: ClassVar[str] = "The attestation was revoked"
    fix: ClassVar[str] = "Ask the attester for a current one instead of {uid}."

    uid: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationWrongSchema(AttestationError):
    """It is of another schema than the one subscribed to."""

    code: ClassVar[str] = "SL-4205"
    title: ClassVar[str] = "The attestation has another schema"
    fix: ClassVar[str] = "Attest under the schema {expected}."

    found: bytes
    expected: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class AttestationWrongAttester(AttestationError):
    """It is signed by another key than the one subscribed to."""

    code: ClassVar[str] = "SL-4206"
    title: ClassVar[str] = "The attestation is by another attester"
    fix: ClassVar[str] = "Attest with the key of {expected}."

    found: bytes
    expected: bytes
