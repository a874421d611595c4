"""Liveness: what is promised surely happens, a search that reaches its bound proves nothing, and raises cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.decision_table import Rule
from authguard.core.deployment import Assurance
from authguard.core.machine import Line
from authguard.core.request import Match, Operation
from authguard.core.sections import Reports
from authguard.policy.checks import liveness, state_space
from authguard.policy.checks.driver_probe import DriverProbe
from authguard.policy.checks.reachability import Reachability
from authguard.policy.draft import Invariant
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


def test_a_sign_in_proves_no_identity_once_a_verification_failed(standard_draft: Draft) -> None:
    asked = _with_rule(_identified(standard_draft), "step_up", verification={"unverified", "pending", "failed"})
    probe = DriverProbe(asked)
    assert probe.identity("unverified") == {("verification.started", "verification.passed")}
    assert probe.identity("failed") == {()}, "the driver: a fresh strong sign-in changes nothing"
    problems = list(liveness.check_no_deadlock(asked))
    assert [problem.code for problem in problems] == ["trap", "promise-broken"]
    assert all("verification `failed`" in problem.message for problem in problems)
    verified = _with_rule(_identified(standard_draft), "step_up", verification={"unverified"})
    assert list(liveness.check_no_deadlock(verified)) == [], "a verifier clears what failed"


def test_without_sources_a_reported_lock_stays(standard_draft: Draft) -> None:
    waiting = _with_rule(standard_draft, "try_later", account={"locked"})
    waiting = replace(waiting, base=False, accounts=(), accounts_declared=True)
    waiting = replace(waiting, reports=Reports(app=frozenset({"account.locked"})))
    assert ("account.locked",) in DriverProbe(waiting).reports("locked"), "the driver: the app's report stays strictest"
    problems = list(liveness.check_no_deadlock(waiting))
    assert [problem.code for problem in problems] == ["trap", "promise-broken"]
    assert list(liveness.check_no_deadlock(replace(waiting, reports=Reports(app=frozenset())))) == [], (
        "nobody reports a lock"
    )


def test_a_method_that_the_table_does_not_let_into_the_endpoint_leads_nowhere(standard_draft: Draft) -> None:
    # `/verify` refuses whom the table gives no access to it: the rule takes risk `self` too
    closed = _with_rule(standard_draft, "try_later", verification={"failed"}, risk={"self"})
    problems = list(liveness.check_no_deadlock(closed))
    assert [problem.code for problem in problems] == ["trap", "promise-broken"]
    assert all("verification `failed`" in problem.message for problem in problems)


def test_a_goal_by_the_clock_alone_needs_a_timer_that_surely_runs(standard_draft: Draft) -> None:
    promise = Invariant(name="mine", always_reachable=("handoff",), by=("clock",))
    draft = replace(standard_draft, invariants=(promise,))
    (problem,) = liveness.check_no_deadlock(draft)
    assert problem.code == "promise-broken"
    assert "with events by clock no" in problem.message


def test_a_verification_that_only_a_request_over_its_limit_names_is_no_way_out(standard_draft: Draft) -> None:
    waiting = _with_rule(standard_draft, "try_later", verification={"failed"})
    asked = _with_rule(waiting, "prove_identity", verification={"failed"}, limit={"exceeded"})
    problems = list(liveness.check_no_deadlock(asked))
    assert [problem.code for problem in problems] == ["trap", "promise-broken"]
    assert all("verification `failed`" in problem.message for problem in problems)
    always = _with_rule(waiting, "prove_identity", verification={"failed"})
    assert list(liveness.check_no_deadlock(always)) == []


def test_machines_that_cannot_be_run_are_reported_and_never_raise(
    standard_draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = standard_draft.machines["account"]
    raising = Line(triggers=("locked",), sources=("*",), dest="locked", raises=("session.ended",))
    machines = {**standard_draft.machines, "account": replace(spec, lines=(raising, *spec.lines))}
    unowned = replace(standard_draft, machines=machines)
    assert list(liveness.check_no_deadlock(unowned)) == [], "the check of owners reports it"
    monkeypatch.setattr(liveness, "has_valid_machines", lambda _: True)
    (problem,) = liveness.check_no_deadlock(unowned)
    assert (problem.code, problem.severity) == ("undecided", "error")
    assert "cannot be run" in problem.message


def _identified(draft: Draft) -> Draft:
    levels = Assurance(order=("aal1", "aal2"))
    operation = Operation(name="refund", match=Match(path="/refund", method="POST"), risk="high")
    return replace(
        draft, base=False, identity="aal2", assurance=levels, operations=(operation,), accounts_declared=True
    )


def _with_rule(draft: Draft, do: str, **when: set[str]) -> Draft:
    """Put one rule for customers in good standing before the standard ones."""
    usual = {"credential": {"good"}, "session": {"active"}, "actor": {"subject"}, "scope": {"granted"}}
    account = {"account": {"normal"}} if "account" not in when else {}
    risk = {"risk": {"routine", "sensitive", "high"}} if "risk" not in when else {}
    named = usual | {"service": {"live"}} | account | risk | when
    rule = Rule(when={name: frozenset(values) for name, values in named.items()}, do=do, index=0)
    return replace(draft, rules=tuple(replace(one, index=index) for index, one in enumerate((rule, *draft.rules))))
