"""A base policy runs as a deployment would complete it, and a request finds its operation as in the guard."""

from __future__ import annotations

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import Operation
from authguard.policy.compiler import load
from authguard.policy.testing.deployment import Deployment, complete_policy, describe_operation, request_line
from authguard.policy.testing.request import ScenarioRequest


def find(deployment: Deployment, method: str, target: str) -> str:
    found = deployment.find_operation(ScenarioRequest(method=method, target=target))
    return found.name if isinstance(found, Operation) else found.code


def test_only_what_a_policy_leaves_open_is_completed() -> None:
    support_desk, standard = load("support-desk"), load("standard")
    assert complete_policy(support_desk) is support_desk
    completed = complete_policy(standard)
    assert completed.table is standard.table
    assert completed.issuers
    assert completed.agents
    assert completed.channels.declared
    assert {name for one in completed.fallbacks.values() for name in one.methods} <= set(completed.methods)


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        ("POST", "/orders/7/refund", "refund"),
        ("POST", "/orders/7/refund?again=1", "refund"),
        ("GET", "/orders/7/refund", Reason.OPERATION_UNNAMED.code),
        ("websocket", "/nowhere", Reason.OPERATION_UNNAMED.code),
        ("POST", "/nowhere", Reason.OPERATION_UNNAMED.code),
    ],
)
def test_a_request_finds_its_operation_by_method_and_path(method: str, target: str, found: str) -> None:
    assert find(Deployment(load("support-desk")), method, target) == found


def test_a_described_operation_needs_what_its_conditions_name() -> None:
    policy = complete_policy(load("standard"))
    needy = {"scope": "missing", "assurance": "insufficient", "limit": "exceeded"}
    found = describe_operation({"risk": "high", "effect": "write", **needy}, policy.assurance)
    assert (found.scopes, found.acr, len(found.limits)) == (frozenset({"scenario"}), "aal3", 1)
    plain = describe_operation({"risk": "high", "effect": "write"}, policy.assurance)
    assert (plain.scopes, plain.acr, plain.limits) == (frozenset(), "", ())


def test_a_named_operation_is_requested_by_its_template() -> None:
    operations = {one.name: one for one in load("banking").operations}
    ask = ScenarioRequest(operation="balance")
    assert request_line(operations["balance"], ask) == ("GET", b"/accounts/1/balance")
    assert request_line(operations["live"], ask) == ("websocket", b"/live")
    typed = ScenarioRequest(method="GET", target="/accounts/7/balance")
    assert request_line(operations["balance"], typed) == ("GET", b"/accounts/7/balance")
