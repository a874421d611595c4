"""Liveness: what is promised surely happens, a search that reaches its bound proves nothing, and raises cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.checks import liveness, state_space
from authguard.policy.checks.reachability import Reachability
from authguard.policy.table import mdd
from authguard.policy.table.boxes import Undecided
from authguard.policy.table.coverage import compute_coverage
from benchmarks.large_policy import large_policy

if TYPE_CHECKING:
    import pytest

    from authguard.policy.draft import Draft


def test_a_search_that_reaches_its_bound_refuses_the_policy(
    standard_draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, value, words in (
        ("MAX_SPENT", 10_000_000, "more than 10,000,000 steps"),
        ("MAX_STATES", 1_000, "more than 1,000 combinations of states"),
        ("MAX_CASES", 3, "more than 3 cases of one event"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(state_space, bound, value)
            (problem,) = liveness.check_no_deadlock(standard_draft)
        assert problem.code == "undecided"
        assert problem.severity == "error"
        assert words in problem.message
        assert "fewer" in problem.advice


def test_a_diagram_too_large_for_the_sets_of_states_is_undecided(
    standard_draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    tangled = compute_coverage(standard_draft.rules, Reachability.of(standard_draft).space, boxes=20)
    assert not isinstance(tangled, Undecided)
    monkeypatch.setattr(liveness, "prove_table", lambda _: tangled)
    assert list(liveness.check_no_deadlock(standard_draft)) == [], "a diagram proves what boxes prove"
    monkeypatch.setattr(mdd, "MAX_PROJECTED_BITS", 1_000)
    assert [problem.code for problem in liveness.check_no_deadlock(standard_draft)] == ["undecided"]


def test_raises_between_all_machines_cost_a_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = large_policy()
    monkeypatch.setattr(state_space, "MAX_SPENT", state_space.MAX_SPENT // 10)
    assert [problem.code for problem in liveness.check_no_deadlock(draft)] == []
