"""No problem is longer than a screen, and what many parts of a large policy share is one problem."""

from __future__ import annotations

from typing import Final

import pytest

from authguard.policy.checks.checker import check
from authguard.policy.problem import Place, Problem, shorten

HEAD: Final = "authguard: 1\nname: example\nextends: support-desk\n"
#: characters of a terminal of 80 columns and 24 lines
SCREEN: Final = 80 * 24
STATES: Final = [f"{'s' * 50}{number}" for number in range(87)]


def operations(keys: str, count: int = 300) -> str:
    lines = (f"  - {{name: op{at}, match: {{path: /p{at}}}, {keys}}}\n" for at in range(count))
    return "operations:\n" + "".join(lines)


def issuers(keys: str, count: int = 200, name: str = "https://idp") -> str:
    lines = (
        f"  - {{issuer: '{name}{at}.example', audience: us, algorithms: [ES256], keys: discovery{keys}}}\n"
        for at in range(count)
    )
    return "agents: []\nstaff: {claim: roles, issuer: []}\nissuers:\n" + "".join(lines)


def rules() -> str:
    accounts = ["normal", "dormant", "minor", "delegated", "restricted", "locked"]
    lines = [
        f"  - {{when: {{account: {account}, risk: {risk}, actor: {actor}, effect: {effect}}}, do: refuse}}\n"
        for account in accounts
        for risk in ("routine", "sensitive", "high")
        for actor in ("subject", "agent")
        for effect in ("read", "write")
    ]
    last = f"  - {{when: {{account: [{', '.join(accounts)}], risk: [routine, sensitive, high], actor: [subject, agent]"
    return "decisions:\n" + "".join(lines) + f"{last}}}, do: refuse}}\n"


POLICIES: Final = {
    "machine-hole": f"machines:\n  account:\n    states: [{', '.join(STATES)}]\n",
    "table-gap": f"machines:\n  session:\n    states: [{', '.join(STATES)}]\n",
    "rule-shadowed": rules(),
    "sign-in-undated": issuers(", evidence: none")
    + operations("risk: routine, effect: read, assurance: {max_age: 5m}"),
    "public-url-missing": issuers(", sender_constraint: dpop"),
    "algorithm-unknown": issuers("", 3, "https://" + "x" * 1_900).replace("ES256", "ES255"),
    "need-ignored": operations("risk: public, effect: read, scopes: [a]"),
    "invariant-broken": f"invariants:\n  - {{name: '{'n' * 1_900}', never: {{outcome: allow}}}}\n",
    "then-loop": "fallbacks:\n"
    + "".join(f"  f{at}: {{kind: step_up, attempts: 3, per: 15m, then: f{(at + 1) % 90}}}\n" for at in range(90)),
    "unknown-name": f"on_fault: {'x' * 64}\n",
    "limit-currencies": operations(
        "risk: high, effect: write, amount: {at: /a, currency: {at: /c}}, limits: ["
        + ", ".join(f"{{amount: 5 A{letter}X, per: call}}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        + "]",
        3,
    ),
}
#: codes that are one problem, however many parts have it
ONCE: Final = {"sign-in-undated", "public-url-missing", "need-ignored", "then-loop", "machine-hole", "rule-shadowed"}


@pytest.mark.parametrize("code", POLICIES)
def test_the_worst_case_fits_on_a_screen(code: str) -> None:
    problems = check("policy.yaml", text=(HEAD + POLICIES[code]).encode()).problems
    assert code in {problem.code for problem in problems}
    assert max(len(str(problem)) for problem in problems) < SCREEN
    assert code not in ONCE or [problem.code for problem in problems].count(code) == 1


def test_a_program_that_builds_a_long_problem_gets_a_short_one() -> None:
    names = ", ".join(f"`{'n' * 64}{at}`" for at in range(2_000))
    path = tuple(f"account.{'n' * 64}" for _ in range(2_000))
    problem = Problem(
        code="trap",
        place=Place("p.yaml", 1, 1),
        message=names,
        advice=names,
        box=names,
        cell=(("a", "b" * 9_999),),
        path=path,
    )
    assert len(str(problem)) < 2 * SCREEN
    assert problem.message.count("`") % 2 == 0


def test_a_long_quotation_is_shortened_before_the_text_around_it() -> None:
    text = f"rule `{'r' * 500}` decides nothing"
    assert shorten(text, 1_000) == text
    assert shorten(text, 300) == f"rule `{'r' * 120}...` decides nothing"
    assert shorten("a" * 50, 20) == "a" * 15 + " ..."
    assert shorten("`ab` " * 50, 20) == "`ab` `ab` `ab` ..."
