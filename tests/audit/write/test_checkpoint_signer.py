"""Tests of the signer by itself: what it signs, what it refuses, and the events that it leaves for the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file
from authguard.audit.write.checkpoint_signer import SigningError
from authguard.audit.write.events import LogAct, Part
from authguard.audit.write.retention import RetentionPolicy
from authguard.records.chain import ChainedLine, parse_line
from authguard.records.handover import is_opened
from authguard.records.signed_note import parse_checkpoint
from tests.audit.desk import Desk, numbers

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.write.checkpoint_signer import CheckpointSigner


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, RetentionPolicy())


def signer_of(desk: Desk) -> CheckpointSigner:
    assert desk.signer is not None
    return desk.signer


def sizes(desk: Desk) -> list[int]:
    """Return the number of lines that each checkpoint covers."""
    notes = checkpoint_file.read_notes(checkpoint_file.checkpoint_path(desk.log))
    return [one.size for note in notes if (one := parse_checkpoint(note)) is not None]


def acts(desk: Desk) -> list[LogAct]:
    return [one.record for one in signer_of(desk).events.list_unrecorded()]


def test_a_checkpoint_covers_the_lines_so_far_and_nothing_is_signed_twice_unasked(desk: Desk) -> None:
    sink = desk.open()
    assert not signer_of(desk).sign(), "a log without a line has no checkpoint"
    desk.write(sink, *numbers(0, 3))
    assert signer_of(desk).sign()
    assert not signer_of(desk).sign()
    desk.write(sink, "3")
    assert signer_of(desk).sign()
    desk.clock.advance(60)
    assert signer_of(desk).sign(again=True), "a newer time proves that no line was added"
    assert sizes(desk) == [4, 5, 5]
    sink.close()


def test_lines_that_do_not_lead_to_the_writer_s_last_line_are_not_signed(desk: Desk) -> None:
    sink = desk.open()
    desk.write(sink, "0")
    desk.work()
    desk.write(sink, "1")
    lines = desk.log.read_bytes()
    desk.log.write_bytes(lines.replace(b'"note":"1"', b'"note":"2"'))
    with pytest.raises(SigningError, match="changed or removed"):
        signer_of(desk).sign()
    desk.log.write_bytes(lines)
    assert signer_of(desk).sign()
    sink.close()


def test_a_failure_is_an_event_with_its_reason_and_so_is_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = desk.open()
    desk.write(sink, "0")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", str(desk.log))

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_file, "append_note", fail)
        assert not signer_of(desk).run_once()
    reason = "a checkpoint cannot be written: audit.jsonl: No space left on device"
    assert acts(desk) == [LogAct("signing_failed", reason)]
    assert signer_of(desk).events.find_failure(Part.SIGNING) == reason
    desk.write(sink, "1")
    assert acts(desk) == []
    signer_of(desk).run_once()
    assert acts(desk) == [LogAct("signing_recovered")]
    sink.close()
    assert desk.verify().ok


def test_a_turn_tells_whether_a_record_must_be_written_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path, RetentionPolicy(max_bytes=2_000, retention_s=1_000.0))
    sink = desk.open()
    desk.write(sink, *numbers(0, 20))
    assert not signer_of(desk).run_once()
    desk.clock.advance(5_000)
    assert signer_of(desk).run_once()
    assert [one.act for one in acts(desk)] == ["retired"]
    desk.write(sink, "20")
    assert acts(desk) == []
    sink.close()


def test_another_key_is_recorded_once_and_the_old_one_signs_the_first_line(desk: Desk) -> None:
    sink = desk.open()
    desk.write(sink, "0")
    sink.close()
    assert signer_of(desk).startup_record() is None
    old = desk.keys[0]
    desk.keys = (old, signing_key.generate_key(old.key.name))
    sink = desk.open()
    desk.write(sink, "1")
    found = [parse_line(line) for line in desk.log.read_bytes().splitlines(keepends=True)]
    notes = [one for one in found if isinstance(one, ChainedLine)]
    rotated = [one for one in notes if getattr(one.entry, "act", "") == "key.rotated"]
    assert len(rotated) == 1
    before = notes[rotated[0].seq - 1]
    assert is_opened(before, [old.key], signing_key.verify_signature)
    sink.close()
    assert signer_of(desk).startup_record() is None


def test_a_head_that_is_damaged_is_never_signed_over(desk: Desk) -> None:
    sink = desk.open()
    desk.write(sink, "0")
    sink.close()
    for path in desk.memory.glob("*.json"):
        path.write_text("{")
    sink = desk.open()
    desk.write(sink, "1")
    with pytest.raises(SigningError, match="damaged"):
        signer_of(desk).sign()
    sink.close()
    assert sizes(desk) == [3]
