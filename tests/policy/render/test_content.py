"""Tests of the content of a policy as data: its keys are stable, and its values are those of the policy."""

from __future__ import annotations

import json

import pytest

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.render.content import build_content

RULE = ("rule", "phase", "when", "do", "outcome", "origin")
FALLBACK = (
    *("fallback", "outcome", "status", "methods", "acr", "max_age", "since_entered", "role", "count", "approvers"),
    *(
        "queue",
        "after",
        "until_expiry",
        "effects",
        "scopes",
        "error",
        "attempts",
        "per",
        "then",
        "discloses",
        "messages",
    ),
)
ISSUER = (
    *("issuer", "provider", "tenants", "audience", "algorithms", "keys", "levels", "token", "type", "max_lifetime"),
    *("leeway", "evidence", "sender_constraint", "introspection"),
)
KEYS = {
    "rules": RULE,
    "invariants": ("name", "never", "always_reachable", "by"),
    "issuers": ISSUER,
    "account_map": ("source", "value", "state"),
    "timers": ("event", "after", "since", "states"),
    "limits": ("operation", "limit", "amount", "currency", "calls", "per", "by"),
    "fallbacks": FALLBACK,
}


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_every_policy_has_the_same_keys(name: str) -> None:
    draft = load_draft(name).draft
    assert draft is not None
    told = build_content(draft)
    assert json.loads(json.dumps(told)) == told
    assert set(told) == {*KEYS, "machines"}
    for part, keys in KEYS.items():
        for one in told[part]:
            assert tuple(one) == keys, part
    for machine in told["machines"].values():
        assert tuple(machine) == ("initial", "states", "transitions")
        assert {tuple(line) for line in machine["transitions"]} == {("events", "sources", "dest", "raises")}


def test_the_values_are_those_of_the_policy() -> None:
    draft, policy = load_draft("support-desk").draft, load("support-desk")
    assert draft is not None
    told = build_content(draft)
    assert [(one["rule"], one["do"], one["outcome"]) for one in told["rules"]] == [
        (rule.index, rule.do, policy.fallbacks[rule.do].kind.value) for rule in policy.table.rules
    ]
    assert {one["value"]: one["state"] for one in told["account_map"]} == dict(policy.accounts[0].map)
    assert [one["issuer"] for one in told["issuers"]] == list(policy.issuers)
    assert {one["fallback"] for one in told["fallbacks"]} == set(policy.fallbacks)
    assert [(one["amount"], one["calls"], one["per"]) for one in told["limits"]] == [
        ("500", 0, 0.0),
        ("1000", 0, 86_400.0),
        ("", 5, 600.0),
    ]
