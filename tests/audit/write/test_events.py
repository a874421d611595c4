"""Tests of the events that the writer of a log records."""

from __future__ import annotations

from authguard.audit.write.events import EventBox, LogAct, Part, PartFailed, PartWorks, RemovalRequested


def acts(box: EventBox) -> list[LogAct]:
    return [one.record for one in box.list_unrecorded()]


def record_all(box: EventBox, lines: int = 1) -> None:
    for event in box.list_unrecorded():
        box.confirm(event, lines)


def test_a_failure_is_recorded_once_and_so_is_its_end() -> None:
    box = EventBox()
    box.put(PartWorks(Part.SIGNING))
    assert acts(box) == []
    for _ in range(3):
        box.put(PartFailed(Part.SIGNING, "the disk is full"))
    assert acts(box) == [LogAct("signing_failed", "the disk is full")]
    record_all(box)
    box.put(PartFailed(Part.SIGNING, "the disk is full"))
    assert acts(box) == []
    box.put(PartFailed(Part.SIGNING, "the head is damaged"))
    assert acts(box) == [LogAct("signing_failed", "the head is damaged")]
    record_all(box)
    box.put(PartWorks(Part.SIGNING))
    assert acts(box) == [LogAct("signing_recovered")]


def test_what_is_not_recorded_is_listed_again() -> None:
    box = EventBox()
    box.put(PartFailed(Part.ANCHORING, "a: gone"))
    assert acts(box) == acts(box) == [LogAct("anchoring_failed", "a: gone")]


def test_a_state_that_changed_while_it_was_recorded_is_recorded_after_it() -> None:
    box = EventBox()
    box.put(PartFailed(Part.RETENTION, "x"))
    (event,) = box.list_unrecorded()
    box.put(PartWorks(Part.RETENTION))
    box.confirm(event, 1)
    assert acts(box) == [LogAct("retention_recovered")]


def test_a_request_waits_for_its_record_and_learns_the_length_of_the_chain() -> None:
    box, confirmed = EventBox(), list[int]()
    box.put(RemovalRequested(LogAct("retired", "lines 1 to 9"), confirmed.append))
    box.put(PartFailed(Part.SIGNING, "x"))
    assert acts(box) == [LogAct("signing_failed", "x"), LogAct("retired", "lines 1 to 9")]
    assert box.has_requests()
    record_all(box, 12)
    assert (confirmed, box.has_requests(), acts(box)) == ([12], False, [])


def test_the_first_failure_of_some_parts_is_found() -> None:
    box = EventBox()
    box.put(PartFailed(Part.RETENTION, "kept"))
    box.put(PartFailed(Part.SIGNING, "signed"))
    assert box.find_failure(*Part) == "signed"
    assert box.find_failure(Part.RETENTION) == "kept"
    assert not box.find_failure(Part.ANCHORING)
