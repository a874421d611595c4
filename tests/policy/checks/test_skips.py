"""Rules that skip their phase: only in `account`, only with an effect, and never over rules of their file unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import load
from authguard.policy.loading.loader import load_draft
from authguard.policy.testing.coverage import measure_coverage
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """\
authguard: 1
name: family
extends: standard
issuers: [{issuer: 'https://idp.example', audience: family, algorithms: [ES256], keys: discovery}]
agents: [guardian]
accounts: [{from: claim, claim: status, map: {child: minor, ok: normal}}]
operations:
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
  - {name: close, match: {path: /close, method: POST}, risk: high, effect: write, scopes: [pay]}
decisions:
RULES
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
  to_family: {kind: handoff, queue: family}
"""
SCENARIOS = """\
- name: a guardian pays, and a supervisor approves
  given: {account: minor, verification: verified}
  ask: {operation: pay, actor: agent}
  then: {outcome: hold, fallback: await_approval}
- name: a child does not pay
  given: {account: minor, verification: verified}
  ask: {operation: pay}
  then: {outcome: handoff, fallback: to_a_person}
- name: nor does a guardian close the account
  given: {account: minor, verification: verified}
  ask: {operation: close, actor: agent}
  then: {outcome: handoff, fallback: to_family}
"""
SKIP = "{when: {account: minor, actor: agent, operation: pay}, do: skip_phase}"
FAMILY = "{when: {account: minor}, do: to_family}"


def text(*rules: str) -> bytes:
    return POLICY.replace("RULES", "\n".join(f"  - {rule}" for rule in rules)).encode()


def found(*rules: str) -> list[tuple[str, str]]:
    draft = load_draft("family.yaml", text=text(*rules)).draft
    assert draft is not None
    return [(one.code, one.message) for one in run_checks(draft) if one.code.startswith(("skip-", "rule-", "over"))]


def test_a_skip_before_inherited_rules_is_no_problem() -> None:
    assert found(SKIP) == []


def test_a_skip_over_rules_of_its_file_is_noted_with_their_names() -> None:
    assert ("skip-over", "rule `22:skip_phase` leaves out `23:to_family` of this file") in found(SKIP, FAMILY)
    assert all(code != "skip-over" for code, _ in found(FAMILY.replace("minor", "dormant"), SKIP))


def test_a_skip_after_a_rule_that_decides_its_cells_is_shadowed() -> None:
    assert [code for code, _ in found(FAMILY, SKIP)].count("rule-shadowed") == 1


@pytest.mark.parametrize("phase", ["service", "caller", "identity", "transaction", "request", "last"])
def test_no_other_phase_may_be_skipped(phase: str) -> None:
    codes = [code for code, _ in found(f"{{phase: {phase}, when: {{account: minor}}, do: skip_phase}}")]
    assert codes.count("skip-where") == 1


def test_a_skip_without_effect_is_refused() -> None:
    assert [code for code, _ in found("{when: {account: normal, operation: pay}, do: skip_phase}")] == ["skip-idle"]


def test_an_inherited_rule_of_which_own_rules_leave_nothing_is_a_note_whatever_operations_there_are() -> None:
    assert all(code == "overridden" for code, _ in found(FAMILY, "{when: {account: dormant}, do: to_family}"))


def test_two_skips_of_which_one_has_no_effect() -> None:
    codes = [code for code, _ in found(SKIP, SKIP)]
    assert codes == ["skip-idle", "rule-shadowed"], "without the first one, the second does the same"


def test_scenarios_follow_a_skip_and_count_its_rule_as_taken(tmp_path: Path) -> None:
    policy = load("family.yaml", text=text(SKIP, "{when: {account: minor, operation: close}, do: to_family}"))
    file = tmp_path / "scenarios.yaml"
    file.write_text(SCENARIOS, encoding="utf-8")
    parsed, problems = parse_scenarios([file], policy)
    assert problems == ()
    run = run_scenarios(policy, parsed)
    assert [result.differences for result in run.failed] == []
    taken = {policy.table.rules[index].do for index in run.rules}
    assert {"skip_phase", "to_family"} <= taken
    assert [one.label for one in measure_coverage(policy, run).uncovered if one.origin.startswith("family.yaml")] == []
