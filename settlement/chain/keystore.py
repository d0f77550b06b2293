"""Keys on disk: Ethereum's keystore version 3, opened with a password from a file.

A password comes from a file that only its owner may read, never from a command line or the
environment. Deriving the key takes a second on purpose: call these from a thread.
Source: Web3 Secret Storage Definition, version 3 (scrypt).
"""

import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from settlement.errors import OurError
from settlement.protocol.signing import SigningKey
from settlement.types import Address, parse_address

LARGEST_KEYSTORE = 64 * 1024
SCRYPT_COST = 1 << 18
"""The standard's own cost: about a second and 256 MiB."""
LIGHT_SCRYPT_COST = 1 << 12
"""For throw-away keys of a local chain: milliseconds."""
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(kw_only=True, eq=False, repr=False)
class KeystoreUnusable(OurError):
    """A keystore or password file cannot be read or written."""

    code: ClassVar[str] = "SL-8402"
    title: ClassVar[str] = "The key file cannot be used"
    fix: ClassVar[str] = "Correct {path}: {problem}."

    path: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class PasswordWrong(OurError):
    """The password does not open the keystore."""

    code: ClassVar[str] = "SL-8403"
    title: ClassVar[str] = "The password does not open the key file"
    fix: ClassVar[str] = "Point to the password file that belongs to {path}."

    path: str


@dataclass(kw_only=True, eq=False, repr=False)
class FileExposed(OurError):
    """Others on this machine may read a secret file."""

    code: ClassVar[str] = "SL-8404"
    title: ClassVar[str] = "Others may read a secret file"
    fix: ClassVar[str] = "Run: chmod 600 {path}"

    path: str


def read_password(path: Path) -> str:
    """The password in a file: its first line, without the newline.

    Raises KeystoreUnusable (missing, empty), FileExposed.
    """
    content = _read_secret(path).partition(b"\n")[0].removesuffix(b"\r")
    if not content:
        raise KeystoreUnusable(path=str(path), problem="the password is empty")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise KeystoreUnusable(path=str(path), problem="it is not UTF-8 text") from error


def write_password(path: Path) -> str:
    """Make a new random password file, readable by its owner only; returns the password.

    Raises KeystoreUnusable, also where the file exists.
    """
    password = secrets.token_urlsafe(32)
    _write_secret(path, password.encode() + b"\n")
    return password


def create_keystore(
    path: Path, password: str, *, secret: bytes | None = None, cost: int = SCRYPT_COST
) -> Address:
    """Write a keystore for a new random key, or for ``secret``; an existing file is never
    replaced. Raises KeystoreUnusable."""
    from eth_keyfile import keyfile

    plain = secret or _random_secret()
    key = SigningKey(plain)
    content = keyfile.create_keyfile_json(plain, password, kdf="scrypt", iterations=cost)
    _write_secret(path, json.dumps(content).encode())
    return key.address


def load_keystore(path: Path, password: str) -> SigningKey:
    """Open a keystore. Raises KeystoreUnusable, FileExposed, PasswordWrong."""
    from eth_keyfile import keyfile

    content = _content(path)
    try:
        # The ignore: its annotation says str, but PBKDF2 takes bytes only, and scrypt both.
        secret = keyfile.decode_keyfile_json(content, password.encode())  # type: ignore[arg-type]
    except ValueError as error:  # its one word for a wrong password
        if "MAC" in str(error):
            raise PasswordWrong(path=str(path)) from error
        raise KeystoreUnusable(path=str(path), problem=str(error)) from error
    except (KeyError, TypeError, NotImplementedError) as error:
        raise KeystoreUnusable(path=str(path), problem=f"a field is wrong: {error}") from error
    key = SigningKey(bytes(secret))
    if keystore_address(path) != key.address:
        raise KeystoreUnusable(path=str(path), problem="it holds the key of another address")
    return key


def load_key(keystore: Path, password_file: Path) -> SigningKey:
    """Open a keystore with the password in a file. Raises what its two steps raise."""
    return load_keystore(keystore, read_password(password_file))


def keystore_address(path: Path) -> Address:
    """The address that a keystore says it is for; needs no password. Raises KeystoreUnusable."""
    text = _content(path).get("address")
    if not isinstance(text, str):
        raise KeystoreUnusable(path=str(path), problem="it has no address")
    return parse_address("0x" + text.removeprefix("0x"), str(path))


def _random_secret() -> bytes:
    while True:
        # All but 2^-128 of 32-byte strings are keys; the loop is for the rest.
        secret = secrets.token_bytes(32)
        if 0 < int.from_bytes(secret, "big") < _ORDER:
            return secret


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_secret(path))
    except ValueError as error:
        raise KeystoreUnusable(path=str(path), problem="it is not JSON") from error
    if not isinstance(content, dict) or content.get("version") != 3:
        raise KeystoreUnusable(path=str(path), problem="it is not a keystore of version 3")
    return content


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise FileExposed(path=str(path))
            return file.read(LARGEST_KEYSTORE)
    except OSError as error:
        problem = error.strerror or str(error)
        raise KeystoreUnusable(path=str(path), problem=problem) from error


def _write_secret(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        problem = error.strerror or str(error)
        raise KeystoreUnusable(path=str(path), problem=problem) from error
