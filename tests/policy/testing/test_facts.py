"""Facts bring about a typed condition where the policy has any, and a body is measured as it is."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from authguard.core.request import Limit, Operation, Proven
from authguard.policy.compiler import load
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.facts import (
    SignIn,
    build_body,
    build_credential,
    earlier_calls,
    find_used_up,
    pick_channel,
)
from authguard.policy.testing.request import ScenarioRequest

POLICY = load("banking")
DEPLOYMENT = Deployment(POLICY)
OPERATIONS = {one.name: one for one in POLICY.operations}
NOW = SignIn(now=1_000_000.0, at=999_990.0, number=1)


def body_of(operation: Operation, **conditions: str) -> object:
    return msgspec.json.decode(build_body(operation, ScenarioRequest(conditions=conditions), b"/").content)


def test_a_body_is_within_over_or_unmeasured() -> None:
    payment = OPERATIONS["payment"]
    assert body_of(payment) == {"amount": 1, "currency": "EUR", "iban": "payee-1"}
    assert body_of(payment, limit="exceeded") == {"amount": 5001, "currency": "EUR", "iban": "payee-1"}
    assert body_of(payment, limit="over_25000") == {"amount": 25001, "currency": "EUR", "iban": "payee-1"}
    assert body_of(payment, limit="unmeasured") == {"iban": "payee-1"}
    minor = replace(
        payment, amount_at="/a/b", scale=2, currency_at="", payee_at="", limits=(Limit(name="x", amount="0.5"),)
    )
    assert body_of(minor) == {"a": {"b": 50}}
    form = replace(
        payment,
        amount_at="",
        amount_form="sum",
        currency_at="",
        currency_form="cur",
        payee_at="",
        payee_form="to",
    )
    sent = build_body(form, ScenarioRequest(), b"/")
    assert (sent.content, sent.form) == (b"sum=1&cur=EUR&to=payee-1", b"application/x-www-form-urlencoded")


def test_a_limit_of_calls_is_exceeded_by_earlier_calls() -> None:
    asked = ScenarioRequest(conditions={"limit": "exceeded"})
    limit = find_used_up(OPERATIONS["payee"], asked)
    assert limit is not None
    assert len(earlier_calls(limit, 5.0)) == limit.calls
    assert find_used_up(OPERATIONS["payment"], asked) is None, "its amount is exceeded by the body"
    assert find_used_up(OPERATIONS["payee"], ScenarioRequest()) is None


@pytest.mark.parametrize(
    ("conditions", "facts"),
    [
        ({}, ("aal3", 999_990.0, "")),
        ({"assurance": "insufficient"}, ("aal2", 999_990.0, "")),
        ({"assurance": "stale"}, ("aal3", 999_699.0, "")),
        ({"credential": "undated"}, ("aal3", 0.0, "")),
        ({"actor": "agent"}, ("aal3", 999_990.0, "bank-assistant")),
        ({"actor": "stranger"}, ("aal3", 999_990.0, "stranger")),
    ],
)
def test_a_token_brings_about_what_is_typed(conditions: dict[str, str], facts: tuple[str, float, str]) -> None:
    found = build_credential(DEPLOYMENT, OPERATIONS["payment"], ScenarioRequest(conditions=conditions), NOW)
    assert isinstance(found, Proven)
    assert (found.principal.acr, found.principal.auth_time, found.principal.actor) == facts


def test_a_channel_is_the_verified_one_another_or_none() -> None:
    def pick(verified: str, **conditions: str) -> str:
        return pick_channel(POLICY, ScenarioRequest(conditions=conditions), verified)

    assert pick("") == "app"
    assert pick("voice") == "voice"
    assert pick("app", channel_change="switched") == "branch", "the web is trusted"
    assert pick("app", channel_change="unknown") == ""
    assert pick_channel(POLICY, ScenarioRequest(channel="voice"), "app") == "voice"
