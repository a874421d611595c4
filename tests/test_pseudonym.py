"""KeyedPseudonyms are keyed, and the key file is created once."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import pytest

from authguard.errors import SettingsError
from authguard.pseudonym import KeyedPseudonyms, load_or_create_key

if TYPE_CHECKING:
    from pathlib import Path


KEY = bytes(range(32))


def test_a_pseudonym_is_of_issuer_and_subject_and_key() -> None:
    names = KeyedPseudonyms(KEY)
    assert names.subject("https://a", "bob") == names.subject("https://a", "bob")
    others = {
        names.subject("https://b", "bob"),
        names.subject("https://ab", "ob"),
        names.subject("https://a", "alice"),
        KeyedPseudonyms(KEY[::-1]).subject("https://a", "bob"),
        KeyedPseudonyms(KEY * 8).subject("https://a", "bob"),
        names.fingerprint(b"bob"),
    }
    assert len(others) == 6
    assert names.subject("https://a", "bob") not in others
    assert "bob" not in names.subject("https://a", "bob")


def test_a_policy_may_want_subjects_by_their_names() -> None:
    assert KeyedPseudonyms(KEY, plain=True).subject("https://a", "bob") == "bob"


def test_where_there_are_several_issuers_a_name_has_its_issuer_beside_it() -> None:
    names = KeyedPseudonyms(KEY, plain=True, several=True)
    assert names.subject("https://a", "bob") == "https%3A%2F%2Fa:bob"
    assert names.subject("https://b", "bob") != names.subject("https://a", "bob")
    assert names.check != KeyedPseudonyms(KEY, plain=True).check


def test_the_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    store = tmp_path / "deep" / "authguard.db"
    key = load_or_create_key(store)
    assert len(key) == 32
    assert load_or_create_key(store) == key
    kept = store.with_name("authguard.db.key")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in kept.parent.iterdir()} == {"authguard.db.key", ".gitignore"}


@pytest.mark.parametrize("content", ["", "zz", "00" * 31])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    store = tmp_path / "authguard.db"
    kept = tmp_path / "authguard.db.key"
    kept.write_text(content, "ascii")
    with pytest.raises(SettingsError, match="pseudonym key"):
        load_or_create_key(store)
    assert kept.read_text("ascii") == content


def test_processes_that_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        keys = pool.map(load_or_create_key, [tmp_path / "authguard.db"] * 8, chunksize=1)
    assert len(set(keys)) == 1
