"""Token scripts that cannot be trusted, read or evaluated (SL-40xx)."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, PeerError


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


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptHashWrong(TokenScriptError):
    """The file behind the published URI is not the published one."""

    code: ClassVar[str] = "SL-4023"
    title: ClassVar[str] = "The token script is not the one on chain"
    fix: ClassVar[str] = "Put the file with hash {expected} back at {uri}, or publish the new hash."

    uri: str
    expected: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptSignerWrong(TokenScriptError):
    """The script is signed, by somebody else than the class's issuer."""

    code: ClassVar[str] = "SL-4021"
    title: ClassVar[str] = "The token script is not signed by its issuer"
    fix: ClassVar[str] = "Sign the script with the key of {issuer}; it is signed by {signer}."

    signer: bytes
    issuer: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class ServicePartMissing(TokenScriptError):
    """The script has nothing for the network to run."""

    code: ClassVar[str] = "SL-4022"
    title: ClassVar[str] = "The token script has no service part"
    fix: ClassVar[str] = "Add an sl:service element to the script at {uri}."

    uri: str
