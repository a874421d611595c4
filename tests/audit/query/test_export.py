"""The formats of exported records: for every line, forged ones too, the fast way and the plain way agree."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authguard.audit.query.export import COLUMNS, format_csv, format_json, format_jsonl, format_utc, to_dict
from authguard.audit.query.rows import RecordTemplate
from authguard.audit.query.search import Match
from authguard.records.chain import GENESIS, format_line, has_stated_hash
from tests.audit.logs import AT, acted, decided, faulted, moved, refused, withdrawn
from tests.support.hypothesis_profile import examples

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
ENTRIES = (
    acted("a", 0, "rollback.engaged", by="=HYPERLINK(1)", note='@SUM(1),"x"\n\u202e'),
    decided("b", 1, "deny"),
    moved("c", 2, "session.idled: active -> idle"),
    refused("d", 3),
    faulted("e", 4),
    withdrawn("f", 5, "b", "c"),
)


def match(line: bytes, *, void: bool = False) -> Match:
    return Match(AT, RecordTemplate("decision"), void, line, has_stated_hash(line))


def lines() -> list[bytes]:
    made, head = [], GENESIS
    for seq, entry in enumerate(ENTRIES):
        line, head = format_line(entry, seq, head)
        made.append(line)
    return made


def plain_cell(value: object) -> str:
    """Return a cell by the rules of the format, character by character."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else text
    mark = "'" if text.startswith(FORMULAS) else ""
    return mark + "".join(char if char.isprintable() else " " for char in text)


def plain_row(one: Match) -> list[str]:
    record = one.record
    values = {**record, "time": format_utc(record.get("at")), "void": "void" if one.void else ""}
    values["intact"] = "yes" if one.intact else "no"
    return [plain_cell(values.get(name, "")) for name in COLUMNS]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


texts = st.text(max_size=6) | st.sampled_from([*FORMULAS, "=1", " =1", "-1", 'a"b', "a,b", "a\r\nb", "\x7f", "'=x"])
values = texts | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans()
members = st.dictionaries(
    st.sampled_from([*COLUMNS, "v"]), values | st.lists(values, max_size=3) | st.dictionaries(texts, texts)
)
layouts = st.sampled_from(((",", ":"), (", ", ": "), (" ,\t", "\t: ")))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(members, layouts, st.booleans(), st.booleans()), max_size=4))
def test_a_cell_of_any_line_is_what_the_rules_of_the_format_say(
    written: list[tuple[dict[str, Any], tuple[str, str], bool, bool]],
) -> None:
    found = [
        match(json.dumps(one, separators=layout, ensure_ascii=ascii_only).encode(errors="replace") + b"\n", void=void)
        for one, layout, ascii_only, void in written
    ]
    assert read("".join(format_csv(found))) == [list(COLUMNS), *map(plain_row, found)]


def test_every_kind_of_record_keeps_its_values_in_csv() -> None:
    found = list(map(match, lines()))
    rows = read("".join(format_csv(found)))[1:]
    assert rows == list(map(plain_row, found))
    assert [row[COLUMNS.index("intact")] for row in rows] == ["yes"] * len(ENTRIES)
    assert rows[5][COLUMNS.index("records")] == "b c"
    assert rows[0][COLUMNS.index("note")].startswith("'@SUM")


def test_a_long_export_has_each_record_once() -> None:
    line = lines()[1]
    rows = read("".join(format_csv(match(line) for _ in range(1_100))))
    assert len(rows) == 1_101


def test_no_record_is_a_header_and_an_empty_array() -> None:
    assert read("".join(format_csv([]))) == [list(COLUMNS)]
    assert "".join(format_json([])) == "[]\n"
    assert "".join(format_jsonl([])) == ""


@pytest.mark.parametrize("void", [False, True])
def test_the_members_of_json_are_those_of_the_record_and_three_that_every_record_has(*, void: bool) -> None:
    for line in lines():
        one = match(line, void=void)
        assert set(to_dict(one)) == set(json.loads(line)) | {"at", "void", "intact"}
        assert to_dict(one)["void"] is void
        assert to_dict(one)["intact"] is True


def test_the_members_of_a_decision_in_json_stay_the_same() -> None:
    assert set(to_dict(match(lines()[1]))) == {
        *("kind", "id", "at", "policy", "operation", "cell", "rule", "outcome", "fallback", "events"),
        *("subject", "session", "v", "seq", "prev", "hash", "void", "intact"),
    }


def test_times_in_json_are_iso_8601_utc_with_milliseconds() -> None:
    assert to_dict(match(lines()[1]))["at"] == "2027-01-15T08:00:01.000Z"
    forged = match(b'{"kind":"decision","at":"<b>soon","void":false,"intact":true}\n', void=True)
    assert to_dict(forged) == {"kind": "decision", "at": "(no time)", "void": True, "intact": False}
    assert to_dict(match(b"not a record\n")) == {"at": "2027-01-15T08:00:00.000Z", "void": False, "intact": False}


def test_json_is_ascii_so_that_no_text_can_act_on_a_terminal() -> None:
    text = "".join(format_jsonl(map(match, lines())))
    assert text.isascii()
    assert "\\u202e" in text
    assert [json.loads(line) for line in text.splitlines()] == json.loads("".join(format_json(map(match, lines()))))
