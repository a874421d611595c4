"""Tests of which operations ask a condition: those that a rule which names it can decide, and no others."""

from __future__ import annotations

from authguard.core.asked_conditions import find_asked, used_conditions
from tests.support.harness import POLICY, policy_of

HEAD = """
conditions:
  screening: {from: {call: 'desk.sanctions:screen'}, values: [clear, match]}
  idle: {from: {claim: country}, values: [home], default: abroad}
decisions:
"""


def asking(rule: str) -> set[str]:
    """Return the operations that ask, by the policy with one more rule."""
    policy = policy_of(f"{POLICY}{HEAD}  - {rule}\n")
    assert [one.name for one in used_conditions(policy)] == ["screening"]
    return {name for name, asked in policy.asked_conditions.items() if asked}


def test_a_condition_is_asked_where_a_rule_can_decide() -> None:
    assert asking("{when: {credential: good, operation: refund, screening: match}, do: refuse}") == {"refund"}
    assert asking("{when: {credential: good, risk: sensitive, effect: read, screening: match}, do: refuse}") == {
        "balance"
    }
    assert asking(
        "{phase: caller, when: {credential: good, session: active, risk: staff, screening: match}, do: refuse}"
    ) == {
        "authguard.staff.read",
        "authguard.staff.write",
    }


def test_a_policy_without_calls_asks_nothing() -> None:
    assert find_asked(policy_of()) == {}
