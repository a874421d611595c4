"""Tests of rules that name operations and groups, on the enforcer and in the proof."""

from __future__ import annotations

import pytest

from authguard.core.extra_dimensions import OPERATION
from authguard.core.request import Operation
from authguard.evaluation.extra_values import Given, describe_context, read_extra
from authguard.policy.explain.explainer import explain_decision
from tests.support.harness import POLICY, EnforcerHarness, outcome, policy_of

RULE = "decisions:\n  - {when: {operation: seen, account: minor}, do: to_a_person}\n"
NAMING = POLICY.replace("scopes: [accounts]}", "scopes: [accounts], groups: [seen]}") + RULE
MINOR = {"account_status": "kid"}


def test_a_policy_that_names_no_operation_adds_nothing() -> None:
    assert policy_of().table.extra == ()
    assert read_extra(policy_of(), Operation(name="chat"), Given()) == ()


def test_a_policy_that_names_a_group_adds_the_operation() -> None:
    policy = policy_of(NAMING)
    assert policy.table.extra == (OPERATION,)
    assert read_extra(policy, policy.operations[3], Given()) == ("balance",)
    assert describe_context(policy, policy.operations[3], ("balance",)) == {}, "a record has a field for it"
    assert policy.table.rules[22].when[OPERATION] == {"balance"}


@pytest.mark.parametrize("text", [POLICY, NAMING])
async def test_the_rule_decides_its_operation_and_no_other(text: str) -> None:
    desk = EnforcerHarness(text)
    token = desk.login(claims=MINOR)
    named = text is NAMING
    assert outcome(await desk.ask("balance", token))[0] == ("handoff" if named else "allow")
    assert outcome(await desk.ask("chat", token))[0] == "allow"
    assert outcome(await desk.ask("balance"))[0] == "challenge"


async def test_the_record_has_the_same_cell_as_before() -> None:
    desk = EnforcerHarness(NAMING)
    verdict = await desk.ask("balance", desk.login())
    assert len(verdict.cell) == 13
    assert verdict.decision.context == {}


def test_explain_asks_about_an_operation() -> None:
    policy = policy_of(NAMING)
    states = {"account": "minor", "verification": "verified"}
    assert explain_decision(policy, states, "balance").rule == "22:to_a_person"
    assert explain_decision(policy, states, "chat").outcome == "allow"
    assert explain_decision(policy, states | {"risk": "sensitive", "effect": "read"}).outcome == "allow"
