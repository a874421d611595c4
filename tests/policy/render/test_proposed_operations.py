"""Tests of the text of proposed operations: valid lines of a policy, and scenarios for each risk."""

from __future__ import annotations

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.operation_proposal import Described, propose_operations
from authguard.policy.render.proposed_operations import MAX_SCENARIOS, list_scenarios, render_operations

ENDPOINTS = [
    Described(path="/healthz", method="GET"),
    Described(path="/pay: #'x'", method="POST"),
    Described(path="/payments", method="POST", scopes=("pay:write",)),
    Described(path="/live", method="websocket"),
    Described(path="/admin", method="GET"),
]


def test_lines_are_yaml_with_a_reason_above_each_operation() -> None:
    proposals = propose_operations(ENDPOINTS).operations
    lines = [*render_operations(proposals, "aal2", has_scopes=True, staff_role="Shop Lead")]
    assert [line.startswith("  # ") for line in lines] == [True, False] * len(proposals)
    parsed = parse_yaml(("operations:\n" + "\n".join(lines)).encode(), "policy.yaml")
    assert parsed.problems == ()
    operations = {one["name"]: one for one in parsed.tree.to_plain()["operations"]}
    assert operations["post_payments"] == {
        "name": "post_payments",
        "match": {"path": "/payments", "method": "POST"},
        "risk": "high",
        "effect": "write",
        "scopes": ["pay:write"],
        "assurance": {"acr": "aal2", "max_age": "5m"},
    }
    assert operations["websocket_live"]["match"] == {"websocket": "/live"}
    assert operations["get_admin"]["roles"] == ["Shop Lead"]


def test_tokens_without_scopes_and_roles_need_none() -> None:
    lines = "".join(render_operations(propose_operations(ENDPOINTS).operations, "aal2", has_scopes=False))
    assert "scopes" not in lines
    assert "roles:" not in lines


def test_scenarios_follow_the_risk_and_are_bounded() -> None:
    names = [name for name, *_ in list_scenarios(propose_operations(ENDPOINTS).operations, "verify")]
    assert "get_healthz needs no sign-in" in names
    assert "post_payments needs a fresh sign-in" in names
    assert "a known customer may use get_admin" not in names
    many = propose_operations(Described(path=f"/a{number}", method="GET") for number in range(100)).operations
    assert len({row[3].split(",")[0] for row in list_scenarios(many, "verify")}) == MAX_SCENARIOS
