"""The log on disk, with one process: continued, repaired, refused, and whole whatever happens to disk and file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit.verify.log_verifier import verify
from authguard.audit.write import jsonl
from authguard.errors import AuditError
from authguard.records.chain import (
    GENESIS,
    MAX_LINE_BYTES,
    ChainBreak,
    IntactChain,
    Violation,
    format_line,
    verify_chain,
)
from tests.audit.verify.tampering import rehash
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.audit.write.jsonl import JsonlSink
    from authguard.records.entries import ActEntry
    from authguard.testing import FakeClock

    Act = Callable[[str], ActEntry]
    NewSink = Callable[[], JsonlSink]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


# --- one writer


def test_it_writes_one_chained_line_per_record_and_counts_positions(sink: JsonlSink, log: Path, act: Act) -> None:
    assert [sink.append(act(f"note {number}")) for number in range(3)] == [1, 2, 3]
    assert [record["seq"] for record in records(log)] == [0, 1, 2]
    assert isinstance(verify_chain(lines(log)), IntactChain)


def test_the_file_and_its_folder_are_for_their_owner_only(sink: JsonlSink, log: Path) -> None:
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    assert sink.path == log


def test_opening_again_changes_nothing(sink: JsonlSink, log: Path, act: Act) -> None:
    sink.append(act("1"))
    sink.open()
    sink.append(act("2"))
    assert [record["seq"] for record in records(log)] == [0, 1]


def test_a_sink_that_is_not_open_takes_nothing(new_sink: NewSink, act: Act) -> None:
    sink = new_sink()
    with pytest.raises(AuditError, match="not open"):
        sink.append(act("early"))
    sink.open()
    sink.close()
    with pytest.raises(AuditError, match="not open"):
        sink.append(act("late"))


def test_the_next_process_continues_the_chain(new_sink: NewSink, log: Path, act: Act) -> None:
    for round_ in range(3):
        sink = new_sink()
        sink.open()
        assert [sink.append(act(f"{round_}")), sink.append(act("again"))] == [1, 2]
        sink.close()
    assert verify_chain(lines(log)) == IntactChain(6, records(log)[-1]["hash"])


def test_a_long_log_is_continued_by_reading_its_end_only(new_sink: NewSink, log: Path, act: Act) -> None:
    first = new_sink()
    first.open()
    for number in range(2_000):
        first.append(act(f"{number} {'x' * 200}"))
    first.close()
    # what comes before the last lines is not even looked at
    content = log.read_bytes()
    assert len(content) > 5 * MAX_LINE_BYTES
    log.write_bytes(b"\0" * (len(content) - 2 * MAX_LINE_BYTES) + content[-2 * MAX_LINE_BYTES :])
    second = new_sink()
    second.open()
    second.append(act("after"))
    assert json.loads(lines(log)[-1])["seq"] == 2_000


def test_the_longest_line_is_written_and_continued_and_one_byte_more_is_refused(
    sink: JsonlSink, new_sink: NewSink, log: Path, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "format_line", format_line)  # no record by the schema is nearly as long
    skip_validation(log)
    sink.append(act("n"))
    room = MAX_LINE_BYTES - len(lines(log)[0])
    sink.append(act("n" * (room + 1)))
    assert len(lines(log)[1]) == MAX_LINE_BYTES
    with pytest.raises(AuditError, match="longer"):
        sink.append(act("n" * (room + 2)))
    sink.close()
    with log.open("ab") as file:
        file.write(b"t" * (MAX_LINE_BYTES - 1))
    again = new_sink()
    again.open()
    again.append(act("after"))
    assert isinstance(verify_chain(lines(log)), IntactChain)


def test_text_that_is_not_unicode_is_refused_and_the_chain_goes_on(sink: JsonlSink, log: Path, act: Act) -> None:
    with pytest.raises(AuditError, match="Unicode"):
        sink.append(act("\ud800"))
    sink.append(act("fine"))
    assert isinstance(verify_chain(lines(log)), IntactChain)


def test_a_sink_that_wrote_nothing_leaves_no_empty_file(new_sink: NewSink, log: Path) -> None:
    sink = new_sink()
    sink.open()
    sink.close()
    assert not log.exists()


# --- a torn or edited end


@pytest.mark.parametrize("kept", [0, 1])
def test_a_torn_last_line_is_cut_off_and_recorded(
    new_sink: NewSink, log: Path, act: Act, clock: FakeClock, kept: int
) -> None:
    sink = new_sink()
    sink.open()
    for number in range(kept + 1):
        sink.append(act(f"{number}"))
    sink.close()
    *whole, last = lines(log)
    log.write_bytes(b"".join(whole) + last[:-9])
    clock.advance(5)
    again = new_sink()
    again.open()
    again.append(act("after"))
    assert isinstance(verify_chain(lines(log)), IntactChain)
    repaired = records(log)[kept]
    assert repaired["act"] == "repaired"
    assert repaired["at"] == clock.now()
    assert repaired["policy"] == "ab"
    assert repaired["note"] == f"{len(last) - 9} bytes, sha256 {hashlib.sha256(last[:-9]).hexdigest()}"


@pytest.mark.parametrize("ending", [b"not ours\n", b'{"kind":"act"}\n', b"\n", b"x" * MAX_LINE_BYTES, b"x" * 200_000])
def test_a_log_that_ends_in_no_line_of_ours_is_not_continued(
    new_sink: NewSink, log: Path, act: Act, ending: bytes
) -> None:
    sink = new_sink()
    sink.open()
    sink.append(act("1"))
    sink.close()
    with log.open("ab") as file:
        file.write(ending)
    before = log.read_bytes()
    again = new_sink()
    for _ in range(2):
        with pytest.raises(AuditError, match="authguard audit verify"):
            again.open()
    with pytest.raises(AuditError, match="not open"):
        again.append(act("2"))
    assert log.read_bytes() == before


def test_a_last_line_that_was_edited_is_not_continued_even_before_a_torn_one(
    new_sink: NewSink, log: Path, act: Act
) -> None:
    sink = new_sink()
    sink.open()
    sink.append(act("honest"))
    sink.close()
    log.write_bytes(log.read_bytes().replace(b"honest", b"forged") + b'{"kind":"ac')
    with pytest.raises(AuditError, match="edited"):
        new_sink().open()
    assert log.read_bytes().endswith(b'{"kind":"ac')


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "blocked"])
def test_only_a_regular_file_is_a_log(new_sink: NewSink, log: Path, tmp_path: Path, kind: str) -> None:
    if kind == "blocked":
        log.parent.write_text("a file where the folder should be")
    else:
        log.parent.mkdir()
    if kind == "link":
        log.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(log)
    elif kind == "folder":
        log.mkdir()
    with pytest.raises(AuditError, match="regular file" if kind == "pipe" else "cannot be opened"):
        new_sink().open()
    assert not (tmp_path / "elsewhere").exists()


# --- the file goes away


@pytest.mark.parametrize("how", ["deleted", "replaced", "renamed"])
def test_a_log_that_goes_away_is_noticed_and_leaves_a_break(
    sink: JsonlSink, log: Path, act: Act, clock: FakeClock, how: str
) -> None:
    sink.append(act("1"))
    if how == "deleted":
        log.unlink()
    elif how == "renamed":
        log.rename(log.with_name("old"))
    else:
        (log.parent / "new").touch()
        (log.parent / "new").rename(log)
    clock.advance(1)
    with pytest.raises(AuditError, match="deleted or replaced"):
        sink.append(act("2"))
    sink.append(act("3"))
    said, kept = records(log)
    assert (said["act"], said["note"]) == ("tampering_detected", "the file was deleted or replaced after line 1")
    assert kept["note"] == "3"
    assert verify(log).chains[0].result == ChainBreak(1, Violation.MISPLACED)


@pytest.mark.parametrize("how", ["deleted", "emptied", "added to"])
def test_a_line_that_would_be_lost_in_the_same_instant_is_refused(
    sink: JsonlSink, log: Path, act: Act, how: str
) -> None:
    """The clock stands still, so that only the look after each line can find it."""
    sink.append(act("1"))
    if how == "deleted":
        log.unlink()
    elif how == "emptied":
        os.truncate(log, 0)
    else:
        with log.open("ab") as file:
            file.write(b"x\n")
    with pytest.raises(AuditError, match="find out which program did it"):
        sink.append(act("2"))


def test_a_log_that_is_emptied_under_its_writer_is_noticed_and_leaves_a_break(
    sink: JsonlSink, log: Path, act: Act, clock: FakeClock
) -> None:
    sink.append(act("1"))
    os.truncate(log, 0)
    clock.advance(1)
    with pytest.raises(AuditError, match="truncated"):
        sink.append(act("2"))
    sink.append(act("3"))
    assert verify(log).chains[0].result == ChainBreak(1, Violation.MISPLACED)


def test_a_log_that_is_cut_inside_a_line_is_noticed_and_leaves_a_break(
    sink: JsonlSink, log: Path, act: Act, clock: FakeClock
) -> None:
    for number in range(3):
        sink.append(act(f"{number}"))
    os.truncate(log, log.stat().st_size - 5)
    clock.set(clock.now() - 3)  # a clock that steps back looks too
    with pytest.raises(AuditError, match="truncated"):
        sink.append(act("3"))
    sink.append(act("4"))
    assert verify(log).chains[0].result == ChainBreak(3, Violation.MISPLACED)


def test_nothing_is_raised_where_nothing_happened(sink: JsonlSink, log: Path, act: Act, clock: FakeClock) -> None:
    for _ in range(3):
        sink.append(act("steady"))
        clock.advance(60)
    assert isinstance(verify_chain(lines(log)), IntactChain)


async def test_lines_are_made_durable_and_those_of_a_file_that_went_away_are_not(
    sink: JsonlSink, log: Path, act: Act, clock: FakeClock
) -> None:
    first = sink.append(act("1"))
    await sink.flush(first)
    second = sink.append(act("2"))
    log.unlink()  # noqa: ASYNC240 - nothing else runs on the test's loop
    clock.advance(1)
    with pytest.raises(AuditError, match="deleted"):
        sink.append(act("3"))
    await sink.flush(first)
    with pytest.raises(AuditError, match="durable"):
        await sink.flush(second)
    third = sink.append(act("4"))
    assert third == 4, "the line about the file that went away comes first"
    await sink.flush(third)
    with pytest.raises(AuditError, match="durable"):
        await sink.flush(second)


# --- the disk fails, by real means


def test_a_full_disk_refuses_the_record_and_the_chain_goes_on_after_it(sink: JsonlSink, log: Path, act: Act) -> None:
    sink.append(act("1"))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, sink._fd)
    try:
        with pytest.raises(AuditError, match="No space left"):
            sink.append(act("2"))
        stolen = sink._fd
        assert sink.append(act("3")) == 3
        os.fstat(stolen)  # a descriptor that is no longer ours is not closed by us
    finally:
        os.close(full)
        os.close(stolen)
    first, resumed, last = records(log)
    assert (first["note"], last["note"]) == ("1", "3")
    assert (resumed["act"], resumed["by"]) == ("writing_recovered", "audit")
    assert resumed["note"] == "1 records were not written since 2027-01-15T08:00:00Z: No space left on device"
    assert isinstance(verify_chain(lines(log)), IntactChain)


def test_a_descriptor_closed_under_the_sink_is_replaced(sink: JsonlSink, log: Path, act: Act) -> None:
    sink.append(act("1"))
    os.close(sink._fd)
    with pytest.raises(AuditError, match="Bad file descriptor"):
        sink.append(act("2"))
    sink.append(act("3"))
    assert [(record["act"], record["note"]) for record in records(log)] == [
        ("started", "1"),
        ("writing_recovered", "1 records were not written since 2027-01-15T08:00:00Z: Bad file descriptor"),
        ("started", "3"),
    ]
    assert isinstance(verify_chain(lines(log)), IntactChain)


def _close_watch(sink: JsonlSink) -> None:
    if sink._watch._fd >= 0:  # a system without a free inotify instance has no watch
        os.close(sink._watch._fd)


def test_a_program_that_closes_every_descriptor_costs_no_more_than_a_line(sink: JsonlSink, log: Path, act: Act) -> None:
    sink.append(act("1"))
    _close_watch(sink)
    sink.append(act("2"))
    os.close(sink._fd)
    with pytest.raises(AuditError, match="Bad file descriptor"):
        sink.append(act("3"))
    sink.append(act("4"))
    os.close(sink._fd)
    _close_watch(sink)
    with pytest.raises(AuditError, match="Bad file descriptor"):
        sink.append(act("5"))
    sink.append(act("6"))
    assert [record["note"] for record in records(log) if record["act"] == "started"] == ["1", "2", "4", "6"]
    assert isinstance(verify_chain(lines(log)), IntactChain)


def test_two_sinks_never_share_a_chain(new_sink: NewSink, log: Path, act: Act) -> None:
    first, second, third = new_sink(), new_sink(), new_sink()
    for sink in (first, second):
        sink.open()
    for number in range(20):
        first.append(act(f"{number}"))
        second.append(act(f"{number}"))
    assert (first.path, second.path) == (log, log.with_name("audit.1.jsonl"))
    first.close()
    third.open()
    third.append(act("20"))
    assert third.path == log
    assert [(chain.lines, chain.path) for chain in verify(log).chains] == [(21, log), (20, second.path)]
    assert verify(log).ok


@pytest.mark.parametrize(
    ("version", "words"), [(1, "written by an older version of authguard"), (3, "by a newer version")]
)
def test_a_log_of_another_version_is_not_continued(
    new_sink: NewSink, log: Path, act: Act, version: int, words: str
) -> None:
    line, _ = format_line(act("1"), 0, GENESIS)
    old = rehash([line], version)[0]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(old)
    with pytest.raises(AuditError, match=words):
        new_sink().open()
    assert log.read_bytes() == old
    log.rename(log.with_name(f"{log.name}.000000000000"))
    with pytest.raises(AuditError, match=words):
        new_sink().open()
