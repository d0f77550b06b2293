"""The node's half of the error tree; ``settlement.errors`` draws the upper half.

::

    SmartLayerError
    ├── PeerError
    │   ├── AccessError               grants and access lists (SL-3xxx)
    │   ├── TokenScriptError          a script that cannot be trusted or read (SL-4000 to SL-4199)
    │   │   ├── ScriptUnsafe              too large, too deep, DOCTYPE, entity, placeholder
    │   │   ├── ScriptUnsigned            no signature where one is needed
    │   │   ├── ScriptSignatureInvalid    altered, wrapped, or signed in a form that is refused
    │   │   ├── ScriptInvalid             well-formed, yet not a script of the language
    │   │   ├── ScriptUnfinished          a build placeholder has no value
    │   │   ├── AttributeFailed           an attribute's call or value cannot be made
    │   │   └── FilterInvalid             a selection cannot be read or evaluated
    │   ├── AttestationError          EAS attestations (SL-4200 to SL-4299)
    │   │   ├── AttestationMalformed      its JSON, its fields or its data cannot be read
    │   │   ├── AttestationForged         the signature or the UID is not of these contents
    │   │   ├── AttestationExpired        its time of validity is over or has not begun
    │   │   ├── AttestationRevoked        its attester withdrew it
    │   │   ├── AttestationWrongSchema    another schema than the script asks for
    │   │   └── AttestationWrongAttester  another attester than the script asks for
    │   └── NetworkError              links, members, placement, election, journal (SL-5xxx)
    │       ├── FrameInvalid              bytes that are not a frame
    │       ├── PeerUnreachable           no link, or no reply in time
    │       └── PeerRefused               a peer's typed refusal
    ├── SandboxError              a run of a script that gave no result (SL-6000 to SL-6499)
    └── EffectError               an effect that was refused or failed (SL-6500 to SL-6999)

Codes are stable: a program may act on them.
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, PeerError, SmartLayerError

# --- access and grants (SL-3xxx) -----------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class AccessError(PeerError):
    """A call was refused before anything was read or charged."""

    code: ClassVar[str] = "SL-3000"
    title: ClassVar[str] = "Access was refused"
    party: ClassVar[Party] = Party.CALLER


# --- TokenScript (SL-4000 to SL-4199) ------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class TokenScriptError(PeerError):
    """A TokenScript file cannot be trusted, read or evaluated."""

    code: ClassVar[str] = "SL-4000"
    title: ClassVar[str] = "The token script was refused"


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptUnsafe(TokenScriptError):
    """The bytes are refused before anything in them is interpreted."""

    code: ClassVar[str] = "SL-4001"
    title: ClassVar[str] = "The token script is not safe to read"
    fix: ClassVar[str] = "Publish plain, built XML within the limits: {problem}."

    problem: str
    line: int = 0
    column: int = 0


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptUnsigned(TokenScriptError):
    """The file has no signature."""

    code: ClassVar[str] = "SL-4002"
    title: ClassVar[str] = "The token script is not signed"
    fix: ClassVar[str] = "Sign the file with the issuer's key before publishing it."


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptSignatureInvalid(TokenScriptError):
    """The signature does not cover exactly this document, or its form is not accepted."""

    code: ClassVar[str] = "SL-4003"
    title: ClassVar[str] = "The token script's signature is not valid"
    fix: ClassVar[str] = "Sign the file again without changing it afterwards: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptInvalid(TokenScriptError):
    """Well-formed XML that breaks a rule of the language. Line and column count from 1."""

    code: ClassVar[str] = "SL-4010"
    title: ClassVar[str] = "The token script breaks a rule of the language"
    fix: ClassVar[str] = "Correct {where} at line {line}, column {column}: {problem}."

    where: str
    problem: str
    line: int
    column: int


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptUnfinished(TokenScriptError):
    """A template still holds a placeholder, or a value was given that it has no place for."""

    code: ClassVar[str] = "SL-4011"
    title: ClassVar[str] = "The token script is not built"
    fix: ClassVar[str] = "Correct the value of the placeholder {placeholder}: {problem}."
    party: ClassVar[Party] = Party.CALLER

    placeholder: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AttributeFailed(TokenScriptError):
    """An attribute cannot be turned into a call, or a chain's answer not into its value."""

    code: ClassVar[str] = "SL-4020"
    title: ClassVar[str] = "An attribute of the token cannot be resolved"
    fix: ClassVar[str] = "Correct the attribute {attribute}: {problem}."

    attribute: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FilterInvalid(TokenScriptError):
    """A selection's filter cannot be read, or compares what cannot be compared."""

    code: ClassVar[str] = "SL-4030"
    title: ClassVar[str] = "A filter cannot be evaluated"
    fix: ClassVar[str] = "Correct the filter {text} at position {position}: {problem}."

    text: str
    position: int
    problem: str


# --- attestations (SL-4200 to SL-4299) -----------------------------------------------------------


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


# --- network, placement, election, journal (SL-5xxx) ---------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkError(PeerError):
    """A node of the network broke a rule, or cannot be reached."""

    code: ClassVar[str] = "SL-5009"
    title: ClassVar[str] = "A node of the network failed"


# --- sandbox and effects (SL-6xxx) ---------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class SandboxError(SmartLayerError):
    """A run of a script gave no result."""

    code: ClassVar[str] = "SL-6000"
    title: ClassVar[str] = "The script did not run"
    party: ClassVar[Party] = Party.PEER


@dataclass(kw_only=True, eq=False, repr=False)
class EffectError(SmartLayerError):
    """An effect that a script asked for was refused or failed."""

    code: ClassVar[str] = "SL-6500"
    title: ClassVar[str] = "The effect failed"
    party: ClassVar[Party] = Party.PEER


# --- network (SL-5xxx) ---------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class FrameInvalid(NetworkError):
    """Bytes from a peer are not a frame."""

    code: ClassVar[str] = "SL-5001"
    title: ClassVar[str] = "A frame cannot be read"
    fix: ClassVar[str] = "Run the same protocol version on both ends: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class PeerUnreachable(NetworkError):
    """No link to a peer, or no reply within the time given."""

    code: ClassVar[str] = "SL-5002"
    title: ClassVar[str] = "A peer does not answer"
    fix: ClassVar[str] = "Nothing to do if others answer; else check the link to {peer}: {problem}."
    retryable: ClassVar[bool] = True

    peer: bytes
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class PeerRefused(NetworkError):
    """A peer answered a request with a typed refusal."""

    code: ClassVar[str] = "SL-5003"
    title: ClassVar[str] = "A peer refused"
    fix: ClassVar[str] = "Act on what {peer} said: {reason}"

    peer: bytes
    refusal: str
    reason: str
