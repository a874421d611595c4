"""Rules that no request can meet, and invariants that say nothing of an operation, by what each operation brings."""

from __future__ import annotations

import pytest

from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft
from tests.support.harness import POLICY


def problems_of(text: str, policy: str = POLICY) -> list[str]:
    """Return the problems of a policy with these kinds, as code and message."""
    reading = load_draft("policy.yaml", text=(policy + text).encode())
    assert reading.draft is not None, reading.problems
    return [
        f"{one.severity} {one.code}: {one.message}"
        for one in run_checks(reading.draft)
        if one.code in {"rule-impossible", "invariant-vacuous", "invariant-broken", "unknown-name"}
    ]


def rule(when: str) -> str:
    """Return a rule as a policy writes it."""
    return f"decisions:\n  - {{when: {when}, do: refuse}}\n"


def never(values: str) -> str:
    """Return an invariant as a policy writes it."""
    return f"invariants:\n  - {{name: it never happens, never: {values}}}\n"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{operation: health, scope: missing}", "of `health`, none needs `scopes` or `roles`"),
        ("{operation: [balance, chat], limit: exceeded}", "of `balance` and `chat`, none has `limits` of that kind"),
        ("{operation: refund, risk: public}", "no operation has `operation: refund` and `risk: public`"),
        ("{operation: balance, channel_change: switched}", "of `balance`, none can tell channels apart"),
        ("{operation: balance, actor: representative}", "none is open to it"),
    ],
)
def test_a_rule_that_no_operation_can_meet_is_an_error_with_the_reason(when: str, message: str) -> None:
    (found,) = problems_of(rule(when))
    assert found.startswith("error rule-impossible: rule `")
    assert message in found


def test_it_is_a_note_where_no_rule_names_an_operation() -> None:
    (found,) = problems_of(rule("{risk: public, effect: write}"))
    assert found == (
        "note rule-impossible: rule `22:refuse` decides nothing: no operation has `effect: write` and `risk: public`"
    )


def test_a_rule_that_one_operation_can_meet_is_no_problem() -> None:
    assert problems_of(rule("{operation: [health, refund], limit: exceeded}")) == []
    assert problems_of(rule("{risk: staff, effect: write, account: minor}")) == []  # the guard's own operations


def test_an_invariant_says_something_of_each_operation_that_it_names() -> None:
    assert problems_of(never("{operation: [refund, balance], assurance: stale, outcome: allow}")) == [
        "error invariant-vacuous: `it never happens` says nothing of `balance`, which never brings `assurance: stale`"
    ]
    assert problems_of(never("{operation: refund, assurance: stale, outcome: allow}")) == []


def test_an_invariant_may_forbid_fallbacks_by_name() -> None:
    assert problems_of(never("{operation: balance, fallback: [allow]}"))[0].startswith(
        "error invariant-broken: `it never happens` is broken by rule"
    )
    assert problems_of(never("{operation: refund, transaction: none, limit: exceeded, fallback: [allow]}")) == []
    assert problems_of(never("{operation: health, fallback: await_approval}")) == []
    (found,) = problems_of(never("{operation: balance, fallback: [nothing]}"))
    assert found.startswith("error unknown-name")


def test_a_fallback_and_an_outcome_forbid_what_is_both() -> None:
    assert problems_of(never("{operation: balance, fallback: [allow], outcome: hold}")) == []


def test_an_unknown_name_is_the_only_problem_of_its_rule() -> None:
    (found,) = problems_of(rule("{operation: refnd}"))
    assert found.startswith("error unknown-name: `refnd`")


def test_operations_that_lack_the_same_are_one_problem() -> None:
    (found,) = problems_of(never("{operation: [health, balance], risk: high, outcome: allow}"))
    assert found.startswith("error invariant-vacuous: `it never happens` says nothing of `balance` and `health`, which")
