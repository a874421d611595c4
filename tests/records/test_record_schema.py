"""JSON Schema of records: closed, valid for every written line, and every member is hashed."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from authguard.records.chain import (
    GENESIS,
    VERSION,
    ChainedLine,
    Violation,
    add_properties,
    format_line,
    make_template,
    parse_line,
    render_line,
)
from authguard.records.entries import (
    ActEntry,
    AppLogEntry,
    DecisionEntry,
    Entry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from authguard.records.record_schema import record_schema
from tests.audit.logs import CELL

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAID: dict[str, Any] = {"id": "01a3186577c0a32b9848785500000007", "at": 1_800_000_000.25, "policy": "ab" * 32}
#: one of each kind, every member filled
FULL: dict[str, Entry] = {
    "decision": DecisionEntry(
        **SAID,
        operation="refund",
        cell=CELL,
        rule="22:prove_identity",
        outcome="verify",
        fallback="prove_identity",
        reason="attempts-spent",
        claim="/realm_access/roles",
        events=("session.accepted", "verification.started"),
        subject="5b" * 16,
        actor="5c" * 16,
        session="5e" * 16,
        credential="c0" * 8,
        transaction="t-1",
        channel="web",
        ticket="k-1",
        peer="2001:db8::7",
        method="POST",
        path="/orders/{order_id}/refund",
        trace_id=TRACE,
        context={"fraud_hold": "clear"},
        limits=({"name": "over_500", "most": "500 EUR", "spent": "0 EUR", "left": "500 EUR"},),
        facts={"issuer": "https://issuer.test", "auth_time": 1_800_000_000.0, "sid": True},
    ),
    "transition": TransitionEntry(
        **SAID,
        machine="session",
        event="idled",
        source="active",
        dest="idle",
        cause="timer",
        decision="d-1",
        subject="5b" * 16,
        session="5e" * 16,
        transaction="t-1",
        note="asked for by phone",
    ),
    "refusal": RefusalEntry(
        **SAID,
        reason="body-too-large",
        status=413,
        operation="refund",
        subject="5b" * 16,
        peer="5f" * 16,
        method="POST",
        path="/orders/{order_id}/refund",
        trace_id=TRACE,
        most=1_000,
        window="r-1",
        count=17,
    ),
    "fault": FaultEntry(
        **SAID,
        reason="guard-fault",
        where="load",
        error="OSError",
        operation="refund",
        outcome="retry",
        peer="2001:db8::7",
        method="POST",
        path="/orders/{order_id}/refund",
        trace_id=TRACE,
    ),
    "withdrawn": WithdrawalEntry(**SAID, records=("d-1", "d-2")),
    "act": ActEntry(
        **SAID,
        act="approval.given",
        by="dana",
        note="seen",
        subject="5b" * 16,
        session="5e" * 16,
        ticket="k-1",
        decision="d-1",
        transaction="t-1",
        over=("refund/1",),
        parts=("reading=0a1b2c3d4e5f",),
        unmoved=("session.ended",),
        flag="fraud_hold",
    ),
    "log": AppLogEntry(
        **SAID, level="warning", message="slow", trace_id=TRACE, fields={"ms": 12, "late": True}, refused=("token",)
    ),
}
KINDS = sorted(FULL)
CHECK = jsonschema.Draft202012Validator(record_schema())


def line_of(kind: str) -> bytes:
    return format_line(FULL[kind], 7, "a" * 64)[0]


def test_there_is_one_of_each_kind_with_every_member_filled() -> None:
    assert {str(kind.__struct_config__.tag) for kind in Entry.__args__} == set(FULL)
    for entry in FULL.values():
        assert all(msgspec.structs.asdict(entry).values())


def test_the_schema_is_one_and_of_the_version_that_lines_have() -> None:
    jsonschema.Draft202012Validator.check_schema(record_schema())
    for kind, schema in record_schema()["$defs"].items():
        assert schema["properties"]["v"]["const"] == VERSION == json.loads(line_of(kind))["v"]
        assert all(form.get("description") for name, form in schema["properties"].items() if name != "kind")


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_is_written_is_a_record_by_the_schema(kind: str) -> None:
    CHECK.validate(json.loads(line_of(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_more_or_a_needed_one_less_is_no_record(kind: str) -> None:
    record = json.loads(line_of(kind))
    assert not CHECK.is_valid(record | {"more": 1})
    for name in ("kind", "id", "at", "policy", "v", "seq", "prev", "hash"):
        assert not CHECK.is_valid({key: value for key, value in record.items() if key != name}), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["a\u0000", "a\nb", "a\u001b[2J", "a\u202eb", "a\u2066b", "\u200b", "\ud800", "x" * 501, "\x85"]
)
def test_no_text_of_a_record_may_forge_a_line_or_turn_its_direction(kind: str, text: str) -> None:
    record = json.loads(line_of(kind))
    for name, value in record.items():
        if isinstance(value, str):
            assert not CHECK.is_valid(record | {name: text}), name
        if isinstance(value, list) and name != "cell":
            assert not CHECK.is_valid(record | {name: [text]}), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_any_member_breaks_the_line(kind: str) -> None:
    line = line_of(kind)
    assert isinstance(parse_line(line), ChainedLine)
    for name, value in json.loads(line).items():
        said = f'"{name}":'.encode() + msgspec.json.encode(value)
        if name != "kind":
            assert line.count(said) == 1, name
        for other in (b'"' + name.encode() + b'":null', said[:-1] + b"0" + said[-1:], said[:-2] + b"x" + said[-1:]):
            assert isinstance(parse_line(line.replace(said, other)), Violation), (name, other)
        assert isinstance(parse_line(line.replace(said + b",", b"").replace(b"," + said, b"")), Violation), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_any_bit_of_a_line_breaks_it(kind: str) -> None:
    line = line_of(kind)
    for place in range(len(line)):
        for bit in (1, 32):
            changed = line[:place] + bytes([line[place] ^ bit]) + line[place + 1 :]
            assert isinstance(parse_line(changed), Violation), (place, bit)


def test_a_rendered_decision_has_its_trace_and_its_seq_under_the_hash_too() -> None:
    decided = FULL["decision"]
    assert isinstance(decided, DecisionEntry)
    template = add_properties(make_template(decided), decided.peer, decided.method, decided.path)
    line, _ = render_line(template, decided.id, decided.at, TRACE, 0, GENESIS)
    assert line == format_line(msgspec.structs.replace(decided, facts={}), 0, GENESIS)[0]
    CHECK.validate(json.loads(line))
