"""What is sealed opens with its key, about its thing, unchanged; and in no other case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.encryption import Sealer
from authguard.errors import SettingsError
from authguard.ports import Unreadable
from authguard.settings import Settings

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens_and_is_nowhere_to_be_read(content: bytes, about: bytes) -> None:
    sealed = Sealer((NEW,)).close(content, about)
    assert Sealer((NEW,)).open(sealed, about) == content
    assert sealed != Sealer((NEW,)).close(content, about)
    assert len(content) < 8 or content not in sealed


def test_keys_are_rotated_and_a_key_that_is_gone_is_said_to_be_gone() -> None:
    sealed = Sealer((OLD,)).close(b"secret", b"a")
    assert Sealer((NEW, OLD)).open(sealed, b"a") == b"secret"
    assert Sealer((NEW,)).open(sealed, b"a") == Unreadable("key")
    assert Sealer((OLD,)).open(Sealer((NEW, OLD)).close(b"x", b"a"), b"a") == Unreadable("key")


@given(st.data())
def test_no_byte_of_what_was_sealed_can_be_changed_or_moved_elsewhere(data: st.DataObject) -> None:
    sealer = Sealer((NEW,))
    sealed = bytearray(sealer.close(b"secret", b"a"))
    assert sealer.open(bytes(sealed), b"b") == Unreadable("changed")
    assert isinstance(sealer.open(bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))]), b"a"), Unreadable)
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    assert isinstance(sealer.open(bytes(sealed), b"a"), Unreadable)


def test_keys_come_from_the_settings_the_newest_first() -> None:
    environ = {"AUTHGUARD_SEALING_KEYS": f"{NEW.hex()}, {OLD.hex()}"}
    assert Settings.resolve("x", environ=environ).sealing_keys == (NEW, OLD)
    assert Settings.resolve("x", environ={}).sealing_keys == ()


@pytest.mark.parametrize("typed", ["abc", "ab" * 31, f"{NEW.hex()},", "zz" * 32, ",".join([NEW.hex()] * 17)])
def test_a_key_that_is_none_is_refused_without_being_told(typed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.resolve("x", environ={"AUTHGUARD_SEALING_KEYS": typed})
    assert typed not in str(caught.value)
