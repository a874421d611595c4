"""Reading a log for people: the last lines, merged by time, and those that come after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.audit.verify import log_reader
from authguard.audit.verify.log_reader import LogReader, decode_line, get_time

if TYPE_CHECKING:
    from pathlib import Path


def line(at: float, note: str = "") -> bytes:
    return b'{"at":%f,"note":"%b"}\n' % (at, note.encode())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_the_last_lines_of_all_chains_come_by_time(log: Path) -> None:
    log.write_bytes(line(1) + line(4) + line(5))
    log.with_name("audit.3.jsonl").write_bytes(line(2) + line(3) + line(6))
    assert [get_time(found) for found in LogReader(log).read_last(4)] == [3, 4, 5, 6]
    assert [get_time(found) for found in LogReader(log).read_last(100)] == [1, 2, 3, 4, 5, 6]
    assert LogReader(log).read_last(0) == []


def test_a_log_that_is_not_there_has_no_lines(log: Path) -> None:
    assert LogReader(log).read_last(5) == []
    assert LogReader(log).read_new() == []


def test_more_gives_what_came_since_also_in_new_files_and_whole_lines_only(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log)
    reader.read_last(0)
    assert reader.read_new() == []
    with log.open("ab") as file:
        file.write(line(2) + line(4)[:5])
    log.with_name("audit.1.jsonl").write_bytes(line(3))
    assert [get_time(found) for found in reader.read_new()] == [2, 3]
    with log.open("ab") as file:
        file.write(line(4)[5:])
    assert reader.read_new() == [line(4)]
    assert reader.read_new() == []


def test_a_file_that_was_cut_or_replaced_is_read_from_its_beginning(log: Path) -> None:
    log.write_bytes(line(1) + line(2))
    reader = LogReader(log)
    reader.read_last(1)
    log.write_bytes(line(3))
    assert reader.read_new() == [line(3)]
    (log.parent / "new").write_bytes(line(4) + line(5))
    (log.parent / "new").rename(log)
    assert reader.read_new() == [line(4), line(5)]


def test_only_the_end_of_a_long_file_is_read_and_no_half_line_shown(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "MAX_READ_BYTES", 2 * len(line(1)) + 3)
    log.write_bytes(b"".join(line(number) for number in range(1, 8)))
    assert [get_time(found) for found in LogReader(log).read_last(5)] == [6, 7]


def test_a_line_longer_than_any_of_ours_is_passed_over(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "MAX_LINE_BYTES", 10)
    log.write_bytes(b"x" * 50)
    reader = LogReader(log)
    assert reader.read_last(5) == []
    with log.open("ab") as file:
        file.write(b"\n" + line(1))
    assert reader.read_new() == [b"\n", line(1)]


@pytest.mark.parametrize(
    "garbage", [b"", b"x\n", b"[1]\n", b"\xff\n", b"[" * 100_000, b'{"at":"soon"}\n', b'{"at":null}']
)
def test_what_is_no_record_has_no_time_and_does_no_harm(garbage: bytes) -> None:
    assert get_time(garbage) == 0
    assert isinstance(decode_line(garbage), dict)
