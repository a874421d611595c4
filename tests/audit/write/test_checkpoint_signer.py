"""Tests of the signer by itself: what it signs, what it refuses, and the events that it leaves for the writer."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.write import leaf_buffer
from authguard.audit.write.checkpoint_signer import CheckpointSigner, SigningError
from authguard.audit.write.events import LogAct, Part
from authguard.audit.write.jsonl import JsonlSink
from authguard.audit.write.retention import RetentionPolicy
from authguard.records.chain import ChainedLine, parse_line
from authguard.records.handover import is_opened
from authguard.records.signed_note import parse_checkpoint
from tests.audit.desk import Desk, numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.audit.segment_file import Segment


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


def test_a_thread_signs_what_is_written_meanwhile_over_many_files(tmp_path: Path) -> None:
    desk = Desk(tmp_path, RetentionPolicy(max_bytes=100_000))

    def make_signer(path: Path, fd: int, head: Callable[[], str]) -> CheckpointSigner:
        return CheckpointSigner(
            path,
            fd,
            head,
            signers=[(one.key, one.sign) for one in desk.keys],
            check=signing_key.verify_signature,
            memory=desk.memory,
            clock=desk.clock,
            every=40,
        )

    sink = JsonlSink(
        desk.log, clock=desk.clock, ids=desk.ids, policy="ab", make_signer=make_signer, retention=desk.retention
    )
    sink.open()
    desk.write(sink, *numbers(0, 3_000))
    sink.close()
    found = desk.verify()
    assert found.ok
    assert found.chains[0].ranges.signed == found.chains[0].lines > 3_000
    assert len(sizes(desk)) > 2
    assert len(desk.names()) > 5
    assert b"_failed" not in b"".join(path.read_bytes() for path in desk.folder.glob("*.jsonl*"))


def test_more_lines_than_wait_for_the_signer_are_read_from_the_disk(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaf_buffer, "MAX_SLICES", 2)
    sink = desk.open()
    desk.write(sink, *numbers(0, 1_500))
    desk.work()
    desk.write(sink, *numbers(1_500, 2_000))
    desk.work()
    sink.close()
    assert desk.verify().ok
    assert sizes(desk)[:2] == [1_501, 2_001]


def test_a_file_that_is_rotated_while_it_is_opened_is_no_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.retention = RetentionPolicy(max_bytes=1_000)
    sink = desk.open()
    desk.write(sink, "0", "1")
    listed = segment_file.list_segments
    rotations = iter(numbers(2, 20))

    def list_then_rotate(chain: Path) -> tuple[Segment, ...]:
        found = listed(chain)
        if note := next(rotations, ""):
            desk.write(sink, note)
        return found

    monkeypatch.setattr(segment_file, "list_segments", list_then_rotate)
    for _ in range(20):
        signer_of(desk)._try_sign()
        assert not signer_of(desk).events.find_failure(Part.SIGNING)
    sink.close()
    assert desk.verify().ok
    assert sum(".jsonl" in name for name in desk.names()) > 2


@pytest.mark.parametrize("every", [1, 7, 1_000])
def test_the_leaves_that_the_writer_hands_over_are_those_of_the_files(tmp_path: Path, every: int) -> None:
    chance = random.Random(every)  # noqa: S311 - a seed, so that a failure repeats
    desk = Desk(tmp_path, RetentionPolicy(max_bytes=30_000))
    desk.every = every
    sink, first = desk.open(), 0
    for _ in range(40):
        count = chance.choice((0, 1, 2, 40, 300))
        desk.write(sink, *numbers(first, first + count))
        first += count
        if chance.random() < 0.1:
            sink.close()
            sink = desk.open()
        elif chance.random() < 0.6:
            desk.work()
    sink.close()
    assert desk.verify().ok
    assert len(sizes(desk)) > 10


FORK = """
import os, sys
from pathlib import Path
from tests.audit.desk import Desk, numbers
from authguard.audit.write.retention import RetentionPolicy

desk = Desk(Path(sys.argv[1]), RetentionPolicy())
sink = desk.open()
desk.write(sink, *numbers(0, 700))
child = os.fork()
desk.write(sink, *numbers(700, 1400))
if child:
    assert os.waitpid(child, 0)[1] == 0
desk.work()
sink.close()
if child:
    found = desk.verify()
    assert found.ok, found
    assert [(one.lines, one.ranges.signed) for one in found.chains] == [(1402, 1402), (702, 702)], found.chains
"""


def test_a_fork_hands_no_leaf_of_one_chain_to_the_other(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
