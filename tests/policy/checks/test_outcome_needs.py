"""An outcome is refused where a cell does not give what it needs, with that cell, and the run time agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.decision_table import Rule
from authguard.core.machine import Line
from authguard.core.outcomes import ADMITTING, NEEDS, Fallback, Need, Outcome
from authguard.policy.checks.outcome_needs import check_outcome_needs, unmet_conditions

if TYPE_CHECKING:
    from authguard.policy.draft import Draft


def first(draft: Draft, do: str, **when: str) -> Draft:
    """Put one rule before the standard ones."""
    rules = (
        Rule(when={name: frozenset(values.split()) for name, values in when.items()}, do=do, index=0),
        *draft.rules,
    )
    return replace(draft, rules=tuple(replace(rule, index=place) for place, rule in enumerate(rules)))


SIGNED_IN = {"credential": "good", "session": "active"}


def test_the_standard_rules_give_every_outcome_what_it_needs(standard_draft: Draft) -> None:
    assert list(check_outcome_needs(standard_draft)) == []


@pytest.mark.parametrize(
    ("do", "when", "need", "cell"),
    [
        ("await_approval", {"credential": "missing"}, Need.CREDENTIAL, ("credential", "missing")),
        ("prove_identity", {"credential": "expired"}, Need.CREDENTIAL, ("credential", "expired")),
        ("end_session", {"credential": "rejected"}, Need.CREDENTIAL, ("credential", "rejected")),
        ("read_only", {"credential": "unproven", "effect": "read"}, Need.CREDENTIAL, ("credential", "unproven")),
        ("say_again", {"credential": "missing"}, Need.CREDENTIAL, ("credential", "missing")),
        ("say_again", {**SIGNED_IN, "transaction": "none"}, Need.FINISHED, ("transaction", "none")),
        ("say_again", {**SIGNED_IN, "transaction": "done failed"}, Need.FINISHED, ("transaction", "failed")),
        ("await_approval", {**SIGNED_IN, "transaction": "denied"}, Need.WAITING, ("transaction", "denied")),
        ("await_approval", {**SIGNED_IN, "transaction": "held running"}, Need.WAITING, ("transaction", "running")),
        (
            "allow",
            {**SIGNED_IN, "transaction": "held", "risk": "high", "effect": "write"},
            Need.STARTABLE,
            ("transaction", "held"),
        ),
        (
            "allow",
            {**SIGNED_IN, "transaction": "denied", "risk": "routine", "effect": "write"},
            Need.STARTABLE,
            ("transaction", "denied"),
        ),
        ("allow", {"credential": "missing", "risk": "high"}, Need.STARTABLE, ("credential", "missing")),
    ],
)
def test_a_rule_without_what_its_outcome_needs_is_refused_with_a_cell(
    standard_draft: Draft, do: str, when: dict[str, str], need: Need, cell: tuple[str, str]
) -> None:
    problems = [one for one in check_outcome_needs(first(standard_draft, do, **when)) if need in one.message]
    assert [problem.code for problem in problems] == ["outcome-unmet"]
    assert cell in problems[0].cell
    assert problems[0].advice


@pytest.mark.parametrize(
    ("do", "when"),
    [
        ("await_approval", {**SIGNED_IN, "transaction": "none held"}),
        ("say_again", {**SIGNED_IN, "transaction": "done"}),
        ("allow", {**SIGNED_IN, "transaction": "none approved", "effect": "write"}),
        ("allow", {"risk": "public"}),
        ("sign_in", {"credential": "missing"}),
        ("to_a_person", {"credential": "missing"}),
    ],
)
def test_a_rule_with_what_its_outcome_needs_is_accepted(standard_draft: Draft, do: str, when: dict[str, str]) -> None:
    assert list(check_outcome_needs(first(standard_draft, do, **when))) == []


def test_a_fallback_after_spent_attempts_needs_the_same_of_proven_callers(standard_draft: Draft) -> None:
    chain = Fallback(name="ask", kind=Outcome.STEP_UP, attempts=3, per=60.0, then="say_again")
    draft = replace(standard_draft, fallbacks={**standard_draft.fallbacks, "ask": chain})
    (problem,) = check_outcome_needs(first(draft, "ask", credential="missing good", transaction="none"))
    assert Need.FINISHED in problem.message
    assert ("credential", "good") in problem.cell, "attempts of an unproven caller are not counted"


def test_a_state_that_something_else_leads_to_holds_no_response(standard_draft: Draft) -> None:
    spec = standard_draft.machines["transaction"]
    line = Line(triggers=("failed",), sources=("running",), dest="done")
    machines = {**standard_draft.machines, "transaction": replace(spec, lines=(line, *spec.lines))}
    draft = replace(standard_draft, machines=machines)
    (unmet,) = unmet_conditions(draft)[Need.FINISHED]
    assert "done" in unmet["transaction"]


def test_every_admitting_outcome_needs_a_transaction_that_can_start() -> None:
    assert all(Need.STARTABLE in NEEDS[outcome] for outcome in ADMITTING)
