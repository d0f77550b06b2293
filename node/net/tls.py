"""TLS 1.3 for links. Encryption is the standard library's; identity is the chain's.

No authority signs these certificates and nobody checks their names or dates: both ends sign the
certificate's SHA-256 with their registered keys (:mod:`node.net.handshake`).
"""

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from settlement.types import Hash

_FILE = "link.pem"
# RFC 5280, 4.1.2.5: what a certificate without a well-defined expiration carries.
_NO_EXPIRATION = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_NO_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A self-signed certificate with its key: where both lie, and what proofs refer to."""

    path: Path
    sha256: Hash


def make_certificate(folder: Path) -> Certificate:
    """Make a fresh P-256 key and certificate in ``folder``, readable by the owner only.

    A new one at every start: nothing outside this process depends on it. Raises OSError.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smart-layer link")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NO_BEGINNING)
        .not_valid_after(_NO_EXPIRATION)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return Certificate(path=path, sha256=Hash(certificate.fingerprint(hashes.SHA256())))


def listening_context(certificate: Certificate) -> ssl.SSLContext:
    """TLS 1.3 and nothing older, showing ``certificate``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate.path)
    return context


def dialling_context() -> ssl.SSLContext:
    """TLS 1.3 that accepts any certificate; the handshake above it then checks which one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
