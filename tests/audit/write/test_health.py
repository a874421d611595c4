"""Tests of what the writer of a log noticed: reported once it is recorded, and repeated until then."""

from __future__ import annotations

import pytest

from authguard.audit.write.events import LogAct
from authguard.audit.write.health import LogHealth, describe_tampering
from authguard.errors import AuditError


def failure(cause: Exception | None) -> AuditError:
    error = AuditError("the log cannot be written")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("found", "words"), [(-1, "deleted or replaced"), (9, "truncated"), (11, "written to by another program")]
)
def test_a_change_of_the_file_is_described(found: int, words: str) -> None:
    assert describe_tampering(found, 10) == words


def test_unwritten_records_are_counted_since_the_first_with_its_reason() -> None:
    health = LogHealth()
    health.add_failure(60.0, failure(OSError(28, "No space left on device")))
    health.add_failure(61.0, failure(OSError(5, "Input/output error")))
    health.add_failure(62.0, failure(None))
    assert list(health.list_records("")) == [
        LogAct("writing_recovered", "2 records were not written since 1970-01-01T00:01:00Z: No space left on device")
    ]
    assert list(health.list_records("")) == []


def test_a_report_that_was_not_written_is_repeated() -> None:
    health = LogHealth()
    health.set_tampering("the file was truncated after line 7")
    records = health.list_records("")
    assert next(records) == LogAct("tampering_detected", "the file was truncated after line 7")
    records.close()  # its record could not be written
    assert [one.act for one in health.list_records("")] == ["tampering_detected"]
    assert list(health.list_records("")) == []


def test_a_shortage_of_space_is_reported_once_and_so_is_its_end() -> None:
    health = LogHealth()
    assert list(health.list_records("9 MiB are free")) == [LogAct("space_low", "9 MiB are free")]
    assert list(health.list_records("9 MiB are free")) == []
    assert list(health.list_records("")) == [LogAct("space_recovered")]


def test_another_chain_forgets_what_concerned_the_last_one_but_not_unwritten_records() -> None:
    health = LogHealth()
    list(health.list_records("9 MiB are free"))
    health.set_tampering("the file was truncated after line 7")
    health.add_failure(60.0, failure(OSError(28, "No space left on device")))
    health.reset()
    assert [one.act for one in health.list_records("9 MiB are free")] == ["space_low", "writing_recovered"]
