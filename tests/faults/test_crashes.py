"""Kill -9 at every point of every kind of request: a new process goes on, and nothing happened unrecorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.request_kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_it_leaves_nothing_half_done_and_admitted_nothing_unrecorded(
    killed: dict[str, Any], kind: str
) -> None:
    assert killed[kind]["failures"] == []
    # every kind writes to its log, waits, and reaches its caller: a harness that saw less would prove nothing
    points = killed[kind]["points"]
    assert len(points["torn"]) >= 1
    assert {"suspended", "posix.write"} <= set(points["points"])


def test_what_is_found_depends_on_how_far_the_killed_one_came(killed: dict[str, Any]) -> None:
    assert set(killed["refund"]["found"]) == {"run now", "busy, then with a person", "repeated"}
    assert set(killed["sign_out"]["found"]) == {"active", "revoked"}
    assert set(killed["engage"]["found"]) == {"live", "rolled_back"}
    for word in ("approve", "approve_command"):
        assert set(killed[word]["found"]) == {"held", "approved"}
    assert set(killed["deny"]["found"]) == {"held", "denied"}
    assert set(killed["withdraw"]["found"]) == {"approved", "denied"}
    assert set(killed["approved"]["found"]) == {"run now", "busy, then with a person", "repeated"}


def test_a_commit_is_a_point_like_every_line_of_the_log(killed: dict[str, Any]) -> None:
    met = killed["refund"]["points"]["points"]
    assert met.count("sqlite3.execute") >= 2 * len(("BEGIN", "UPDATE", "COMMIT")), "the start and the settlement"
    assert "posix.fsync" in met, "a refund's decision is on the disk before it runs"
