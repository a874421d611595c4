"""Results of a replay: directions and the order of differences."""

from __future__ import annotations

import pytest

from authguard.audit.query.replay_result import REFUSED, Difference, ReplayedDecision
from authguard.core.outcomes import Reason
from authguard.policy.diff.permissiveness import Direction


def difference(was: str, now: str, count: int = 1) -> Difference:
    return Difference(
        operation="pay",
        was=was,
        now=now,
        fallback_was="a",
        fallback_now="b",
        rule_was="1:a",
        rule_now="2:b",
        count=count,
        ids=("x",),
    )


@pytest.mark.parametrize(
    ("was", "now", "direction"),
    [
        ("deny", "allow", Direction.LOOSER),
        ("allow", "deny", Direction.STRICTER),
        ("deny", "deny", Direction.CHANGED),
        ("deny", REFUSED, Direction.STRICTER),
        ("odd", "allow", Direction.CHANGED),
    ],
)
def test_a_difference_has_the_direction_of_its_outcomes(was: str, now: str, direction: Direction) -> None:
    assert difference(was, now).direction is direction


def test_the_loosest_comes_first_then_the_strictest_then_by_count() -> None:
    given = [
        difference("allow", "deny"),
        difference("hold", "allow"),
        difference("deny", "allow"),
        difference("a", "b"),
    ]
    found = sorted([*given, difference("deny", "allow", 9)], key=lambda one: one.sort_key)
    assert [(one.was, one.now, one.count) for one in found[:3]] == [
        ("deny", "allow", 9),
        ("deny", "allow", 1),
        ("hold", "allow", 1),
    ]
    assert found[-1].was == "a"


def test_an_undetermined_result_has_a_reason_and_no_outcome() -> None:
    assert ReplayedDecision.unknown("why") == ReplayedDecision("", "", "", "why")
    assert ReplayedDecision.refused(Reason.IDEMPOTENCY_MISSING) == ReplayedDecision(REFUSED, "idempotency-missing")
