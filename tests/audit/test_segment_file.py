"""A log in several files: chain and tree go on from one to the next, in whichever form they are, whoever dies when."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING

import pytest

from authguard.audit import segment_file
from authguard.audit.query.index import open_index
from authguard.audit.query.search import Query, find, find_by_id
from authguard.audit.verify.log_reader import LogReader, find_records
from authguard.audit.write import retention
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from tests.audit.desk import Desk, filled, numbers, told

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_chain_goes_on_over_segments_that_are_compressed_once_they_are_signed(desk: Desk) -> None:
    filled(desk)
    packed = [name for name in desk.names() if name.endswith(".gz")]
    assert len(packed) >= 4
    found = desk.verify()
    assert found.ok, found
    chain = found.chains[0]
    assert chain.segments >= len(packed)
    assert chain.lines == chain.ranges.signed == 62 + chain.segments  # each new file, and each writer, says so
    assert [int(name.split(".")[2]) for name in packed] == [
        piece.base for piece in segment_file.list_closed(desk.log) if piece.form
    ]


def test_what_is_compressed_is_plain_gzip_of_the_very_lines(desk: Desk) -> None:
    desk.retention = RetentionPolicy(max_bytes=2_000)
    sink = desk.open()
    desk.write(sink, *numbers(0, 12))
    plain = {piece.base: piece.path.read_bytes() for piece in segment_file.list_closed(desk.log)}
    assert plain
    desk.work()
    sink.close()
    for base, raw in plain.items():
        assert gzip.decompress(segment_file.segment_path(desk.log, base, ".gz").read_bytes()) == raw
        assert not segment_file.segment_path(desk.log, base).exists()


def test_every_question_is_answered_over_all_segments(desk: Desk) -> None:
    filled(desk)
    assert told(desk) == numbers(0, 60)
    assert [one["note"] for one in find_records(desk.log, "r3")] == ["3"]
    shown = [json.loads(line)["note"] for line in LogReader(desk.log).read_last(200)]
    assert [note for note in shown if note.isdigit()] == numbers(0, 60)
    assert [json.loads(line)["note"] for line in LogReader(desk.log).read_last(3)][-1] == shown[-1]


def test_an_index_follows_lines_into_closed_and_compressed_files(desk: Desk) -> None:
    sink = desk.open()
    seen = []
    for begin in range(0, 60, 5):
        desk.write(sink, *numbers(begin, begin + 5))
        with open_index(desk.log) as index:
            assert index.rebuild_reason == ""
            seen.append([one.record["note"] for one in find_by_id(index, f"r{begin}")])
            assert [one.record["note"] for one in find_by_id(index, "r0")] == ["0"]
        desk.work()
    sink.close()
    assert seen == [[str(begin)] for begin in range(0, 60, 5)]
    assert told(desk) == numbers(0, 60)


def test_who_follows_a_log_loses_no_line_where_a_file_is_closed(desk: Desk) -> None:
    sink = desk.open()
    reader = LogReader(desk.log)
    desk.write(sink, "0")
    lines = reader.read_last(10)
    for begin in range(1, 61, 3):
        desk.write(sink, *numbers(begin, begin + 3))
        if begin % 2:
            desk.work()
        lines += reader.read_new()
    sink.close()
    notes = [json.loads(line)["note"] for line in lines]
    assert [note for note in notes if note.isdigit()] == numbers(0, 61)
    assert len(notes) == len({json.loads(line)["seq"] for line in lines})


def test_a_file_is_closed_when_its_time_has_come_too(desk: Desk) -> None:
    desk.retention = RetentionPolicy(max_age_s=60.0)
    sink = desk.open()
    desk.write(sink, "0")
    desk.clock.advance(57)
    desk.write(sink, "1")
    assert len(segment_file.list_segments(desk.log)) == 1
    desk.clock.advance(1)
    desk.write(sink, "2")
    assert [piece.base for piece in segment_file.list_segments(desk.log)] == [0, 3]
    sink.close()
    assert desk.verify().ok


def test_the_next_process_goes_on_in_the_file_that_is_written(desk: Desk) -> None:
    filled(desk, 30)
    before = desk.verify().chains[0].lines
    sink = desk.open()
    desk.write(sink, "30")
    sink.close()
    found = desk.verify()
    assert found.ok, found
    assert found.chains[0].lines == found.chains[0].ranges.signed > before


@pytest.mark.parametrize("stage", ["linked", "begun"])
def test_a_writer_that_dies_while_it_closes_a_file_leaves_a_whole_chain(desk: Desk, stage: str) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, 5))
    desk.work()
    if stage == "linked":  # the file has its second name, and the new one is not in its place yet
        os.link(desk.log, segment_file.segment_path(desk.log, 0))
        (desk.folder / ".audit.jsonl.next").touch()
    sink.close()
    if stage == "begun":  # the new one is there, and nothing was written to it
        desk.log.rename(segment_file.segment_path(desk.log, 0))
        desk.log.touch()
    assert desk.verify().ok
    sink = desk.open()
    desk.write(sink, *numbers(5, 30))
    desk.work()
    sink.close()
    found = desk.verify()
    assert found.ok, found
    assert told(desk) == numbers(0, 30)


def test_a_segment_that_is_there_twice_after_a_crash_is_read_once(desk: Desk) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, 20))
    plain = segment_file.list_closed(desk.log)[0]
    raw = plain.path.read_bytes()
    desk.work()
    plain.path.write_bytes(raw)  # the writer died before it took the plain file away
    sink.close()
    assert desk.verify().ok
    assert told(desk) == numbers(0, 20)
    sink = desk.open()
    desk.work()
    assert not plain.path.exists()
    sink.close()


def test_a_folder_in_which_nothing_new_can_be_made_stops_no_record(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, 5))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        desk.write(sink, *numbers(5, 20))
    assert len(segment_file.list_segments(desk.log)) == 1
    desk.write(sink, *numbers(20, 25))
    assert len(segment_file.list_segments(desk.log)) == 2
    sink.close()
    raw = segment_file.list_closed(desk.log)[0].path.read_bytes()
    assert raw.count(b'"act":"rotation_failed"') == 1
    assert b"a new file could not be created: No space left on device" in raw
    assert desk.verify().ok


def test_a_disk_that_has_no_room_to_compress_keeps_the_lines_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, 20))
    assert desk.signer is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(retention, "compress", full)
        desk.signer._try_sign()
        desk.signer._maintain()
    desk.write(sink, "20")
    desk.work()
    desk.write(sink, "21")
    sink.close()
    assert told(desk) == numbers(0, 22)
    with open_index(desk.log) as index:
        acts = [one.record["act"] for one in find(index, Query(kinds=("act",)), newest=False)]
    assert [act for act in acts if "retention" in act] == ["retention_failed", "retention_recovered"]
    assert not [name for name in desk.names() if name.startswith(".") and name != ".gitignore"]


async def test_what_was_written_before_a_file_was_closed_is_made_durable_with_the_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    sink = desk.open()
    desk.write(sink, *numbers(0, 12))
    closed = {piece.path.stat().st_ino for piece in segment_file.list_closed(desk.log)}
    assert closed

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    desk.write(sink, "last")
    await sink.flush(sink._position)
    assert closed | {desk.log.stat().st_ino, desk.folder.stat().st_ino} <= set(synced)
    synced.clear()
    desk.write(sink, "next")
    await sink.flush(sink._position)
    assert not closed & set(synced), "once is enough"
    sink.close()


def test_a_segment_that_goes_away_before_it_is_durable_fails_who_wait_for_it_and_nobody_later(desk: Desk) -> None:
    import anyio  # noqa: PLC0415 - one test

    sink = desk.open()
    desk.write(sink, *numbers(0, 12))
    segment_file.list_closed(desk.log)[0].path.unlink()
    with pytest.raises(AuditError, match="durable"):
        anyio.run(sink.flush, sink._position)
    desk.write(sink, "after")
    anyio.run(sink.flush, sink._position)
    sink.close()


@pytest.mark.parametrize("kept", [700, 0])
def test_a_power_cut_that_tears_the_file_that_was_just_closed_is_repaired(desk: Desk, kept: int) -> None:
    sink = desk.open()
    desk.write(sink, *numbers(0, 4))
    desk.work()
    lines = desk.log.read_bytes().splitlines(keepends=True)
    remembered = {path: path.read_bytes() for path in (*desk.memory.iterdir(), desk.folder / "audit.checkpoints")}
    sink.close()
    for path, content in remembered.items():
        path.write_bytes(content)
    # nothing of the new file had come to the disk, and not all of the one before
    closed = segment_file.segment_path(desk.log, 0)
    closed.write_bytes(b"".join(lines) if kept else b"")
    desk.log.write_bytes(b"")
    if kept:
        with closed.open("ab") as file:
            file.write(lines[-1][:40])
    else:
        for path in desk.memory.iterdir():
            path.unlink()
        (desk.folder / "audit.checkpoints").unlink()
    sink = desk.open()
    desk.write(sink, "4")
    desk.work()
    sink.close()
    found = desk.verify()
    assert found.ok, found
    assert found.repairs == bool(kept)
    assert told(desk) == (numbers(0, 5) if kept else ["4"])
