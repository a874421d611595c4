"""A request of a scenario leaves open what it does not state."""

from __future__ import annotations

from authguard.policy.testing.request import REFUSED, ScenarioDecision, ScenarioRequest


def test_a_request_states_nothing_but_its_key() -> None:
    asked = ScenarioRequest(operation="chat")
    assert (dict(asked.conditions), asked.token, asked.body, asked.channel) == ({}, None, None, "")
    assert asked.idempotency == ScenarioRequest(operation="pay").idempotency


def test_a_refusal_without_a_cell_has_no_rule() -> None:
    decision = ScenarioDecision(outcome=REFUSED, reason="operation-unnamed")
    assert (decision.rule, decision.fallback, dict(decision.conditions)) == (None, "", {})
