"""A scenario may expect what a reply names: queue, approvers, methods, verifiers and the age of a sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.policy.compiler import load
from authguard.policy.testing.reply_detail import compare_details, read_details
from authguard.policy.testing.request import ScenarioDecision

if TYPE_CHECKING:
    from authguard.core.policy import Policy


@pytest.fixture(scope="module")
def banking() -> Policy:
    """Give a policy with two approvers and a method of two verifiers."""
    return load("banking")


def decide(fallback: str, *scopes: str) -> ScenarioDecision:
    outcome = "refused" if not fallback else "deny"
    return ScenarioDecision(outcome=outcome, fallback=fallback, reason="decided", scopes=scopes)


def test_details_are_read_from_the_fallback(banking: Policy) -> None:
    assert read_details(banking, decide("to_fraud"))["queue"] == "fraud"
    assert read_details(banking, decide("await_approval"))["approvers"] == [
        {"role": "payments-officer", "count": 2, "acr": ""}
    ]
    assert read_details(banking, decide("prove_otherwise"))["verifiers"] == ["card_reader", "officer_call"]
    assert read_details(banking, decide("sign_in_fresh"))["max_age"] == "since_entered"
    assert read_details(banking, decide("step_up"))["max_age"] == "0ms"


@pytest.mark.parametrize(
    ("fallback", "expected", "differences"),
    [
        ("await_approval", {"approvers": [{"count": 2}]}, []),
        ("await_approval", {"approvers": [{"count": 1}]}, ["`approvers` is `count 2`, not `count 1`"]),
        ("to_fraud", {"queue": "fraud", "methods": []}, []),
        ("to_fraud", {"queue": "desk"}, ["`queue` is `fraud`, not `desk`"]),
        ("refuse", {"queue": "desk"}, ["`queue` is `none`, not `desk`"]),
        ("refuse", {"scopes": ["chat"]}, []),
        ("refuse", {"scopes": []}, ["`scopes` is `chat`, not `none`"]),
        ("", {"methods": ["default"]}, ["`methods` is `none`, not `default`"]),
    ],
)
def test_only_what_is_expected_is_compared(
    banking: Policy, fallback: str, expected: dict[str, Any], differences: list[str]
) -> None:
    assert list(compare_details(banking, decide(fallback, "chat"), expected)) == differences
