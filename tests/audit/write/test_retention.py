"""Tests of retention by itself: what it compresses, what it asks for, and what it removes after which confirmation."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from authguard.audit import segment_file
from authguard.audit.write.retention import RetentionPolicy, SegmentRetention
from authguard.records.tombstone import RETIRED
from tests.audit.desk import Desk, numbers

if TYPE_CHECKING:
    from pathlib import Path

#: more lines than any chain here has: all are signed
ALL = 10_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a deployment with some closed segments of which nothing is compressed yet."""
    made = Desk(tmp_path, RetentionPolicy(max_bytes=2_000))
    sink = made.open()
    made.write(sink, *numbers(0, 30))
    sink.close()
    return made


def forms(desk: Desk) -> list[str]:
    """Return the forms of the closed segments, the oldest first."""
    return [one.form for one in segment_file.list_closed(desk.log)]


@pytest.mark.parametrize(
    ("policy", "size", "age", "due"),
    [
        (RetentionPolicy(), 10**9, 10**9, False),
        (RetentionPolicy(max_bytes=100), 100, 0, True),
        (RetentionPolicy(max_bytes=100), 99, inf, True),
        (RetentionPolicy(max_bytes=100), 99, 10**9, False),
        (RetentionPolicy(max_age_s=60), 1, 60, True),
        (RetentionPolicy(max_age_s=60, retention_s=30), 1, 30, True),
        (RetentionPolicy(max_age_s=60, retention_s=30), 1, 29, False),
    ],
)
def test_a_file_is_rotated_by_its_size_and_its_age(
    policy: RetentionPolicy, size: int, age: float, *, due: bool
) -> None:
    assert policy.is_due(size, age) is due


def test_only_signed_segments_are_compressed(desk: Desk) -> None:
    retention = SegmentRetention(desk.log, RetentionPolicy(), desk.clock.now)
    assert set(forms(desk)) == {""}
    bases = [one.base for one in segment_file.list_closed(desk.log)]
    assert retention.run(bases[1]) is None
    assert forms(desk) == [".gz", *[""] * (len(bases) - 1)]
    assert retention.run(ALL) is None
    assert set(forms(desk)) == {".gz"}


def test_nothing_is_asked_for_before_the_newest_line_expired(desk: Desk) -> None:
    retention = SegmentRetention(desk.log, RetentionPolicy(retention_s=1_000.0), desk.clock.now)
    assert retention.run(ALL) is None
    desk.clock.advance(5_000)
    assert retention.run(0) is None, "lines that no checkpoint covers stay"
    assert retention.run(ALL) is not None


def test_the_oldest_segment_goes_after_its_record_is_written_and_signed(desk: Desk) -> None:
    retention = SegmentRetention(desk.log, RetentionPolicy(retention_s=1_000.0), desk.clock.now)
    desk.clock.advance(5_000)
    request = retention.run(ALL)
    assert request is not None
    assert request.record.act == RETIRED
    assert retention.run(ALL) is None, "one at a time"
    assert ".tombstone" not in forms(desk)
    request.confirm(40)
    assert retention.run(39) is None, "the record is not signed yet"
    assert ".tombstone" not in forms(desk)
    following = retention.run(40)
    assert forms(desk)[:2] == [".tombstone", ".gz"]
    assert following is not None, "the next segment follows"
    assert following.record != request.record


def test_an_error_leaves_the_lines_and_no_half_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    retention = SegmentRetention(desk.log, RetentionPolicy(), desk.clock.now)
    names = desk.names()
    with monkeypatch.context() as patched:
        patched.setattr("authguard.audit.write.retention.compress", fail)
        with pytest.raises(OSError, match="No space"):
            retention.run(ALL)
    assert desk.names() == names
    retention.run(ALL)
    assert set(forms(desk)) == {".gz"}
