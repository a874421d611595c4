"""Tests of the answers of a new policy: what follows from them."""

from __future__ import annotations

from authguard.policy.operation_proposal import Described, propose_operations
from authguard.policy.scaffold.answers import Answers

PLAIN = {"name": "shop", "issuer": "https://idp.example", "audience": "shop"}


def test_identity_is_proven_by_a_service_a_sign_in_or_a_person() -> None:
    assert Answers(**PLAIN, verifier="https://verify.test").proof == "verify"
    assert Answers(**PLAIN, provider="generic", level="aal2").proof == "step_up"
    assert Answers(**PLAIN, provider="google").proof == "handoff"


def test_approvers_are_needed_for_an_operation_of_high_risk() -> None:
    assert Answers(**PLAIN).has_approvers
    assert not Answers(**PLAIN, payments=False).has_approvers
    reads = propose_operations([Described(path="/a", method="GET")]).operations
    pays = propose_operations([Described(path="/payments", method="POST")]).operations
    assert not Answers(**PLAIN, operations=reads).has_approvers
    assert Answers(**PLAIN, operations=pays, payments=False).has_approvers
