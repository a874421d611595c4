"""What is sealed opens with its key, about its thing, unchanged; and in no other case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.encryption import PayloadCipher
from authguard.errors import SettingsError
from authguard.ports import DecryptionFailure
from authguard.settings import Settings

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens_and_is_nowhere_to_be_read(content: bytes, about: bytes) -> None:
    sealed = PayloadCipher((NEW,)).encrypt(content, about)
    assert PayloadCipher((NEW,)).decrypt(sealed, about) == content
    assert sealed != PayloadCipher((NEW,)).encrypt(content, about)
    assert len(content) < 8 or content not in sealed


def test_keys_are_rotated_and_a_key_that_is_gone_is_said_to_be_gone() -> None:
    sealed = PayloadCipher((OLD,)).encrypt(b"secret", b"a")
    assert PayloadCipher((NEW, OLD)).decrypt(sealed, b"a") == b"secret"
    assert PayloadCipher((NEW,)).decrypt(sealed, b"a") == DecryptionFailure("key")
    assert PayloadCipher((OLD,)).decrypt(PayloadCipher((NEW, OLD)).encrypt(b"x", b"a"), b"a") == DecryptionFailure(
        "key"
    )


@given(st.data())
def test_no_byte_of_what_was_sealed_can_be_changed_or_moved_elsewhere(data: st.DataObject) -> None:
    cipher = PayloadCipher((NEW,))
    sealed = bytearray(cipher.encrypt(b"secret", b"a"))
    assert cipher.decrypt(bytes(sealed), b"b") == DecryptionFailure("changed")
    assert isinstance(
        cipher.decrypt(bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))]), b"a"), DecryptionFailure
    )
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    assert isinstance(cipher.decrypt(bytes(sealed), b"a"), DecryptionFailure)


def test_keys_come_from_the_settings_the_newest_first() -> None:
    environ = {"AUTHGUARD_ENCRYPTION_KEYS": f"{NEW.hex()}, {OLD.hex()}"}
    assert Settings.resolve("x", environ=environ).encryption_keys == (NEW, OLD)
    assert Settings.resolve("x", environ={}).encryption_keys == ()


@pytest.mark.parametrize("typed", ["abc", "ab" * 31, f"{NEW.hex()},", "zz" * 32, ",".join([NEW.hex()] * 17)])
def test_a_key_that_is_none_is_refused_without_being_told(typed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.resolve("x", environ={"AUTHGUARD_ENCRYPTION_KEYS": typed})
    assert typed not in str(caught.value)
