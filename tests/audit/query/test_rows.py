"""Tests of templates and rows: what lines share, and what a forged line cannot claim."""

from __future__ import annotations

import pytest

from authguard.audit.query.rows import RecordTemplate, is_line_of, parse_rows, parse_template
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry, RefusalEntry, TransitionEntry, WithdrawalEntry


def line_of(entry: object) -> bytes:
    return format_line(entry, 0, GENESIS)[0]  # type: ignore[arg-type]  # one of the kinds


MOVED = line_of(
    TransitionEntry(
        id="a", at=2.5, policy="ab", machine="session", event="revoked", source="active", dest="revoked",
        cause="operator", session="0f",
    )
)  # fmt: skip


def template_of(line: bytes) -> RecordTemplate:
    row = parse_rows(line, [line])[0]
    assert row is not None
    template = parse_template(row[0])
    assert template is not None
    return template


def test_a_template_has_an_attribute_for_each_shared_field_and_no_other() -> None:
    template = template_of(MOVED)
    assert (template.kind, template.machine, template.dest, template.cause) == (
        *("transition", "session", "revoked", "operator"),
    )
    assert (template.outcome, template.cell, template.events, template.states(), template.requests) == (
        *("", (), (), {}, 1),
    )
    with pytest.raises(AttributeError, match="`outcom`"):
        _ = template.outcom


def test_the_closing_record_of_a_window_counts_its_further_requests_and_belongs_to_it() -> None:
    line = line_of(RefusalEntry(id="b", at=1.0, policy="ab", reason="malformed", status=400, window="a", count=41))
    row = parse_rows(line, [line])[0]
    assert row is not None
    assert row[1][-1] == "a"
    assert template_of(line).requests == 40
    alone = line_of(RefusalEntry(id="a", at=1.0, policy="ab", reason="malformed", status=400, most=100))
    assert template_of(alone).requests == 1


def test_a_withdrawal_names_the_void_records_and_other_kinds_name_none() -> None:
    withdrawal = line_of(WithdrawalEntry(id="c", at=1.0, policy="ab", records=("a", "b")))
    forged = line_of(ActEntry(id="d", at=1.0, policy="ab", act="x")).replace(b'"act":"x"', b'"act":"x","records":["a"]')
    rows = parse_rows(withdrawal + forged, [withdrawal, forged])
    assert [row and row[2] for row in rows] == [("a", "b"), ()]


def test_one_bad_line_leaves_the_others_records() -> None:
    assert [row is not None for row in parse_rows(b"\n" + MOVED + b"{}\n", [b"\n", MOVED, b"{}\n"])] == [
        *(False, True, False),
    ]


def test_a_line_is_compared_with_all_that_the_index_says() -> None:
    template = template_of(MOVED)
    assert is_line_of(MOVED, template, 2.5, frozenset())
    assert is_line_of(MOVED, template, 2.5, frozenset({"0f"}))
    assert not is_line_of(MOVED, template, 2.5, frozenset({"0e", "a"}))
    assert not is_line_of(MOVED, template, 3.5, frozenset())
    assert not is_line_of(MOVED.replace(b"operator", b"timer"), template, 2.5, frozenset())
    assert not is_line_of(b"{}\n", template, 2.5, frozenset())
