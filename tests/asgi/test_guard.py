"""The app's view of a request tells what was decided, cannot be changed, and demands scopes with a challenge."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from authguard.asgi.guard import Guard, GuardServices, current_guard
from tests.support.harness import ISSUER, EnforcerHarness

METADATA = "https://shop.test/.well-known/oauth-protected-resource"


async def guard_of(*, token: bytes = b"", operation: str = "chat", **facts: Any) -> Guard:
    desk = EnforcerHarness()
    verdict = await desk.ask(operation, token or desk.login(**facts))
    return Guard(GuardServices.of(desk.enforcer, lambda path: f"{METADATA}{path}"), verdict)


async def nobody() -> Guard:
    desk = EnforcerHarness()
    verdict = await desk.ask("health")
    return Guard(GuardServices.of(desk.enforcer, lambda _: ""), verdict)


def connection(state: dict[str, Any]) -> HTTPConnection:
    return HTTPConnection({"type": "http", "headers": [], "state": state})


async def test_the_customer_is_named_by_issuer_and_subject_together() -> None:
    guard = await guard_of(subject="alice")

    assert (guard.subject, guard.issuer, guard.client) == ("alice", ISSUER, "app")
    assert guard.identity not in {"alice", ISSUER}
    assert guard.identity != (await guard_of(subject="bob")).identity


async def test_without_a_proven_credential_everything_is_empty() -> None:
    guard = await nobody()

    assert (guard.subject, guard.issuer, guard.identity, guard.client) == ("", "", "", "")
    assert guard.scopes == frozenset()
    assert dict(guard.claims) == {}


async def test_its_text_has_no_name_and_no_claim() -> None:
    guard = await guard_of(subject="alice-in-the-text", claims={"account_status": "ok", "email": "a@b.test"})

    assert "alice" not in repr(guard)
    assert "a@b.test" not in repr(guard)


async def test_claims_cannot_be_changed_at_any_depth() -> None:
    guard = await guard_of(claims={"account_status": "ok", "deep": {"list": [1, {"a": 2}]}})
    claims: Any = guard.claims

    with pytest.raises(TypeError):
        claims["sub"] = "somebody"
    with pytest.raises(TypeError):
        claims["deep"]["list"] = []
    with pytest.raises((TypeError, AttributeError)):
        claims["deep"]["list"].append(3)
    with pytest.raises(TypeError):
        claims["deep"]["list"][1]["a"] = 3


async def test_a_scope_that_is_there_is_enough_and_others_are_asked_for_together() -> None:
    guard = await guard_of(token_scopes=frozenset({"chat"}))
    guard.require("chat")

    with pytest.raises(HTTPException) as caught:
        guard.require("refunds", "chat", "accounts")

    assert caught.value.status_code == 403
    (challenge,) = (caught.value.headers or {}).values()
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="accounts chat refunds"' in challenge
    assert f'resource_metadata="{METADATA}/chat"' in challenge


async def test_a_restricted_request_requires_only_what_is_left_of_its_scopes() -> None:
    guard = await guard_of(claims={"account_status": "frozen"})
    assert guard.outcome == "restrict"

    with pytest.raises(HTTPException):
        guard.require("refunds")


async def test_the_guard_of_a_request_is_found_and_an_app_without_one_is_told() -> None:
    guard = await guard_of()
    assert current_guard(connection({"authguard": guard})) is guard

    for state in ({}, {"authguard": None}, {"authguard": "forged"}):
        with pytest.raises(HTTPException) as caught:
            current_guard(connection(state))
        assert caught.value.status_code == 500
