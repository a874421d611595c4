"""Tests of the cells of a table: what no request can have is neither decided nor missing."""

from __future__ import annotations

import pytest

from authguard.core.extra_dimensions import OPERATION
from authguard.policy.checks.registry import run_checks
from authguard.policy.loading.loader import load_draft
from authguard.policy.table.boxes import GAP, count
from authguard.policy.table.coverage import compute_coverage
from authguard.policy.table_space import any_space, of_operation, policy_space, table_space
from tests.support.harness import POLICY, policy_of

HEALTH = "{phase: service, when: {operation: health}, do: allow"
RULE = "decisions:\n  - {when: {operation: [chat, money], account: dormant}, do: to_a_person}\n"
NAMING = POLICY.replace("    risk: high\n", "    risk: high\n    groups: [money]\n") + RULE


def draft_of(text: str):  # noqa: ANN201 - a draft
    found = load_draft("test-desk.yaml", text=text.encode())
    assert found.draft is not None, found.problems
    return found.draft


def test_a_table_without_named_operations_is_a_full_product() -> None:
    draft = draft_of(POLICY)
    assert table_space(draft).impossible == ()
    assert of_operation(table_space(draft), draft.operations[0]) == {}


def test_draft_and_policy_have_the_same_cells() -> None:
    assert table_space(draft_of(NAMING)) == policy_space(policy_of(NAMING)) == any_space(policy_of(NAMING))


@pytest.mark.parametrize("boxes", [4_000, 0])
def test_impossible_cells_are_decided_by_nobody_and_are_no_gap(boxes: int) -> None:
    draft = draft_of(NAMING)
    space = table_space(draft)
    proof = compute_coverage(draft.rules, space, boxes=boxes)
    other_risk = space.box({OPERATION: {"chat"}, "risk": {"high"}})
    assert count(other_risk) > 0
    assert proof.deciders(other_risk) == frozenset()
    assert proof.count_decided(other_risk) == 0
    assert GAP not in proof.deciders(space.whole)
    assert 0 < proof.count_decided(space.whole) < count(space.whole)


def test_both_algorithms_count_alike() -> None:
    draft = draft_of(NAMING)
    space = table_space(draft)
    one, other = compute_coverage(draft.rules, space), compute_coverage(draft.rules, space, boxes=0)
    assert type(one) is not type(other)
    assert [one.cells(rule.index, space.whole) for rule in draft.rules] == [
        other.cells(rule.index, space.whole) for rule in draft.rules
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("operation: [chat, money]", "operation: [chat, mony]", "`mony` is not a value of `operation`"),
        ("account: dormant", "acount: dormant", "did you mean `account`?"),
        ("account: dormant", "outcome: allow", "`outcome` is not a machine or a condition of a rule"),
        ("groups: [money]", "groups: [chat]", "has the name of an operation"),
        ("account: dormant}, do: to_a_person", "account: dormant}, do: allow", "operation `refund` requires"),
    ],
)
def test_a_wrong_name_and_an_ignored_need_are_told(old: str, new: str, says: str) -> None:
    problems = run_checks(draft_of(NAMING.replace(old, new)))
    assert any(says in str(one) for one in problems), [str(one) for one in problems]


def test_a_need_is_checked_for_the_operation_that_has_it() -> None:
    text = NAMING.replace("{when: {operation: [chat, money], account: dormant}, do: to_a_person", HEALTH)
    assert not [one for one in run_checks(draft_of(text)) if one.severity == "error"]


def test_a_promise_is_proved_for_each_operation() -> None:
    trap = "decisions:\n  - {when: {operation: balance}, do: slow_down}\n"
    problems = [one for one in run_checks(draft_of(POLICY + trap)) if one.severity == "error"]
    assert {one.code for one in problems} == {"trap", "promise-broken"}
    assert all("`balance`" in str(one) for one in problems)
