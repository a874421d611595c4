"""Tests of the notes about a change of writer: who signs, what is an anomaly, and what a person accepts."""

from __future__ import annotations

import pytest

from authguard import signing_key
from authguard.records.chain import GENESIS, ChainedLine, format_line, parse_line
from authguard.records.entries import ActEntry, RefusalEntry
from authguard.records.handover import (
    ACCEPTED,
    ADOPTED,
    AUDIT_ACTOR,
    CLOSED,
    FOREIGN,
    OPENED,
    RECOVERED,
    format_accepted_note,
    format_foreign_note,
    format_opened_note,
    format_recovered_note,
    is_closed,
    is_opened,
    parse_accepted_note,
    parse_anomaly,
)

KEY = signing_key.generate_key("desk")
OTHER = signing_key.generate_key("desk")
PREV = "0f" * 32


def line_of(act: str, note: str = "", *, by: str = AUDIT_ACTOR, prev: str = PREV, at: float = 2.5) -> ChainedLine:
    entry = ActEntry(id="r1", at=at, policy="ab", act=act, by=by, note=note)
    found = parse_line(format_line(entry, 10, prev)[0])
    assert isinstance(found, ChainedLine)
    return found


def test_only_a_writer_with_the_key_begins_after_a_line() -> None:
    note = format_opened_note(KEY.key, KEY.sign, PREV, "r1", 2.5)
    assert is_opened(line_of(OPENED, note), [OTHER.key, KEY.key], signing_key.verify_signature)
    assert not is_opened(line_of(OPENED, note), [OTHER.key], signing_key.verify_signature)
    assert is_opened(line_of(OPENED, note), None), "without keys the form alone counts"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"prev": GENESIS}, id="after another line"),
        pytest.param({"at": 3.5}, id="at another time"),
        pytest.param({"by": "dana"}, id="by a person"),
    ],
)
def test_a_first_line_cannot_be_moved(line: dict[str, object]) -> None:
    note = format_opened_note(KEY.key, KEY.sign, PREV, "r1", 2.5)
    assert not is_opened(line_of(OPENED, note, **line), [KEY.key], signing_key.verify_signature)  # type: ignore[arg-type]  # one of the arguments


def test_a_note_of_another_form_is_no_first_line() -> None:
    for note in ("", "after x", f"after {PREV}, 00000000 ===", f"after {PREV}, 00000000 ++++"):
        assert not is_opened(line_of(OPENED, note), [KEY.key], signing_key.verify_signature)


def test_the_last_line_is_the_log_s_own() -> None:
    assert is_closed(line_of(CLOSED))
    assert not is_closed(line_of(CLOSED, by="dana"))
    assert not is_closed(line_of(OPENED))


def test_recovered_lines_are_severe_past_the_limits_of_a_checkpoint() -> None:
    found = parse_anomaly(line_of(RECOVERED, format_recovered_note(3, 7, 9.0, 5, 10.0)), "audit.jsonl")
    assert found is not None
    assert (found.place, found.first, found.last, found.severe) == ("audit.jsonl:3-7", 3, 7, False)
    for note in (format_recovered_note(3, 8, 9.0, 5, 10.0), format_recovered_note(3, 7, 12.0, 5, 10.0)):
        more = parse_anomaly(line_of(RECOVERED, note), "audit.jsonl")
        assert more is not None
        assert more.severe


def test_foreign_and_adopted_lines_are_anomalies_and_name_their_place() -> None:
    foreign = parse_anomaly(line_of(FOREIGN, format_foreign_note(80, 9, "audit.jsonl.aside.1", "0f" * 32)), "x")
    adopted = parse_anomaly(line_of(ADOPTED), "audit.jsonl")
    assert foreign is not None
    assert adopted is not None
    assert (foreign.place, foreign.severe) == ("audit.jsonl.aside.1", True)
    assert (adopted.place, adopted.last, adopted.severe) == ("audit.jsonl:1-10", 10, True)


def test_what_a_person_writes_is_no_anomaly() -> None:
    note = format_foreign_note(80, 9, "audit.jsonl.aside.1", "0f" * 32)
    assert parse_anomaly(line_of(FOREIGN, note, by="dana"), "x") is None
    assert parse_anomaly(line_of(FOREIGN, "80 bytes in ../x"), "x") is None
    refusal = RefusalEntry(id="a", at=1.0, policy="ab", reason="malformed", status=400)
    line = parse_line(format_line(refusal, 0, GENESIS)[0])
    assert isinstance(line, ChainedLine)
    assert parse_anomaly(line, "x") is None


def test_a_person_accepts_an_anomaly_and_the_log_itself_does_not() -> None:
    anomaly = parse_anomaly(line_of(ADOPTED), "audit.jsonl")
    assert anomaly is not None
    note = format_accepted_note(anomaly, "the pilot was not signed")
    assert parse_accepted_note(line_of(ACCEPTED, note, by="dana").entry) == "r1"
    for by, text in (("", note), (AUDIT_ACTOR, note), ("dana", "r1 without a reason")):
        assert not parse_accepted_note(line_of(ACCEPTED, text, by=by).entry)
