"""The node's half of the error tree; ``settlement.errors`` draws the upper half.

::

    SmartLayerError
    ├── PeerError
    │   ├── AccessError               grants and access lists (SL-3xxx)
    │   │   ├── GrantMissing              no grant came with the call
    │   │   ├── GrantExpired              its time is over
    │   │   ├── GrantNotForYou            another token or integration
    │   │   ├── GrantForged               not signed by the holder
    │   │   ├── GrantInterface            another interface
    │   │   ├── GrantRevoked              the holder withdrew it
    │   │   ├── InterfaceUnknown          no such read
    │   │   ├── PaymentMissing            no voucher
    │   │   └── ReadFailed                no result
    │   ├── TokenScriptError          a script that cannot be trusted or read (SL-4000 to SL-4199)
    │   │   ├── ScriptUnsafe              too large, too deep, DOCTYPE, entity, placeholder
    │   │   ├── ScriptUnsigned            no signature where one is needed
    │   │   ├── ScriptSignatureInvalid    altered, wrapped, or signed in a form that is refused
    │   │   ├── ScriptInvalid             well-formed, yet not a script of the language
    │   │   ├── ScriptUnfinished          a build placeholder has no value
    │   │   ├── ScriptHashWrong           not the bytes whose hash is on chain
    │   │   ├── ScriptSignerWrong         signed by another account than the issuer
    │   │   ├── ServicePartMissing        nothing in it for the network to run
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
    │       ├── TokenUnknown              not registered, not placed, or not held here
    │       ├── PeerUnreachable           no link, or no reply in time
    │       ├── PeerRefused               a peer's typed refusal
    │       ├── NotCanonical              JSON in another form than RFC 8785
    │       ├── ProofInvalid              a Merkle proof leads elsewhere
    │       ├── SignerUnknown             a signer without the role
    │       ├── PlacementInvalid          not what seed and members give
    │       ├── TooFewNodes               fewer nodes than replicas
    │       ├── FailureUnproven           fewer than f + 1 anchors
    │       ├── AnswerInvalid             not borne out by its proofs
    │       ├── ElectionError             votes and leases
    │       │   ├── NotElected            another winner
    │       │   ├── WrongWindow           not the attempt of now
    │       │   ├── WindowClosing         too little time left
    │       │   ├── TriggerUnknown        not in the log
    │       │   ├── TriggerTimeWrong      in the future, or another
    │       │   ├── FenceTooLow           a newer lease was seen
    │       │   ├── LeaseHeld             another's window is open
    │       │   ├── AlreadyVoted          one vote on a fence
    │       │   ├── CertificateInvalid    no quorum of votes
    │       │   └── VersionUnproven       no commit shows it
    │       ├── FeedError                 attesters' feeds
    │       │   ├── FeedEntryInvalid      not its attester's
    │       │   ├── FeedFrozen            after a fork
    │       │   └── ForkUnproven          no fork
    │       └── JournalError              tokens' journals
    │           ├── InputInvalid          unreadable
    │           ├── InputNotDeclared      not asked for by the script
    │           ├── InputStale            had its turn
    │           ├── InputOutOfOrder       leaves out an earlier one
    │           ├── QueueFull             too many wait
    │           ├── NotActive             not held here
    │           ├── LeaseMissing          may not write now
    │           ├── BaseMoved             ran on an older state
    │           ├── JournalBehind         earlier entries missing
    │           ├── AlreadyCommitted      nothing to do
    │           ├── ProposalInvalid       breaks lease, time or chain
    │           ├── EntryUnknown          not proposed now
    │           ├── CommitInvalid         no majority
    │           ├── RunDiffers            another outcome here
    │           └── ActionUnknown         not open, or not ours
    ├── SandboxError              a run of a script that gave no result (SL-6000 to SL-6499)
    │   └── RunFailed                 this node could not finish it; others may
    └── EffectError               an effect that was refused or failed (SL-6500 to SL-6999)
        └── EffectRefused             not on the script's signed list

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


@dataclass(kw_only=True, eq=False, repr=False)
class GrantMissing(AccessError):
    """No grant came with a call that needs one."""

    code: ClassVar[str] = "SL-3001"
    title: ClassVar[str] = "A grant of the holder is needed"
    fix: ClassVar[str] = "Ask the holder of {token} to grant the interface {interface}."

    token: bytes
    interface: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantExpired(AccessError):
    """The grant's time is over (milliseconds)."""

    code: ClassVar[str] = "SL-3002"
    title: ClassVar[str] = "The grant has expired"
    fix: ClassVar[str] = "Ask the holder for a new grant: this one ended at {expires}."

    expires: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class GrantNotForYou(AccessError):
    """The grant names another token or another integration."""

    code: ClassVar[str] = "SL-3003"
    title: ClassVar[str] = "The grant is for somebody else"
    fix: ClassVar[str] = "Send the grant for this {what}: {expected}, not {found}."

    what: str
    found: bytes
    expected: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class GrantForged(AccessError):
    """The grant is not signed by the holder that the chain shows."""

    code: ClassVar[str] = "SL-3004"
    title: ClassVar[str] = "The grant is not by the holder"
    fix: ClassVar[str] = "Have the present holder sign the grant: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantInterface(AccessError):
    """The grant does not name the interface that was called."""

    code: ClassVar[str] = "SL-3005"
    title: ClassVar[str] = "The grant does not cover this interface"
    fix: ClassVar[str] = "Ask the holder to grant {interface}; the grant has {granted}."

    interface: str
    granted: str


@dataclass(kw_only=True, eq=False, repr=False)
class GrantRevoked(AccessError):
    """The holder has withdrawn the grant."""

    code: ClassVar[str] = "SL-3006"
    title: ClassVar[str] = "The grant was revoked"
    fix: ClassVar[str] = "Ask the holder for a new grant."


@dataclass(kw_only=True, eq=False, repr=False)
class InterfaceUnknown(AccessError):
    """The token's script has no such read."""

    code: ClassVar[str] = "SL-3020"
    title: ClassVar[str] = "The token has no such interface"
    fix: ClassVar[str] = "Ask for one of: {known}; there is no {interface}."

    interface: str
    known: str


@dataclass(kw_only=True, eq=False, repr=False)
class PaymentMissing(AccessError):
    """A priced call came without a voucher."""

    code: ClassVar[str] = "SL-3021"
    title: ClassVar[str] = "This call must be paid for"
    fix: ClassVar[str] = "Send a voucher that covers {price} base units for {interface}."

    interface: str
    price: int


@dataclass(kw_only=True, eq=False, repr=False)
class ReadFailed(AccessError):
    """The script's read ended without a result; nothing was charged."""

    code: ClassVar[str] = "SL-3022"
    title: ClassVar[str] = "The token's script gave no result"
    fix: ClassVar[str] = "Tell the token's issuer: {interface} ended with {status}, {problem}."

    interface: str
    status: str
    problem: str


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
class RunFailed(SandboxError):
    """This node could not finish a run; another one, or this one later, may."""

    code: ClassVar[str] = "SL-6010"
    title: ClassVar[str] = "The script could not be run here"
    fix: ClassVar[str] = "Ask another replica, or this one again: {status}, {problem}."
    party: ClassVar[Party] = Party.US
    retryable: ClassVar[bool] = True

    status: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class EffectError(SmartLayerError):
    """An effect that a script asked for was refused or failed."""

    code: ClassVar[str] = "SL-6500"
    title: ClassVar[str] = "The effect failed"
    party: ClassVar[Party] = Party.PEER


@dataclass(kw_only=True, eq=False, repr=False)
class EffectRefused(EffectError):
    """A script asked for something that its own signed declarations do not allow."""

    code: ClassVar[str] = "SL-6501"
    title: ClassVar[str] = "The effect is not allowed"
    fix: ClassVar[str] = "Declare it in the script's service part: {problem}."

    problem: str


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


@dataclass(kw_only=True, eq=False, repr=False)
class TokenUnknown(NetworkError):
    """No such token, or this node does not hold it."""

    code: ClassVar[str] = "SL-5010"
    title: ClassVar[str] = "The token is not here"
    fix: ClassVar[str] = "Ask an anchor for the route of {token}: {problem}."
    party: ClassVar[Party] = Party.CALLER

    token: str
    problem: str


# --- placement, election, feeds, journal, answers (SL-51xx) --------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class ElectionError(NetworkError):
    """A vote or a lease was refused."""

    code: ClassVar[str] = "SL-5109"
    title: ClassVar[str] = "The election refused"


@dataclass(kw_only=True, eq=False, repr=False)
class FeedError(NetworkError):
    """An entry of an attester's feed was refused."""

    code: ClassVar[str] = "SL-5129"
    title: ClassVar[str] = "The feed refused"


@dataclass(kw_only=True, eq=False, repr=False)
class JournalError(NetworkError):
    """An input or an entry of a token's journal was refused."""

    code: ClassVar[str] = "SL-5139"
    title: ClassVar[str] = "The journal refused"


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
class NotElected(ElectionError):
    """Another holder is the winner of this window."""

    code: ClassVar[str] = "SL-5110"
    title: ClassVar[str] = "Another node is elected"
    fix: ClassVar[str] = "Wait for a window that {asker} wins; {winner} has won this one."

    asker: bytes
    winner: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class WrongWindow(ElectionError):
    """The attempt is not the one that the trigger's time gives now."""

    code: ClassVar[str] = "SL-5111"
    title: ClassVar[str] = "It is not the time of this attempt"
    fix: ClassVar[str] = "Ask in the window of the attempt: now it is {current}, not {attempt}."
    retryable: ClassVar[bool] = True

    attempt: int
    current: int


@dataclass(kw_only=True, eq=False, repr=False)
class WindowClosing(ElectionError):
    """Too little of the window is left to act in it."""

    code: ClassVar[str] = "SL-5112"
    title: ClassVar[str] = "The window is about to close"
    fix: ClassVar[str] = "Ask in the next window; this one ends at {end}."
    retryable: ClassVar[bool] = True

    end: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class TriggerUnknown(ElectionError):
    """The trigger is not in this anchor's log."""

    code: ClassVar[str] = "SL-5113"
    title: ClassVar[str] = "The trigger is not known here"
    fix: ClassVar[str] = "Push the entry {trigger} to this anchor first."
    retryable: ClassVar[bool] = True

    trigger: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class TriggerTimeWrong(ElectionError):
    """The trigger's time (milliseconds) is in the future or not the one logged."""

    code: ClassVar[str] = "SL-5114"
    title: ClassVar[str] = "The time of the trigger is wrong"
    fix: ClassVar[str] = "Set the clock, or name the logged time {logged} instead of {time}."

    time: int
    logged: int
    now: int


@dataclass(kw_only=True, eq=False, repr=False)
class FenceTooLow(ElectionError):
    """A higher fence (version, attempt) has been promised or voted for."""

    code: ClassVar[str] = "SL-5115"
    title: ClassVar[str] = "A newer lease has been seen"
    fix: ClassVar[str] = "Ask for a lease above ({version}, {attempt})."

    version: int
    attempt: int


@dataclass(kw_only=True, eq=False, repr=False)
class LeaseHeld(ElectionError):
    """Another node may still hold a lease."""

    code: ClassVar[str] = "SL-5116"
    title: ClassVar[str] = "Another lease is open"
    fix: ClassVar[str] = "Ask again after {until}; {executor} may act until then."
    retryable: ClassVar[bool] = True

    executor: bytes
    until: int


@dataclass(kw_only=True, eq=False, repr=False)
class AlreadyVoted(ElectionError):
    """This anchor has cast another vote on the same fence."""

    code: ClassVar[str] = "SL-5117"
    title: ClassVar[str] = "The vote on this fence is cast"
    fix: ClassVar[str] = "Ask in the next window."
    retryable: ClassVar[bool] = True

    trigger: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class CertificateInvalid(ElectionError):
    """Votes that do not make a lease."""

    code: ClassVar[str] = "SL-5118"
    title: ClassVar[str] = "The lease is not certified"
    fix: ClassVar[str] = "Collect the votes of a quorum of anchors: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class VersionUnproven(ElectionError):
    """The version asked for does not follow from a committed entry."""

    code: ClassVar[str] = "SL-5119"
    title: ClassVar[str] = "The version is not proven"
    fix: ClassVar[str] = "Send the newest commit with the signatures of its majority: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FeedEntryInvalid(FeedError):
    """An entry that cannot be its attester's."""

    code: ClassVar[str] = "SL-5130"
    title: ClassVar[str] = "The feed entry is not valid"
    fix: ClassVar[str] = "Drop it, and ask another peer for {sequence}: {problem}."

    sequence: int
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class FeedFrozen(FeedError):
    """The attester has forked its feed; nothing more is taken from it."""

    code: ClassVar[str] = "SL-5131"
    title: ClassVar[str] = "The feed is forked and frozen"
    fix: ClassVar[str] = (
        "The attester must begin a new epoch and answer for its fork at {sequence}."
    )

    sequence: int


@dataclass(kw_only=True, eq=False, repr=False)
class ForkUnproven(FeedError):
    """Two entries that are no fork."""

    code: ClassVar[str] = "SL-5132"
    title: ClassVar[str] = "This is no fork"
    fix: ClassVar[str] = "Show two entries that one attester signed and that contradict: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class InputInvalid(JournalError):
    """An input that cannot be read, or is not what it says it is."""

    code: ClassVar[str] = "SL-5140"
    title: ClassVar[str] = "The input is not valid"
    fix: ClassVar[str] = "Correct the input: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class InputNotDeclared(JournalError):
    """The token script does not ask for this."""

    code: ClassVar[str] = "SL-5141"
    title: ClassVar[str] = "The script does not declare this input"
    fix: ClassVar[str] = "Declare it in the service part of the script: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class InputStale(JournalError):
    """An input of the same lane and place, or a later one, has been journalled."""

    code: ClassVar[str] = "SL-5142"
    title: ClassVar[str] = "The input has had its turn"
    fix: ClassVar[str] = "Nothing to do: {lane} is at {next}, past {place}."

    lane: str
    place: int
    next: int


@dataclass(kw_only=True, eq=False, repr=False)
class InputOutOfOrder(JournalError):
    """The executor leaves out an input that this replica holds."""

    code: ClassVar[str] = "SL-5143"
    title: ClassVar[str] = "An earlier input comes first"
    fix: ClassVar[str] = "Propose {place} of {lane} first."

    lane: str
    place: int


@dataclass(kw_only=True, eq=False, repr=False)
class QueueFull(JournalError):
    """Too many inputs wait at this token."""

    code: ClassVar[str] = "SL-5144"
    title: ClassVar[str] = "Too many inputs wait"
    fix: ClassVar[str] = "Send the input again later; {waiting} wait."
    retryable: ClassVar[bool] = True

    waiting: int


@dataclass(kw_only=True, eq=False, repr=False)
class NotActive(JournalError):
    """The token is not held here, or this replica has stopped."""

    code: ClassVar[str] = "SL-5150"
    title: ClassVar[str] = "The token is not active here"
    fix: ClassVar[str] = "Ask another replica; this one is {phase}."

    phase: str


@dataclass(kw_only=True, eq=False, repr=False)
class LeaseMissing(JournalError):
    """This node may not write now."""

    code: ClassVar[str] = "SL-5151"
    title: ClassVar[str] = "There is no lease to act under"
    fix: ClassVar[str] = "Wait for a lease: {problem}."
    retryable: ClassVar[bool] = True

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMoved(JournalError):
    """The token moved on while the input ran."""

    code: ClassVar[str] = "SL-5152"
    title: ClassVar[str] = "The run is on an older state"
    fix: ClassVar[str] = "Run the input again on version {version}."
    retryable: ClassVar[bool] = True

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class JournalBehind(JournalError):
    """This replica has to catch up first."""

    code: ClassVar[str] = "SL-5153"
    title: ClassVar[str] = "Earlier entries are missing"
    fix: ClassVar[str] = "Send the entries from {needed} on; {given} cannot be applied yet."
    retryable: ClassVar[bool] = True

    needed: int
    given: int


@dataclass(kw_only=True, eq=False, repr=False)
class AlreadyCommitted(JournalError):
    """The version has been committed already."""

    code: ClassVar[str] = "SL-5154"
    title: ClassVar[str] = "The version is committed already"
    fix: ClassVar[str] = "Nothing to do: the token is at version {version}."

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class ProposalInvalid(JournalError):
    """An entry that its lease, its time or its place in the journal does not allow."""

    code: ClassVar[str] = "SL-5155"
    title: ClassVar[str] = "The proposal is not valid"
    fix: ClassVar[str] = "Correct the entry: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class EntryUnknown(JournalError):
    """A co-signature of an entry that is not proposed now."""

    code: ClassVar[str] = "SL-5156"
    title: ClassVar[str] = "No such entry is proposed"
    fix: ClassVar[str] = "Nothing to do: the entry of version {version} was replaced."

    version: int


@dataclass(kw_only=True, eq=False, repr=False)
class CommitInvalid(JournalError):
    """Signatures that are no majority of the holders."""

    code: ClassVar[str] = "SL-5157"
    title: ClassVar[str] = "The commit is not valid"
    fix: ClassVar[str] = "Show the signatures of a majority of the holders: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class RunDiffers(JournalError):
    """This replica's own run gives another outcome; evidence is logged."""

    code: ClassVar[str] = "SL-5158"
    title: ClassVar[str] = "The outcome is another one here"
    fix: ClassVar[str] = "Compare both runs of version {version}: {proposed}, here {own}."

    version: int
    proposed: bytes
    own: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class ActionUnknown(JournalError):
    """No such action is open, or not for this node to perform."""

    code: ClassVar[str] = "SL-5159"
    title: ClassVar[str] = "The action is not open"
    fix: ClassVar[str] = "Nothing to do: it is settled, or another node performs it: {problem}."

    problem: str


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
