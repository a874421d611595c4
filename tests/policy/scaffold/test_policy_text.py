"""Tests of the text of a new policy: each answer is where it belongs, as data."""

from __future__ import annotations

from typing import Any

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.scaffold.answers import Answers
from authguard.policy.scaffold.policy_text import write_policy


def written(**answers: Any) -> dict[str, Any]:
    whole = Answers(**{"name": "shop", "issuer": "https://idp.example", "audience": "shop", **answers})
    parsed = parse_yaml("\n".join(write_policy(whole)).encode(), "policy.yaml")
    assert parsed.problems == ()
    found: dict[str, Any] = parsed.tree.to_plain()
    return found


def test_only_the_asked_parts_are_written() -> None:
    assert not {"channels", "verifiers", "methods", "staff"} & written().keys()


def test_every_answer_is_data() -> None:
    odd = "x: #'{y}'"
    found = written(channels="app, web", verifier="https://verify.test", staff=odd, approver=odd, approvals="2")
    assert found["channels"]["trusts"] == {"app": [], "web": []}
    assert found["verifiers"]["identity"]["url"] == "https://verify.test"
    assert found["fallbacks"]["prove_identity"]["kind"] == "verify"
    assert found["staff"] == {"claim": odd, "issuer": "https://idp.example"}
    assert found["fallbacks"]["await_approval"]["approvers"] == {"role": odd, "count": 2}
    assert "decisions" not in found
