"""Tests of the coverage of a policy's own rules: what each condition and each phase needs, and what says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load
from authguard.policy.mutation.equivalence import are_equivalent
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.rule_coverage import cover_rules, describe_idle, find_idle_conditions
from authguard.policy.testing.scenario import run_scenarios
from tests.support.harness import policy_of

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
authguard: 1
name: covered
extends: standard
issuers:
  - {issuer: 'https://idp.example', audience: a, algorithms: [ES256], keys: discovery}
accounts:
  - {from: claim, claim: status, map: {ok: normal, frozen: suspended}}
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
  to_desk: {kind: handoff, queue: desk}
decisions:
  - {when: {account: suspended, operation: chat}, do: to_desk}
"""
MORE = "  - {when: {account: suspended, operation: chat, actor: subject}, do: to_desk}\n"


def uncovered(folder: Path, steps: str) -> list[str]:
    policy = policy_of(TEXT)
    file = folder / "s" / "a.yaml"
    file.parent.mkdir()
    file.write_text(
        f"- {{name: a, given: {{account: suspended}}, steps: [{steps}, {{then: {{states: {{service: live}}}}}}]}}\n"
    )
    scenarios, problems = parse_scenarios([file], policy)
    assert problems == (), [str(one) for one in problems]
    answers = [one for result in run_scenarios(policy, scenarios).results for one in result.answers]
    return [item.label.partition(": ")[2] for item, is_covered in cover_rules(policy, answers) if not is_covered]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ("{ask: {operation: chat}}", ["`account` other than suspended", "`operation` other than chat", "met, and"]),
        ("{when: [account.normal], ask: {operation: chat}}", ["`operation` other than chat", "met, and"]),
        ("{ask: {operation: pay}}", ["`account` other than suspended", "met, and"]),
        ("{ask: {operation: chat, scope: missing}}", ["`account` other than", "`operation` other than"]),
    ],
)
def test_a_condition_and_a_phase_are_uncovered_until_a_request_shows_them(
    tmp_path: Path, steps: str, left: list[str]
) -> None:
    found = uncovered(tmp_path, steps)
    assert len(found) == len(left)
    assert all(label.startswith(start) for label, start in zip(found, left, strict=True))


def test_a_condition_that_only_widens_to_cells_with_the_same_answer_says_nothing() -> None:
    policy = policy_of(TEXT.replace("decisions:\n", f"decisions:\n{MORE}"))
    rule = next(
        one for one in policy.table.rules if "actor" in one.when and one.do == "to_desk" and "account" in one.when
    )
    assert (rule.index, "actor") in find_idle_conditions(policy)
    assert (rule.index, "account") not in find_idle_conditions(policy)
    assert any(item.label.endswith("`actor`") for item in describe_idle(policy))
    assert are_equivalent(policy, policy_of(TEXT))


def test_no_condition_of_the_insurer_but_those_of_its_last_rule_says_nothing() -> None:
    policy = load("insurance")
    found = find_idle_conditions(policy)
    assert {policy.table.rules[index].phase for index, _ in found} <= {"last"}
