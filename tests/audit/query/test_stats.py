"""Counts of a log: each rate by hand, void records nowhere, and how long states last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.audit.query.index import open_index
from authguard.audit.query.stats import collect_stats
from tests.audit.logs import AT, CELL, decided, faulted, moved, refused, withdrawn, write

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.query.stats import Stats

REJECTED = (*CELL[:5], "rejected", *CELL[6:])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    write(
        path,
        decided("a", 0),
        decided("b", 1),
        decided("c", 2, "deny", cell=REJECTED),
        decided("gone", 3, "deny"),
        withdrawn("w", 3, "gone", "lost"),
        moved("d", 10, "session.accepted: absent -> active"),
        moved("e", 40, "session.idled: active -> idle"),
        moved("lost", 50, "session.aged: idle -> expired"),
        moved("f", 100, "session.renewed: idle -> active"),
        moved("g", 100, "session.idled: active -> idle", session="other"),
        moved("h", 200, "verification.passed: unverified -> verified", session="v1"),
        moved("i", 200, "verification.doubted: pending -> ambiguous", session="v2"),
        moved("j", 200, "verification.failed: pending -> failed", session="v3"),
        moved("k", 200, "verification.exhausted: failed -> exhausted", session="v3"),
        moved("l", 300, "service.engaged: live -> rolled_back", subject="", session=""),
        moved("m", 3_600, "service.released: rolled_back -> recovering", subject="", session=""),
        refused("n", 10),
        faulted("o", 11),
    )
    return path


def counted(log: Path, since: float = float("-inf"), until: float = float("inf")) -> Stats:
    with open_index(log) as index:
        return collect_stats(index, since, until)


def test_what_was_decided_and_moved_is_counted_and_what_was_withdrawn_is_not(log: Path) -> None:
    found = counted(log)
    assert found.kinds == {"decision": 3, "withdrawn": 1, "transition": 10, "refusal": 1, "fault": 1}
    assert found.outcomes == {"allow": 2, "deny": 1}
    assert found.operations == {("pay", "allow"): 2, ("pay", "deny"): 1}
    assert found.rules == {"3:allow": 2, "3:no": 1}
    assert found.transitions["session", "idled", "active", "idle"] == 2
    assert ("session", "aged", "idle", "expired") not in found.transitions
    assert found.reasons == {"body-too-large": 1, "guard-fault": 1}
    assert found.void == 2
    assert found.hours == 1.0


def test_failure_and_doubt_are_shares_of_the_verdicts(log: Path) -> None:
    found = counted(log)
    assert (found.failure_rate, found.ambiguity_rate) == (0.5, 0.25)
    assert found.bad_credential_rate == pytest.approx(1 / 3)


def test_a_stay_has_both_its_ends_in_the_log(log: Path) -> None:
    stays = counted(log).dwell_times
    assert (stays["session", "active"].count, stays["session", "active"].mean) == (1, 30.0)
    assert (stays["session", "idle"].count, stays["session", "idle"].longest) == (1, 60.0)
    assert stays["service", "rolled_back"].mean == 3_300.0
    assert stays["verification", "failed"].mean == 0.0
    assert ("session", "absent") not in stays


def test_a_period_counts_what_lies_in_it(log: Path) -> None:
    found = counted(log, AT + 1, AT + 10)
    assert found.outcomes == {"allow": 1, "deny": 1}
    assert sum(found.transitions.values()) == 1
    nothing = counted(log, AT + 5_000)
    assert (nothing.decisions, nothing.failure_rate, nothing.dwell_times) == (0, 0.0, {})
