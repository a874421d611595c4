"""Tests of the entries: the kinds are closed, immutable, and omit what is empty."""

from __future__ import annotations

import msgspec
import pytest

from authguard.records.entries import AppLogEntry, DecisionEntry, Entry, RefusalEntry, WithdrawalEntry

KINDS = {"decision", "transition", "refusal", "fault", "withdrawn", "act", "log"}


def test_the_kinds_are_closed() -> None:
    assert {one.__struct_config__.tag for one in Entry.__args__} == KINDS
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind":"note","id":"a","at":1.0,"policy":""}', type=Entry)


@pytest.mark.parametrize("kind", Entry.__args__)
def test_every_entry_begins_with_its_id_time_and_policy_and_cannot_change(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_fields__[:3] == ("id", "at", "policy")
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.omit_defaults


def test_what_is_empty_is_not_in_the_line() -> None:
    entry = RefusalEntry(id="a", at=1.5, policy="", reason="malformed", status=400)
    line = msgspec.json.encode(entry)
    assert line == b'{"kind":"refusal","id":"a","at":1.5,"policy":"","reason":"malformed","status":400}'
    assert msgspec.json.decode(line, type=Entry) == entry


def test_an_entry_is_read_as_the_kind_that_it_names() -> None:
    withdrawn = WithdrawalEntry(id="b", at=1.0, policy="ab", records=("a",))
    assert msgspec.json.decode(msgspec.json.encode(withdrawn), type=Entry) == withdrawn
    logged = AppLogEntry(id="c", at=1.0, policy="", level="info", message="x", fields={"n": 1, "ok": True})
    assert msgspec.json.decode(msgspec.json.encode(logged), type=Entry) == logged


def test_a_decision_lacks_nothing_that_names_who_was_decided_upon() -> None:
    with pytest.raises(TypeError):
        DecisionEntry(id="a", at=1.0, policy="ab")  # type: ignore[call-arg]  # what is tested
