"""The handshake of a link: each end proves its registered key on this very TLS connection.

::

    dialler                                listener
       │ <──── Greeting(challenge) ─────────── │
       │ ───── Claim(node, challenge, sig) ──> │   LinkProof(dialler, listener, its challenge, cert)
       │ <──── Welcome(sig) ────────────────── │   LinkProof(listener, dialler, our challenge, cert)

``cert`` is the SHA-256 of the certificate that the listener shows, as each end sees it. Somebody
in the middle shows another certificate, so that a proof made for him is refused by the other end.
A dialler's proof and a listener's cannot stand in for each other: one names the other end's
certificate, the other its own.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from node.net.errors import LinkRefused
from node.protocol.messages import LinkProof
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey, require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature

CHALLENGE_BYTES = 32


class Greeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Listener: sign this."""

    challenge: Hash


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dialler: I am ``node``; and you sign this."""

    node: Address
    challenge: Hash
    signature: Signature


class Welcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Listener: so am I."""

    signature: Signature


M = TypeVar("M", Greeting, Claim, Welcome)


class Prover:
    """One node's half of every handshake: its key, its domain, its source of randomness."""

    def __init__(
        self, key: SigningKey, domain: Domain, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._key = key
        self._domain = domain
        self._random_bytes = random_bytes

    def challenge(self) -> Hash:
        """A fresh challenge for the other end."""
        return Hash(self._random_bytes(CHALLENGE_BYTES))

    def prove(self, peer: Address, challenge: Hash, certificate: Hash) -> Signature:
        """Sign the other end's challenge."""
        node = self._key.address
        return self._key.sign(self._domain, _proof(node, peer, challenge, certificate))

    def check(
        self, peer: Address, challenge: Hash, certificate: Hash, signature: Signature
    ) -> None:
        """Raise LinkRefused unless ``peer`` signed our challenge on this connection."""
        proof = _proof(peer, self._key.address, challenge, certificate)
        try:
            require_signer(self._domain, proof, signature, peer)
        except SignatureInvalid as error:
            raise LinkRefused(peer=peer, problem=error.problem) from error


def parse_step(data: object, step: type[M], peer: Address) -> M:
    """Read one handshake message of the expected kind; raises LinkRefused."""
    if not isinstance(data, bytes):
        raise LinkRefused(peer=peer, problem="the link closed during the handshake")
    try:
        return msgspec.json.decode(data, type=step)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LinkRefused(peer=peer, problem=f"not a {step.__name__}: {error}") from error


def _proof(node: Address, peer: Address, challenge: Hash, certificate: Hash) -> LinkProof:
    if len(challenge) != CHALLENGE_BYTES or len(node) != len(peer):
        raise LinkRefused(peer=peer, problem="a challenge has 32 bytes, an address 20")
    return LinkProof(node=node, peer=peer, challenge=challenge, certificate=certificate)
