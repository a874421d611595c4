"""Pseudonyms can be erased one by one: with the remaining keys, every pseudonym but the erased ones is computed."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard import erasable_pseudonym
from authguard.core.record_keys import account_key
from authguard.erasable_pseudonym import LEVELS, ErasablePseudonyms, create_key_file
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://idp.example"


def never() -> None:
    raise AssertionError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "var" / "authguard.db.names"
    create_key_file(made, 1_000.0, before=False)
    return made


def all_of(path: Path, count: int = 60) -> list[str]:
    opened = ErasablePseudonyms(path)
    return [opened.subject(ISSUER, f"s{number}") for number in range(count)]


def test_every_name_is_another_and_the_same_in_every_process(path: Path) -> None:
    assert len(set(all_of(path))) == 60
    assert all_of(path) == all_of(path)
    assert ErasablePseudonyms(path).subject(ISSUER, "s1") != ErasablePseudonyms(path).subject("https://other", "s1")
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_forgotten_gets_another_name_and_nobody_else_does(path: Path) -> None:
    before = all_of(path)
    ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, lambda: None)
    after = all_of(path)
    assert [number for number in range(60) if before[number] != after[number]] == [7]
    known = ErasablePseudonyms(path).get_info(account_key(ISSUER, "s7"))
    assert (known.erased, known.pseudonym) == (2_000.0, after[7])
    assert ErasablePseudonyms(path).get_info(account_key(ISSUER, "s8")).erased == 0


def test_the_old_name_cannot_be_computed_from_what_is_left(path: Path) -> None:
    raw = path.read_bytes()
    before = erasable_pseudonym._decode(raw)
    named = account_key(ISSUER, "s7")
    way = erasable_pseudonym._leaf_path(before, named)
    leaf = erasable_pseudonym._compute_leaf(before.trees[0], way)
    ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, lambda: None)
    left = erasable_pseudonym._decode(path.read_bytes())
    # no node that is left stands over the leaf, in any tree, nor is the leaf itself or its root anywhere
    assert not any(way.startswith(node) for node in left.trees[0])
    assert len(left.trees[0]) == 3 * LEVELS
    assert leaf.hex() not in path.read_text()
    assert before.trees[0][""] not in path.read_text()


def test_the_file_that_held_the_key_is_overwritten(path: Path) -> None:
    with path.open("rb") as old:
        whole = len(old.read())
        ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, lambda: None)
        old.seek(0)
        assert old.read() == bytes(whole)
    assert sorted(one.name for one in path.parent.iterdir()) == [".gitignore", path.name, f"{path.name}.lock"]


def test_a_process_that_runs_hears_of_it(path: Path) -> None:
    running = ErasablePseudonyms(path)
    before = running.subject(ISSUER, "s7")
    ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, lambda: None)
    assert running.subject(ISSUER, "s7") != before


def test_who_is_forgotten_twice_has_three_names_and_the_trees_do_not_grow_with_others(path: Path) -> None:
    seen = {ErasablePseudonyms(path).subject(ISSUER, "s7")}
    for at in (2_000.0, 3_000.0):
        ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), at, lambda: None)
        seen.add(ErasablePseudonyms(path).subject(ISSUER, "s7"))
    assert len(seen) == 3
    for number in range(20, 30):
        ErasablePseudonyms(path).erase(account_key(ISSUER, f"s{number}"), 4_000.0, lambda: None)
    assert len(erasable_pseudonym._decode(path.read_bytes()).trees) == 3


def test_nothing_is_destroyed_where_it_cannot_be_recorded(path: Path) -> None:
    raw = path.read_bytes()
    with pytest.raises(AssertionError):
        ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, never)
    assert path.read_bytes() == raw


def test_a_folder_that_cannot_be_written_is_said_and_destroys_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, before = path.read_bytes(), all_of(path)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SettingsError, match="No space left"):
            ErasablePseudonyms(path).erase(account_key(ISSUER, "s7"), 2_000.0, lambda: None)
    assert path.read_bytes() == raw
    assert all_of(path) == before
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".") and one.name != ".gitignore"]


def _forget(path: Path, number: int) -> None:
    ErasablePseudonyms(path).erase(account_key(ISSUER, f"s{number}"), 2_000.0, lambda: None)


def test_processes_that_forget_at_once_forget_all_of_them(path: Path) -> None:
    before = all_of(path)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(_forget, [(path, number) for number in range(8)])
    after = all_of(path)
    assert [number for number in range(60) if before[number] != after[number]] == list(range(8))


def test_processes_that_begin_at_once_have_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "names"
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(create_key_file, [(path, 1_000.0)] * 8 and [])
    create_key_file(path, 1_000.0, before=False)
    first = all_of(path)
    create_key_file(path, 2_000.0, before=True)
    assert all_of(path) == first


@pytest.mark.parametrize("content", [b"", b"{}", b'{"v":2}', b"\0" * 100])
def test_keys_that_cannot_be_read_stop_the_guard_with_a_word(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="restore the file"):
        ErasablePseudonyms(path)


def test_keys_that_go_away_while_the_guard_runs_name_nobody_wrongly(path: Path) -> None:
    running = ErasablePseudonyms(path)
    path.unlink()
    with pytest.raises(SettingsError, match="restore the file"):
        running.subject(ISSUER, "s1")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4**6 - 1), max_size=6, unique=True), st.integers(0, 4**6 - 1))
def test_a_tree_loses_exactly_the_leaves_that_were_taken_from_it(taken: list[int], other: int) -> None:
    ways = [
        "".join(str(number >> shift & 3) for shift in range(10, -2, -2)).ljust(LEVELS, "1")
        for number in [*taken, other]
    ]
    whole = {"": "07" * 32}
    tree = dict(whole)
    for way in ways[:-1]:
        tree = erasable_pseudonym._puncture(tree, way)
    assert all(erasable_pseudonym._compute_leaf(tree, way) == b"" for way in ways[:-1])
    if other not in taken:
        assert erasable_pseudonym._compute_leaf(tree, ways[-1]) == erasable_pseudonym._compute_leaf(whole, ways[-1])
