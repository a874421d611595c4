"""An invariant that nothing meets is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.outcomes import Outcome
from authguard.policy.checks.checker import check
from authguard.policy.checks.idle_invariant import check_idle_invariants
from authguard.policy.draft import Invariant
from authguard.policy.problem import Place

if TYPE_CHECKING:
    from authguard.policy.draft import Draft


def found(draft: Draft, *, without: Outcome | None = None, inherited: bool = False, **never: set[str]) -> list[str]:
    invariant = Invariant(name="mine", never={dimension: frozenset(values) for dimension, values in never.items()})
    fallbacks = {name: item for name, item in draft.fallbacks.items() if item.kind is not without}
    places = {"": Place("own.yaml", 1, 1), "invariants": Place("base.yaml" if inherited else "own.yaml", 2, 1)}
    changed = replace(draft, invariants=(invariant,), fallbacks=fallbacks, places=places)
    return [str(one) for one in check_idle_invariants(changed)]


def test_a_condition_without_values_is_met_by_nothing(standard_draft: Draft) -> None:
    (problem,) = found(standard_draft, account=set(), outcome={"allow"})
    assert "error[invariant-idle]: `mine` always holds: `account` names no value" in problem


def test_an_outcome_that_no_fallback_has_is_noted_in_the_policys_own_file(standard_draft: Draft) -> None:
    (problem,) = found(standard_draft, without=Outcome.REPEAT, outcome={"repeat"}, risk={"high"})
    assert "note[invariant-idle]: `mine` always holds: no fallback leads to `repeat`" in problem
    assert found(standard_draft, without=Outcome.REPEAT, inherited=True, outcome={"repeat"}) == []


def test_values_that_no_request_has_together_are_refused() -> None:
    text = (
        "authguard: 1\nname: example\nextends: support-desk\n"
        "channels: {from: {claim: channel}, trusts: {app: []}}\n"
        "invariants:\n  - {name: mine, never: {channel: unknown, channel_change: same, outcome: allow}}\n"
    )
    (problem,) = [one for one in check("policy.yaml", text=text.encode()).problems if one.code == "invariant-idle"]
    assert problem.message == "`mine` always holds: no request has channel: `unknown`, channel_change: `same`"
    fine = text.replace("channel_change: same", "risk: high")
    assert "invariant-idle" not in {one.code for one in check("policy.yaml", text=fine.encode()).problems}


def test_an_invariant_that_requests_meet_is_no_problem(standard_draft: Draft) -> None:
    assert found(standard_draft, account={"deceased"}, outcome={"allow"}) == []
    assert found(standard_draft, without=Outcome.REPEAT, outcome={"allow", "repeat"}) == []
    assert found(standard_draft, outcome={"alow"}) == []  # an unknown name, which is another problem
