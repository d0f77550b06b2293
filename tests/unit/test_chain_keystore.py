"""Key files: opened by their password only, never replaced, never left open to others."""

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from settlement.chain.keystore import (
    LIGHT_SCRYPT_COST,
    FileExposed,
    KeystoreUnusable,
    PasswordWrong,
    create_keystore,
    keystore_address,
    load_key,
    load_keystore,
    read_password,
    write_password,
)
from settlement.protocol.signing import SigningKey
from settlement.types import keccak

SECRET = keccak(b"a node's key")


def test_a_key_comes_back_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    address = create_keystore(path, "open sesame", cost=LIGHT_SCRYPT_COST)
    assert load_keystore(path, "open sesame").address == address
    assert keystore_address(path) == address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_is_one_that_other_wallets_open(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    create_keystore(path, "pass", secret=SECRET, cost=LIGHT_SCRYPT_COST)
    assert bytes(Account.decrypt(path.read_text(), "pass")) == SECRET


def test_a_file_that_another_wallet_made_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Account.encrypt(SECRET, "pass", kdf="pbkdf2", iterations=1_000)))
    path.chmod(0o600)
    assert load_keystore(path, "pass").address == SigningKey(SECRET).address


def test_a_wrong_password_is_told_apart_from_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    create_keystore(path, "sesame", secret=SECRET, cost=LIGHT_SCRYPT_COST)
    with pytest.raises(PasswordWrong) as refusal:
        load_keystore(path, "poppy")
    assert "sesame" not in str(refusal.value)
    assert "poppy" not in str(refusal.value)
    path.write_text("{")
    with pytest.raises(KeystoreUnusable):
        load_keystore(path, "sesame")


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 4},
        {"crypto": {}},
        {"crypto": "none"},
        {"address": None},
        {"address": "00" * 20},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    path = tmp_path / "key.json"
    create_keystore(path, "pass", secret=SECRET, cost=LIGHT_SCRYPT_COST)
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(KeystoreUnusable):
        load_keystore(path, "pass")


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    address = create_keystore(path, "pass", cost=LIGHT_SCRYPT_COST)
    with pytest.raises(KeystoreUnusable):
        create_keystore(path, "pass", cost=LIGHT_SCRYPT_COST)
    assert keystore_address(path) == address


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    password = tmp_path / "password"
    write_password(password)
    password.chmod(0o640)
    with pytest.raises(FileExposed) as refusal:
        read_password(password)
    assert refusal.value.advice() == f"Run: chmod 600 {password}"


def test_a_password_is_the_files_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    made = write_password(path)
    assert read_password(path) == made
    assert len(made) >= 40
    path.write_text(" spaces kept \r\na note\n")
    assert read_password(path) == " spaces kept "


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n"])
def test_an_empty_or_unreadable_password_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeystoreUnusable):
        read_password(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreUnusable) as refusal:
        read_password(tmp_path / "absent")
    assert str(tmp_path / "absent") in refusal.value.advice()


def test_a_key_is_opened_with_its_password_file(tmp_path: Path) -> None:
    password = write_password(tmp_path / "password")
    address = create_keystore(tmp_path / "key.json", password, cost=LIGHT_SCRYPT_COST)
    assert load_key(tmp_path / "key.json", tmp_path / "password").address == address
