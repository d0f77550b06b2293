"""Links, members, placements and proofs (SL-50xx, SL-51xx)."""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, PeerError


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkError(PeerError):
    """A node of the network broke a rule, or cannot be reached."""

    code: ClassVar[str] = "SL-5009"
    title: ClassVar[str] = "A node of the network failed"


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
    """A peer answered a request with a typed refusal; ``again`` is what it says of a retry."""

    code: ClassVar[str] = "SL-5003"
    title: ClassVar[str] = "A peer refused"
    fix: ClassVar[str] = "Act on what {peer} said: {reason}"

    peer: bytes
    refusal: str
    reason: str
    again: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class TokenUnknown(NetworkError):
    """No such token, or this node does not hold it."""

    code: ClassVar[str] = "SL-5010"
    title: ClassVar[str] = "The token is not here"
    fix: ClassVar[str] = "Ask an anchor for the route of {token}: {problem}."
    party: ClassVar[Party] = Party.CALLER

    token: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class NotCanonical(NetworkError):
    """JSON that is not in the form of RFC 8785, or has none."""

    code: ClassVar[str] = "SL-5100"
    title: ClassVar[str] = "The JSON is not canonical"
    fix: ClassVar[str] = "Send the canonical form of RFC 8785: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class ProofInvalid(NetworkError):
    """A Merkle proof does not lead from the value to the root."""

    code: ClassVar[str] = "SL-5101"
    title: ClassVar[str] = "The state proof is not valid"
    fix: ClassVar[str] = "Ask another replica: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class SignerUnknown(NetworkError):
    """A signature by somebody who has no say in this."""

    code: ClassVar[str] = "SL-5102"
    title: ClassVar[str] = "The signer has no such role"
    fix: ClassVar[str] = "Use signatures of the present {role} only, not of {signer}."

    signer: bytes
    role: str


@dataclass(kw_only=True, eq=False, repr=False)
class PlacementInvalid(NetworkError):
    """A placement record that the seed and the member list do not give."""

    code: ClassVar[str] = "SL-5103"
    title: ClassVar[str] = "The placement is not valid"
    fix: ClassVar[str] = "Take the placement from another anchor: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class TooFewNodes(NetworkError):
    """Fewer eligible nodes than replicas asked for."""

    code: ClassVar[str] = "SL-5104"
    title: ClassVar[str] = "There are too few nodes to place the token"
    fix: ClassVar[str] = "Wait until {needed} nodes are eligible; there are {found}."
    retryable: ClassVar[bool] = True

    needed: int
    found: int


@dataclass(kw_only=True, eq=False, repr=False)
class FailureUnproven(NetworkError):
    """Too few anchors attest the failure."""

    code: ClassVar[str] = "SL-5170"
    title: ClassVar[str] = "The failure is not attested"
    fix: ClassVar[str] = "Collect failure attestations of f + 1 anchors: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AnswerInvalid(NetworkError):
    """An answer that its proofs do not bear out."""

    code: ClassVar[str] = "SL-5180"
    title: ClassVar[str] = "The answer cannot be verified"
    fix: ClassVar[str] = "Ask another replica, and keep this answer as evidence: {problem}."

    problem: str
