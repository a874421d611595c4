"""Logs for the tests of questions: entries made in one line, chained into files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import (
    ActEntry,
    DecisionEntry,
    FaultEntry,
    RefusalEntry,
    TransitionEntry,
    WithdrawalEntry,
)
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.records.entries import Entry

AT = 1_800_000_000.0
CELL = (
    *("live", "normal", "active", "unverified", "none", "good", "high", "write"),
    *("granted", "met", "within", "same", "subject"),
)


def decided(record: str, at: float = 0.0, outcome: str = "allow", **more: Any) -> DecisionEntry:
    """Make a decision, so many seconds after `AT`."""
    fallback = "allow" if outcome == "allow" else "no"
    said: dict[str, Any] = {"policy": "ab", "operation": "pay", "cell": CELL, "rule": f"3:{fallback}"}
    said |= {"subject": "anna", "session": "5e55", "events": ("session.accepted",), "fallback": fallback}
    return DecisionEntry(id=record, at=AT + at, outcome=outcome, **(said | more))


def moved(record: str, at: float, step: str, **more: Any) -> TransitionEntry:
    """Make a transition from ``machine.event: source -> dest``."""
    event, _, states = step.partition(": ")
    source, _, dest = states.partition(" -> ")
    machine, _, trigger = event.partition(".")
    said = {"policy": "ab", "cause": "credential", "subject": "anna", "session": "5e55"} | more
    return TransitionEntry(id=record, at=AT + at, machine=machine, event=trigger, source=source, dest=dest, **said)


def withdrawn(record: str, at: float, *records: str) -> WithdrawalEntry:
    return WithdrawalEntry(id=record, at=AT + at, policy="ab", records=records)


def acted(record: str, at: float, act: str, **more: Any) -> ActEntry:
    return ActEntry(id=record, at=AT + at, policy="ab", act=act, **more)


def refused(record: str, at: float, reason: str = "body-too-large", **more: Any) -> RefusalEntry:
    said = {"policy": "ab"} | more
    return RefusalEntry(id=record, at=AT + at, reason=reason, status=413, **said)


def faulted(record: str, at: float) -> FaultEntry:
    return FaultEntry(id=record, at=AT + at, policy="ab", reason="guard-fault", where="store", error="OSError")


def write(path: Path, *entries: Entry) -> bytes:
    """Chain entries into a file; give its bytes."""
    lines, head = b"", GENESIS
    for seq, entry in enumerate(entries):
        line, head = format_line(entry, seq, head)
        lines += line
    path.write_bytes(lines)
    skip_validation(path)
    return lines


def append(path: Path, *entries: Entry) -> None:
    """Chain further entries to a file."""
    before = path.read_bytes().splitlines()
    head = before[-1][-66:-2].decode()
    with path.open("ab") as file:
        for seq, entry in enumerate(entries, len(before)):
            line, head = format_line(entry, seq, head)
            file.write(line)
