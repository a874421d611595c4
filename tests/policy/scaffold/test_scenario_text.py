"""Tests of the scenarios of a new policy: only those that come about, of the example or the proposed operations."""

from __future__ import annotations

from authguard.policy.operation_proposal import Described, propose_operations
from authguard.policy.scaffold import build_files
from authguard.policy.scaffold.answers import Answers

PLAIN = {"name": "shop", "issuer": "https://idp.example", "audience": "shop"}


def test_example_operations_have_example_scenarios() -> None:
    text = build_files(Answers(**PLAIN))["scenarios/first.yaml"]
    assert "operation: chat" in text
    assert "operation: pay" in text


def test_proposed_operations_have_their_own() -> None:
    operations = propose_operations([Described(path="/orders", method="GET")]).operations
    text = build_files(Answers(**PLAIN, operations=operations))["scenarios/first.yaml"]
    assert "get_orders needs a sign-in" in text
    assert "operation: chat" not in text


def test_a_shipped_policy_brings_its_own() -> None:
    made = build_files(Answers(**PLAIN, extends="support-desk"))
    assert {name for name in made if name.startswith("scenarios/")} > {"scenarios/refunds.yaml"}
