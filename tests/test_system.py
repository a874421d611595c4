"""The machine's own clock, randomness and key: unique, bounded, kept once."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard.errors import SettingsError
from authguard.system import Pseudonyms, SystemClock, SystemIds, key_beside

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


def test_record_ids_are_unique_and_sort_by_time() -> None:
    ids = SystemIds()
    made = [ids.record(1_800_000_000.0 + place / 1_000) for place in range(2_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(record) for record in made} == {32}


def test_record_ids_of_one_moment_differ() -> None:
    ids = SystemIds()
    assert len({ids.record(1.0) for _ in range(1_000)}) == 1_000


def test_forked_processes_do_not_count_alike() -> None:
    # a server that loads the app before it forks its workers
    script = """
import os
from authguard.system import SystemIds
ids = SystemIds()
for _ in range(4):
    if os.fork() == 0:
        os.write(1, f"{ids.record(1.0)} ".encode())  # in one piece, whoever else writes
        os._exit(0)
for _ in range(4):
    os.wait()
print(ids.record(1.0))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own interpreter and script
    assert len(set(done.stdout.split())) == 5


def test_a_secret_has_128_bits_and_is_never_the_same() -> None:
    ids = SystemIds()
    assert len(ids.secret()) == 32
    assert ids.secret() != ids.secret()


def test_a_pseudonym_is_of_issuer_and_subject_and_key() -> None:
    names = Pseudonyms(KEY)
    assert names.subject("https://a", "bob") == names.subject("https://a", "bob")
    others = {
        names.subject("https://b", "bob"),
        names.subject("https://ab", "ob"),
        names.subject("https://a", "alice"),
        Pseudonyms(KEY[::-1]).subject("https://a", "bob"),
        Pseudonyms(KEY * 8).subject("https://a", "bob"),
        names.fingerprint(b"bob"),
    }
    assert len(others) == 6
    assert names.subject("https://a", "bob") not in others
    assert "bob" not in names.subject("https://a", "bob")


def test_a_policy_may_want_subjects_by_their_names() -> None:
    assert Pseudonyms(KEY, plain=True).subject("https://a", "bob") == "bob"


def test_where_there_are_several_issuers_a_name_has_its_issuer_beside_it() -> None:
    names = Pseudonyms(KEY, plain=True, several=True)
    assert names.subject("https://a", "bob") == "https%3A%2F%2Fa:bob"
    assert names.subject("https://b", "bob") != names.subject("https://a", "bob")
    assert names.check != Pseudonyms(KEY, plain=True).check


def test_the_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    store = tmp_path / "deep" / "authguard.db"
    key = key_beside(store)
    assert len(key) == 32
    assert key_beside(store) == key
    kept = store.with_name("authguard.db.key")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["authguard.db.key"]


@pytest.mark.parametrize("content", ["", "zz", "00" * 31])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    store = tmp_path / "authguard.db"
    kept = tmp_path / "authguard.db.key"
    kept.write_text(content, "ascii")
    with pytest.raises(SettingsError, match="pseudonym key"):
        key_beside(store)
    assert kept.read_text("ascii") == content


def test_processes_that_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        keys = pool.map(key_beside, [tmp_path / "authguard.db"] * 8, chunksize=1)
    assert len(set(keys)) == 1


def test_the_clock_gives_seconds() -> None:
    assert SystemClock.now() > 1_700_000_000
