"""The place of an index: private, bounded, and never beside the log."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from authguard.audit.query import index as index_module
from authguard.audit.query.index import open_index
from authguard.audit.query.index_place import MAX_INDEXES, MAX_UNUSED_S, find_index
from authguard.audit.query.index_schema import connect
from authguard.audit.query.search import Query, find
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from tests.audit.desk import Desk, numbers
from tests.audit.logs import decided, write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "authguard"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "audit.jsonl"
    path.parent.mkdir()
    write(path, decided("a"), decided("b", 1))
    return path


def read(log: Path) -> tuple[list[str], str]:
    """Return the ids of all records, and why the index is temporary."""
    with open_index(log) as index:
        return [one.record["id"] for one in find(index, Query(), newest=False)], index.unkept_reason


def test_an_index_is_private_and_in_the_cache(log: Path, cache: Path) -> None:
    assert read(log) == (["a", "b"], "")
    assert [path.name for path in log.parent.iterdir()] == ["audit.jsonl"]
    assert list(cache.iterdir()) == [find_index(log)]
    assert cache.stat().st_mode & 0o7777 == 0o700
    assert find_index(log).stat().st_mode & 0o7777 == 0o600


def test_two_logs_have_two_indexes_and_two_ways_to_a_log_have_one(log: Path, cache: Path) -> None:
    other = log.with_name("other.jsonl")
    write(other, decided("c"))
    (log.parent.parent / "link").symlink_to(log.parent)
    assert read(other)[0] == ["c"]
    assert read(log) == read(log.parent.parent / "link" / "audit.jsonl")
    assert len(list(cache.iterdir())) == 2


def test_without_the_variable_it_is_below_the_home(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert read(log) == (["a", "b"], "")
        assert find_index(log).parent == tmp_path / ".cache" / "authguard"


@pytest.mark.parametrize("how", ["a file", "a link", "open to all", "of somebody else", "no home", "no folder"])
def test_a_cache_that_is_not_private_is_not_used_and_that_is_said(
    log: Path, cache: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how != "no folder":
        cache.parent.mkdir()
    match how:
        case "a file":
            cache.touch(0o600)
        case "a link":
            (cache.parent / "real").mkdir(0o700)
            cache.symlink_to(cache.parent / "real")
        case "open to all":
            cache.mkdir()
            cache.chmod(0o777)
        case "of somebody else":
            cache.mkdir(0o700)
            monkeypatch.setattr(os, "geteuid", lambda: 4_242)
        case "no home":
            monkeypatch.setenv("XDG_CACHE_HOME", "")
            monkeypatch.setattr(Path, "home", _no_home)
        case _:
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent / "deep" / "cache"))
    before = sorted(cache.parent.rglob("*"))
    ids, reason = read(log)
    assert ids == ["a", "b"]
    assert "XDG_CACHE_HOME" in reason or "with mode 0700" in reason
    assert sorted(cache.parent.rglob("*")) == before


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("how", ["readable by others", "a link", "two names", "a folder"])
def test_an_index_that_somebody_else_could_have_made_is_replaced(log: Path, cache: Path, how: str) -> None:
    read(log)
    path = find_index(log)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM record")
    db.close()
    match how:
        case "readable by others":
            path.chmod(0o644)
        case "a link":
            path.rename(cache / "elsewhere")
            path.symlink_to(cache / "elsewhere")
        case "two names":
            os.link(path, cache / "elsewhere")
        case _:
            path.unlink()
            path.mkdir()
    ids, reason = read(log)
    assert ids == ["a", "b"]
    assert bool(reason) == (how == "a folder")


def test_a_cache_that_cannot_be_written_is_no_obstacle(log: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index_module.tempfile, "mkstemp", full)
    ids, reason = read(log)
    assert ids == ["a", "b"]
    assert f"`{cache}` cannot be written (No space left on device)" in reason


def test_where_no_file_can_be_written_at_all_the_index_is_in_memory(
    log: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.touch()
    places = []

    def refuse(place: Path | str) -> sqlite3.Connection:
        places.append(place)
        db = connect(place)
        if place != ":memory:":
            db.execute("PRAGMA query_only = ON")  # as where no folder can be written
        return db

    monkeypatch.setattr(index_module, "connect", refuse)
    assert read(log)[0] == ["a", "b"]
    assert places == ["", ":memory:"]


def test_an_index_that_was_not_used_for_a_week_is_removed_by_the_next_command(log: Path, cache: Path) -> None:
    other = log.with_name("other.jsonl")
    write(other, decided("c"))
    read(other)
    unfinished = cache / f".{find_index(log).name}.x7"
    unfinished.touch()
    kept = cache / "of-another-tool"
    kept.touch()
    for path in (find_index(other), unfinished, kept):
        os.utime(path, (0, path.stat().st_mtime - MAX_UNUSED_S - 5))
    read(log)
    assert sorted(cache.iterdir()) == sorted([find_index(log), kept])


def test_only_so_many_indexes_are_kept(log: Path, cache: Path) -> None:
    read(log)
    now = find_index(log).stat().st_mtime
    for number in range(MAX_INDEXES + 4):
        path = cache / f"audit-{number:032x}.index"
        path.touch()
        os.utime(path, (now - 100 + number, now - 100 + number))
    read(log)
    assert len(list(cache.iterdir())) == MAX_INDEXES
    assert find_index(log).exists()


def test_a_damaged_index_is_removed_and_the_message_says_to_repeat(log: Path) -> None:
    with pytest.raises(AuditError, match="repeat the query"), open_index(log) as index:
        index.db.execute("SELECT nothing FROM record")
    assert not find_index(log).exists()
    assert read(log)[0] == ["a", "b"]


def test_what_retention_removed_from_the_log_is_no_longer_in_any_byte_of_the_index(tmp_path: Path, cache: Path) -> None:
    desk = Desk(tmp_path, RetentionPolicy(max_bytes=2_000, retention_s=40.0))
    sink = desk.open()
    desk.write(sink, *numbers(1_000, 1_030))
    desk.work()
    before = read(desk.log)[0]
    for number in numbers(1_030, 1_120):
        desk.write(sink, number)
        desk.work()
    after = read(desk.log)[0]
    sink.close()
    content = find_index(desk.log).read_bytes()
    lost = set(before) - set(after)
    assert len(lost) > 5
    assert [one for one in lost if one.encode() in content] == []
    assert all(one.encode() in content for one in after)
    assert list(cache.iterdir()) == [find_index(desk.log)]
