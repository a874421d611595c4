"""Tests of the lists of fields: a field is declared once, and the schema, the index and exports follow."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from authguard.audit.query import index_schema
from authguard.audit.query.export import COLUMNS as CSV_COLUMNS
from authguard.audit.query.rows import parse_rows, parse_template
from authguard.cli.terminal import format_record_line
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import Entry
from authguard.records.fields import COLUMNS, FIELDS, KINDS, NAMES, SHARED, Field, kinds_with
from authguard.records.record_schema import record_schema


def value_of(field: Field) -> Any:
    if field.is_list:
        return (f"{field.name}-a", f"{field.name}-b")
    if field.type is str:
        return f"{field.name}-x"
    return {float: 12.5, int: 7}.get(field.type, {"shop": "x"})


def full_line(kind: str) -> tuple[dict[str, Any], bytes]:
    """Return the values of all fields of a kind, and the line."""
    values = {one.name: value_of(one) for one in KINDS[kind]}
    made = next(one for one in Entry.__args__ if one.__struct_config__.tag == kind)
    return values, format_line(made(**values), 0, GENESIS)[0]


def test_a_name_is_indexed_alike_and_has_one_type_in_every_kind() -> None:
    for name in NAMES:
        declared = {(one.indexed, str(one.type)) for one in FIELDS if one.name == name}
        assert len(declared) == 1, name
    assert not set(COLUMNS) & set(SHARED)


def test_the_schema_has_the_fields_of_each_kind() -> None:
    schema = record_schema()["$defs"]
    for kind, fields in KINDS.items():
        assert list(schema[kind]["properties"])[1:-4] == [one.name for one in fields]
        assert set(schema[kind]["required"]) >= {one.name for one in fields if one.required}


@pytest.mark.parametrize("kind", KINDS)
def test_the_index_stores_what_the_class_declares(kind: str) -> None:
    values, line = full_line(kind)
    row = parse_rows(line, [line])[0]
    assert row is not None
    key, stored, _ = row
    own = {name: values.get(name) for name in COLUMNS}
    if "window" in values:
        own["decision"] = values["window"]
    assert dict(zip(COLUMNS, stored, strict=True)) == own
    template = parse_template(key)
    assert template is not None
    assert {name: template.members[name] for name in SHARED if name in values} == {
        name: values[name] for name in SHARED if name in values
    }
    assert set(template.members) - set(SHARED) == ({"covered"} if "window" in values else set())


@pytest.mark.parametrize(
    ("kind", "missing"), [(kind, one.name) for kind in KINDS for one in KINDS[kind] if one.required]
)
def test_a_line_without_a_required_field_is_no_record(kind: str, missing: str) -> None:
    _, line = full_line(kind)
    members = msgspec.json.decode(line)
    del members[missing]
    cut = msgspec.json.encode(members) + b"\n"
    assert parse_rows(cut, [cut]) == [None]


def test_the_tables_have_the_declared_columns() -> None:
    db = index_schema.connect(":memory:")
    db.executescript(index_schema.TABLES + index_schema.INDEXES)
    columns = {name: (kind, needed) for _, name, kind, needed, _, _ in db.execute("PRAGMA table_info(record)")}
    assert {index_schema.COLUMN_NAMES[name] for name in COLUMNS} <= set(columns)
    assert (columns["id"], columns["at"], columns["transact"]) == (("TEXT", 1), ("REAL", 1), ("TEXT", 0))
    db.close()


@pytest.mark.parametrize("kind", KINDS)
def test_exports_and_lines_for_people_show_every_field(kind: str) -> None:
    values, line = full_line(kind)
    assert set(values) <= set(CSV_COLUMNS)
    shown = format_record_line({"kind": kind, **values}, line)
    assert [name for name in values if name not in {"at", "policy"} and f" {name}=" not in shown] == []


def test_kinds_are_selected_by_a_field() -> None:
    assert kinds_with("peer") == {"decision", "refusal", "fault"}
    assert kinds_with("x") == frozenset()
