"""The index: it follows the log, notices when that is another, and is never more than the log says."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from authguard.audit import segment_file
from authguard.audit.query.index import open_index
from authguard.audit.query.index_place import find_index
from authguard.audit.query.search import Query, count_by_template, find, find_by_id
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from authguard.records.chain import MAX_LINE_BYTES
from tests.audit.desk import Desk, numbers, told
from tests.audit.logs import acted, append, decided, faulted, moved, refused, withdrawn, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def ids(log: Path, *, fresh: bool = False) -> list[str]:
    with open_index(log, fresh=fresh) as index:
        return [one.record["id"] for one in find(index, Query(), newest=False)]


def test_every_kind_of_record_of_every_chain_is_found_by_time(log: Path) -> None:
    write(log, acted("a", 0, "started"), decided("b", 1), refused("d", 3), withdrawn("f", 5, "nothing"))
    write(log.with_name("audit.1.jsonl"), moved("c", 2, "session.idled: active -> idle"), faulted("e", 4))
    assert ids(log) == ["a", "b", "c", "d", "e", "f"]
    assert sorted(path.name for path in log.parent.iterdir()) == ["audit.1.jsonl", "audit.jsonl"]


def test_it_follows_the_log_and_reads_no_unfinished_line(log: Path) -> None:
    write(log, decided("a"))
    assert ids(log) == ["a"]
    append(log, decided("b", 1))
    whole = log.read_bytes()
    log.write_bytes(whole[:-5])
    assert ids(log) == ["a"]
    log.write_bytes(whole)
    with open_index(log) as index:
        assert index.rebuild_reason == ""
        assert len(list(find(index, Query()))) == 2
    write(log.with_name("audit.1.jsonl"), decided("c", 2))
    assert ids(log) == ["a", "b", "c"]


@pytest.mark.parametrize("how", ["cut", "emptied", "replaced", "first line edited", "last line edited", "deleted"])
def test_a_log_that_is_no_longer_what_was_indexed_is_indexed_anew_and_that_is_said(log: Path, how: str) -> None:
    write(log, decided("a"))
    other = log.with_name("audit.1.jsonl")
    before = write(other, decided("b"), decided("c", 1), decided("d", 2))
    assert ids(log) == ["a", "b", "c", "d"]
    lines = before.splitlines(keepends=True)
    left = ["a", "b", "c", "d"]
    match how:
        case "cut":
            other.write_bytes(b"".join(lines[:2]))
            left = ["a", "b", "c"]
        case "emptied":
            other.write_bytes(b"")
            left = ["a"]
        case "replaced":
            write(other, *(decided(name, 9) for name in "wxyz"))
            left = ["a", "w", "x", "y", "z"]
        case "first line edited":
            other.write_bytes(before.replace(b'"id":"b"', b'"id":"B"'))
            left = ["a", "B", "c", "d"]
        case "last line edited":
            other.write_bytes(before.replace(b'"id":"d"', b'"id":"D"'))
            left = ["a", "b", "c", "D"]
        case _:
            other.unlink()
            left = ["a"]
    with open_index(log) as index:
        assert "audit.1.jsonl" in index.rebuild_reason
        assert sorted(one.record["id"] for one in find(index, Query())) == sorted(left)
    with open_index(log) as index:
        assert index.rebuild_reason == ""


def test_withdrawn_records_are_void_and_not_counted_in_whichever_order_they_come(log: Path) -> None:
    write(log, decided("a"), decided("b", 1), withdrawn("w", 2, "a"))
    assert void(log) == {"a"}
    append(log, withdrawn("x", 3, "b", "c"), decided("c", 4), decided("d", 5))
    assert void(log) == {"a", "b", "c"}
    with open_index(log) as index:
        counted = {
            index.templates()[template].kind: number for template, number in count_by_template(index, 0, 9e9).items()
        }
    assert counted == {"decision": 1, "withdrawn": 2}


def void(log: Path) -> set[str]:
    with open_index(log) as index:
        return {one.record["id"] for one in find(index, Query()) if one.void}


def test_a_chain_of_somebody_elses_cannot_void_the_records_of_another(log: Path) -> None:
    write(log, decided("a"))
    write(log.with_name("audit.1.jsonl"), withdrawn("w", 1, "a"))
    assert void(log) == set()


def test_lines_that_are_no_record_are_counted_and_left_out(log: Path) -> None:
    line = write(log, decided("a"))
    log.write_bytes(
        b"\xff\n" + line + b'{"kind":"decision"}\n' + b"x" * (3 * MAX_LINE_BYTES) + b"\n" + line + b"[" * 9_000
    )
    with open_index(log) as index:
        assert index.unparsed_lines() == 3
        assert len(find_by_id(index, "a")) == 2
    with log.open("ab") as file:
        file.write(b"\n" + line)
    with open_index(log) as index:
        assert (index.rebuild_reason, index.unparsed_lines(), len(find_by_id(index, "a"))) == ("", 4, 3)


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at" * 40])
def test_a_file_that_is_no_index_is_made_one(log: Path, content: bytes) -> None:
    write(log, decided("a"))
    find_index(log).write_bytes(content)
    assert ids(log) == ["a"]


def test_an_index_of_another_version_is_made_anew(log: Path) -> None:
    write(log, decided("a"))
    ids(log)
    db = sqlite3.connect(find_index(log))
    db.execute("PRAGMA user_version = 99")
    db.execute("DELETE FROM record")
    db.commit()
    db.close()
    assert ids(log) == ["a"]


def test_it_is_made_anew_when_that_is_asked_for(log: Path) -> None:
    write(log, decided("a"))
    ids(log)
    db = sqlite3.connect(find_index(log))
    db.execute("DELETE FROM record")
    db.commit()
    db.close()
    assert ids(log) == []
    assert ids(log, fresh=True) == ["a"]


def test_no_log_is_said_with_what_to_do(log: Path) -> None:
    with pytest.raises(AuditError, match="set AUTHGUARD_AUDIT_LOG"), open_index(log):
        pass


def test_how_far_it_came_is_told(log: Path) -> None:
    write(log, *(decided(str(number)) for number in range(3)))
    told: list[tuple[int, int]] = []
    with open_index(log, progress=lambda done, whole: told.append((done, whole))):
        pass
    assert told[-1] == (log.stat().st_size, log.stat().st_size)


def test_ordinary_retirement_is_no_news_and_its_records_are_found_no_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path, RetentionPolicy(max_bytes=2_000, retention_s=40.0))
    sink = desk.open()
    desk.write(sink, *numbers(0, 30))
    desk.work()
    before = told(desk)
    for number in numbers(30, 120):
        desk.write(sink, number)
        desk.work()
    with open_index(desk.log) as index:
        assert index.rebuild_reason == ""
        assert index.unreadable == ()
    assert any(piece.is_tombstone for piece in segment_file.list_closed(desk.log))
    after = told(desk)
    assert not set(after) & set(before[:5])
    assert after[-1] == "119"
    sink.close()
