"""Tests of proposed operations: risk and effect by method, path and scopes, strict where nothing is known."""

from __future__ import annotations

import pytest

from authguard.policy.operation_proposal import MAX_OPERATIONS, Described, propose_operations


@pytest.mark.parametrize(
    ("method", "path", "risk", "effect"),
    [
        ("GET", "/healthz", "public", "read"),
        ("POST", "/healthz", "sensitive", "write"),
        ("GET", "/products/{id}", "routine", "read"),
        ("GET", "/orders/{id}", "sensitive", "read"),
        ("GET", "/unheard-of", "sensitive", "read"),
        ("POST", "/chat", "routine", "read"),
        ("POST", "/search", "sensitive", "read"),
        ("POST", "/researched", "sensitive", "write"),
        ("PUT", "/search", "sensitive", "write"),
        ("POST", "/orders", "sensitive", "write"),
        ("POST", "/orders/{id}/refund", "high", "write"),
        ("PUT", "/payout-account/iban", "high", "write"),
        ("PUT", "/me/email", "high", "write"),
        ("DELETE", "/orders/{id}", "high", "write"),
        ("GET", "/admin/users", "high", "read"),
        ("websocket", "/live", "sensitive", "write"),
        ("", "/anything", "sensitive", "write"),
    ],
)
def test_risk_and_effect_have_a_reason(method: str, path: str, risk: str, effect: str) -> None:
    (found,) = propose_operations([Described(path=path, method=method)]).operations
    assert (found.risk, found.effect) == (risk, effect)
    assert found.why.startswith(f"{effect}: ")
    assert f"; {risk}: " in found.why


def test_an_open_endpoint_is_public_only_if_it_reads() -> None:
    found = propose_operations(
        [Described(path="/a", method="GET", is_open=True), Described(path="/a", method="POST", is_open=True)]
    ).operations
    assert [one.risk for one in found] == ["public", "sensitive"]


def test_scopes_are_kept_except_for_public_operations() -> None:
    scopes = ("orders",)
    found = propose_operations([Described(path="/a", method="GET", scopes=scopes)]).operations
    assert found[0].scopes == scopes


def test_names_are_unique_and_valid() -> None:
    endpoints = [
        Described(path="/a", method="GET", name="getThing"),
        Described(path="/b", method="GET", name="get_thing"),
        Described(path="/9", method=""),
        Described(path="/c", method="GET", name="otherwise"),
        Described(path="/{x}", method="GET"),
        Described(path="/é", method="GET", name="é"),
    ]
    names = [one.name for one in propose_operations(endpoints).operations]
    assert names[:3] == ["get_thing", "get_thing_2", "operation_9"]
    assert len(set(names)) == len(names)


def test_templates_are_those_of_a_policy_and_literal_ones_come_first() -> None:
    endpoints = [
        Described(path="/a/{rest:path}", method="GET"),
        Described(path="/a/{order-id:int}", method="GET"),
        Described(path="/a/b", method="GET"),
    ]
    found = propose_operations(endpoints).operations
    assert [one.path for one in found] == ["/a/b", "/a/{order_id}", "/a/{rest:path}"]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        (Described(path="/files/{name}.pdf", method="GET"), "no such template"),
        (Described(path="/a\nb", method="GET"), "no such template"),
        (Described(path="no-slash", method="GET"), "no such template"),
        (Described(path="/a", method="TRACE\n"), "no such method"),
        (Described(path="/a", method="GET", scopes=("two words",)), "not one word"),
    ],
)
def test_what_cannot_be_written_is_skipped_with_its_reason(endpoint: Described, reason: str) -> None:
    found = propose_operations([endpoint])
    assert found.operations == ()
    assert reason in found.skipped[0]


def test_the_number_of_operations_is_bounded() -> None:
    found = propose_operations(Described(path=f"/a{number}", method="GET") for number in range(MAX_OPERATIONS + 2))
    assert (len(found.operations), len(found.skipped)) == (MAX_OPERATIONS, 2)
