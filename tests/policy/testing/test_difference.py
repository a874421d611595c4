"""A typed condition that cannot come about is explained by what the operation and the policy say."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.core.request import Operation
from authguard.policy.compiler import load
from authguard.policy.testing.difference import explain_difference

POLICY = load("banking")
DERIVED = {
    "credential": "good",
    "risk": "routine",
    "effect": "read",
    "scope": "granted",
    "assurance": "met",
    "limit": "within",
    "channel_change": "same",
    "actor": "subject",
}
CHAT = Operation(name="chat", risk="routine", effect="read")


@pytest.mark.parametrize(
    ("name", "typed", "why"),
    [
        ("risk", "high", "`chat` is `routine` and `read`"),
        ("credential", "undated", "the token states a sign-in, or the request needs no time of it"),
        ("scope", "missing", "`chat` needs no scope and no role"),
        ("assurance", "stale", "`chat` requires no assurance"),
        ("limit", "exceeded", "`chat` has no limits"),
        ("channel_change", "switched", "identity was proved in no channel from which trust does not carry to this one"),
    ],
)
def test_the_reason_is_the_operations_or_the_policys(name: str, typed: str, why: str) -> None:
    said = explain_difference(POLICY, CHAT, name, typed, DERIVED)
    assert said == f"`{name}: {typed}` cannot come about: the driver derives `{DERIVED[name]}`, since {why}"


def test_an_operation_that_has_the_requirement_says_so() -> None:
    operation = replace(CHAT, scopes=frozenset({"chat"}), acr="aal2", max_age=60.0, actor="forbidden")
    for name, why in (
        ("scope", "the token has"),
        ("assurance", "`aal2` and a sign-in"),
        ("actor", "`actor: forbidden`"),
    ):
        assert why in explain_difference(POLICY, operation, name, "other", DERIVED)


def test_nothing_is_known_of_an_unproven_caller() -> None:
    derived = {**DERIVED, "credential": "expired"}
    assert "unproven caller" in explain_difference(POLICY, CHAT, "actor", "agent", derived)
    public = replace(CHAT, risk="public")
    said = explain_difference(POLICY, public, "credential", "good", {**DERIVED, "credential": "missing"})
    assert "no credential is checked" in said
