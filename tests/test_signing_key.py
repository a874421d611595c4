"""The keys that sign the log: read to the letter, written whole, readable by their owner alone, made once."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

#: RFC 8032 7.1, test 3: seed, public key, message, signature
SEED = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
MESSAGE = "af82"
SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_signatures_are_those_of_rfc_8032() -> None:
    made = signing_key.generate_key("n")
    assert made.text().startswith("PRIVATE+KEY+n+")
    assert signing_key.verify_signature(bytes.fromhex(PUBLIC), bytes.fromhex(SIGNATURE), bytes.fromhex(MESSAGE))
    key = signing_key._from_private("n", signing_key.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED)))
    assert key.key.public.hex() == PUBLIC
    assert key.sign(bytes.fromhex(MESSAGE)).hex() == SIGNATURE


@pytest.mark.parametrize("spoilt", ["signature", "message", "key", "length"])
def test_a_wrong_signature_is_wrong_and_raises_nothing(spoilt: str) -> None:
    public, signature, message = bytes.fromhex(PUBLIC), bytes.fromhex(SIGNATURE), bytes.fromhex(MESSAGE)
    match spoilt:
        case "signature":
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        case "message":
            message += b"x"
        case "key":
            public = public[:-1]
        case _:
            signature = signature[:-1]
    assert not signing_key.verify_signature(public, signature, message)


def test_a_key_that_is_written_is_read_again_and_is_never_shown() -> None:
    made = signing_key.generate_key("desk")
    (read,) = signing_key.parse_keys(made.text(), "here")
    assert read.key == made.key
    assert read.text() == made.text()
    assert made.text().split("+", 4)[4] not in repr(made)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda text: text.removeprefix("PRIVATE+KEY+"),
        lambda text: text[:-4],
        lambda text: text.replace("+desk+", "+desc+"),
        lambda text: text.replace("+desk+", "++"),
        lambda text: text + "\nnot a key",
        lambda text: text.replace("+A", "+B"),
        lambda text: text + "=",
    ],
)
def test_what_is_no_key_is_refused_and_not_told(spoil: object) -> None:
    assert callable(spoil)
    text = signing_key.generate_key("desk").text()
    with pytest.raises(SettingsError, match="holds no signing key") as raised:
        signing_key.parse_keys(spoil(text), "here")
    assert text.split("+", 4)[4] not in str(raised.value)


def test_a_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    first = signing_key.load_or_create_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.key for one in signing_key.load_or_create_keys(path)] == [one.key for one in first]
    assert not signing_key.write_key_file(path, (signing_key.generate_key(),))
    assert signing_key.load_key_file(path)[0].key == first[0].key
    assert {one.name for one in path.parent.iterdir()} == {"keys", ".gitignore"}


def test_who_makes_it_at_once_gets_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    ready = threading.Barrier(8)

    def make() -> None:
        ready.wait()
        found.append(signing_key.load_or_create_keys(tmp_path / "keys")[0].key.public)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    signing_key.load_or_create_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        signing_key.load_key_file(tmp_path / "keys")


def test_a_file_that_cannot_be_read_or_made_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no file"):
        signing_key.load_key_file(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"\xff")
    (tmp_path / "file").chmod(0o600)
    with pytest.raises(SettingsError, match="cannot be read: UnicodeDecodeError"):
        signing_key.load_key_file(tmp_path / "file")
    with pytest.raises(SettingsError, match="cannot be created"):
        signing_key.load_or_create_keys(tmp_path / "file" / "keys")


def test_a_key_comes_from_the_setting_from_its_file_or_from_beside_the_store(tmp_path: Path) -> None:
    made = signing_key.generate_key("desk")
    signing_key.write_key_file(tmp_path / "named", (made,))
    base = str(tmp_path / "store.db")
    assert signing_key.load_keys(made.text(), base)[0].key == made.key
    assert signing_key.load_keys(str(tmp_path / "named"), base)[0].key == made.key
    assert not os.path.exists(f"{base}.signing")  # noqa: PTH110 - a name that was put together
    assert signing_key.load_keys("", base)[0].key == signing_key.load_key_file(signing_key.key_file_path(base))[0].key


def test_a_replacement_keeps_what_it_is_given(tmp_path: Path) -> None:
    old, new = signing_key.generate_key("desk"), signing_key.generate_key("desk")
    signing_key.write_key_file(tmp_path / "keys", (old,))
    assert signing_key.write_key_file(tmp_path / "keys", (old, new), replace=True)
    assert [one.key for one in signing_key.load_key_file(tmp_path / "keys")] == [old.key, new.key]
