"""Keys in a file and secrets in the environment are loaded when the validator opens, or the app does not start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.core.deployment import Issuer
from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES
from authguard.credentials.static_keys import load_key_file, load_secret
from authguard.errors import SettingsError
from authguard.testing import SigningKey

if TYPE_CHECKING:
    from pathlib import Path

_FILE = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), key_file="keys.json")
_SECRET = Issuer(issuer="https://i.test", audience=("a",), algorithms=("HS256",), secret_env="THE_SECRET")


def test_the_keys_of_a_file_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [SigningKey.generate(kid="k").jwk()]}))
    assert [key.name for key in load_key_file(_FILE, tmp_path, frozenset({"ES256"})).keys] == ["k"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"keys":[],"keys":[]}',
        b'{"keys":"' + b"x" * MAX_RESPONSE_BYTES + b'"}',
        b"\xff",
    ],
)
def test_a_file_that_is_no_set_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"`keys.json` of issuer `https://i.test` cannot be used as a JWK Set"):
        load_key_file(_FILE, tmp_path, frozenset({"ES256"}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"`keys.json` .* FileNotFoundError"):
        load_key_file(_FILE, tmp_path, frozenset({"ES256"}))


def test_a_file_without_a_sound_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [SigningKey.generate().jwk() | {"d": "AAAA"}]}))
    with pytest.raises(SettingsError, match="contains no strong public key for ES256"):
        load_key_file(_FILE, tmp_path, frozenset({"ES256"}))


def test_a_secret_is_read_from_its_variable() -> None:
    assert load_secret(_SECRET, {"THE_SECRET": "s" * 32}, frozenset({"HS256"})).keys


@pytest.mark.parametrize("environ", [{}, {"THE_SECRET": ""}])
def test_a_missing_secret_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="set THE_SECRET to the secret of issuer"):
        load_secret(_SECRET, environ, frozenset({"HS256"}))


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"THE_SECRET cannot be used .* at least 32 bytes") as caught:
        load_secret(_SECRET, {"THE_SECRET": "hunter2"}, frozenset({"HS256"}))
    assert "hunter2" not in str(caught.value)
